/** The API, as the command uses it. Answers are checked: a proxy's page is not mistaken for one. */
import { z } from 'zod';
import { CliError, Conflict, EXIT, list } from './errors.ts';
import { asOption } from './options.ts';
import type { Settings } from './settings.ts';

const Problem = z.looseObject({
  detail: z.string(),
  code: z.string().optional(),
  field: z.string().optional(),
  problems: z.array(z.object({ detail: z.string() })).default([]),
});
const OpenaiProblem = z.object({
  error: z.object({ message: z.string(), code: z.string().nullish(), param: z.string().nullish() }),
});

export const Version = z.looseObject({
  number: z.int(),
  reference: z.string(),
  status: z.string(),
  digest: z.string(),
  base: z.string(),
  rank: z.int(),
  parameters: z.int(),
  targetModules: z.array(z.string()),
  size: z.int(),
  createdAt: z.string(),
});
/** A name and nothing else: what a server calls a file must not lead out of the folder it is pulled to. */
const fileName = z.string().regex(/^[A-Za-z0-9][\w.-]{0,254}$/);
export const File = z.object({ path: fileName, size: z.int(), sha256: z.string() });
const Share = z.looseObject({ value: z.number(), low: z.number(), high: z.number() });
const Findings = z.looseObject({
  smoke: z.looseObject({ prompts: z.int(), changedAnswers: z.int() }).optional(),
  evaluation: z
    .looseObject({
      rows: z.int(),
      loss: z.object({ base: z.number(), adapter: z.number() }),
      accuracy: z.object({ base: Share, adapter: Share }),
    })
    .optional(),
  notes: z.array(z.string()),
  advice: z.array(z.string()),
});
export const VersionDetail = Version.extend({
  files: z.array(File),
  card: z.string(),
  verification: z
    .looseObject({
      problems: z.array(z.looseObject({ detail: z.string() })),
      findings: Findings.nullable(),
    })
    .nullable(),
  runsOn: z.array(z.looseObject({ platform: z.string(), runs: z.string() })),
});
export const Adapter = z.looseObject({
  id: z.string(),
  title: z.string(),
  summary: z.string(),
  base: z.string(),
  rank: z.int(),
  size: z.int(),
  latest: z.int(),
});
export const AdapterDetail = Adapter.extend({
  card: z.string(),
  versions: z.array(Version),
  license: z.string().nullable(),
  task: z.string().nullable(),
});
export const AdapterPage = z.looseObject({
  adapters: z.array(Adapter),
  next: z.string().nullable(),
  alike: z.boolean(),
});
export const Draft = z.looseObject({
  id: z.string(),
  files: z.array(
    z.object({
      path: z.string(),
      size: z.int(),
      status: z.enum(['present', 'upload']),
      partSize: z.int().optional(),
      parts: z
        .array(z.object({ number: z.int(), size: z.int(), done: z.boolean(), url: z.string().optional() }))
        .default([]),
    }),
  ),
});
export type Draft = z.infer<typeof Draft>;
export const Completed = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('adapter'), created: z.boolean(), version: Version }),
  z.object({ kind: z.literal('base'), base: z.looseObject({ id: z.string(), digest: z.string() }) }),
]);
export const Statement = z.looseObject({
  owner: z.string(),
  month: z.string(),
  currency: z.string(),
  total: z.number(),
  cap: z.number().nullable(),
  items: z.array(
    z.looseObject({ model: z.string(), kind: z.string(), quantity: z.number(), charge: z.number() }),
  ),
});
export const Whoami = z.object({ owner: z.string(), scopes: z.array(z.string()) });
export const MadeKey = z.looseObject({
  id: z.string(),
  key: z.string(),
  name: z.string(),
  scopes: z.array(z.string()),
});
export const GivenPassword = z.object({ name: z.string(), email: z.string(), password: z.string() });
export const Keys = z.object({
  keys: z.array(
    z.looseObject({ id: z.string(), name: z.string(), start: z.string(), scopes: z.array(z.string()) }),
  ),
});
export const BaseConfigOnly = z.looseObject({ id: z.string(), config: z.unknown() });

export class Client {
  readonly settings: Settings;

  constructor(settings: Settings) {
    this.settings = settings;
  }

  async get<T extends z.ZodType>(schema: T, path: string): Promise<z.infer<T>> {
    return this.read(schema, await this.send('GET', path));
  }

  async post<T extends z.ZodType>(
    schema: T,
    path: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<z.infer<T>> {
    return this.read(schema, await this.send('POST', path, body, undefined, headers));
  }

  async postForm<T extends z.ZodType>(schema: T, path: string, form: FormData): Promise<z.infer<T>> {
    return this.read(schema, await this.request('POST', path, { body: form }));
  }

  async delete(path: string): Promise<void> {
    await this.send('DELETE', path);
  }

  /** @throws CliError with the server's own words */
  send(
    method: string,
    path: string,
    body?: unknown,
    signal?: AbortSignal,
    headers: Record<string, string> = {},
  ): Promise<Response> {
    return this.request(method, path, {
      ...(body === undefined
        ? { headers }
        : { body: JSON.stringify(body), headers: { ...headers, 'content-type': 'application/json' } }),
      ...(signal ? { signal } : {}),
    });
  }

  private async request(method: string, path: string, init: RequestInit): Promise<Response> {
    const { url, key } = this.settings;
    let response: Response;
    try {
      const headers = { ...init.headers, ...(key ? { authorization: `Bearer ${key}` } : {}) };
      response = await fetch(`${url}${path}`, { ...init, method, headers });
    } catch (error) {
      if (init.signal?.aborted) throw error;
      throw new CliError(
        EXIT.unavailable,
        `no Patchbay answers at ${url}`,
        'Start one with `npm start`, or set PATCHBAY_URL.',
      );
    }
    if (!response.ok) throw await failure(response);
    return response;
  }

  private async read<T extends z.ZodType>(schema: T, response: Response): Promise<z.infer<T>> {
    const checked = schema.safeParse(await response.json().catch(unreadable));
    if (!checked.success)
      throw new CliError(
        EXIT.failed,
        `${response.url} did not answer as a Patchbay does`,
        'Check PATCHBAY_URL.',
      );
    return checked.data;
  }
}

/** What is no JSON is told by its schema. @throws CliError where it did not arrive */
function unreadable(error: unknown): undefined {
  if (!(error instanceof SyntaxError)) throw brokeOff();
}

export const brokeOff = (): CliError =>
  new CliError(EXIT.unavailable, 'the answer broke off', 'Try again in a moment.');

/** What to do where a key may not do something, by the problem's code. */
const HINTS: Readonly<Record<string, string>> = {
  insufficient_scope: 'Ask for a key with that scope: `patchbay keys create`.',
};

async function failure(response: Response): Promise<CliError> {
  const body: unknown = await response.json().catch(() => undefined);
  const problem = Problem.safeParse(body).data;
  const openai = OpenaiProblem.safeParse(body).data?.error;
  const message = problem?.detail ?? openai?.message ?? `the server answered ${response.status}`;
  const code = problem?.code ?? openai?.code;
  const all = problem?.problems.length ? list(problem.problems.map(({ detail }) => detail)) : message;
  switch (response.status) {
    case 400:
      return new CliError(EXIT.usage, asOption(message, problem?.field ?? openai?.param));
    case 401:
      return new CliError(EXIT.denied, message, 'Set PATCHBAY_KEY, or run `patchbay login`.');
    case 403:
      return new CliError(EXIT.denied, message, code ? HINTS[code] : undefined);
    case 404:
      return new CliError(EXIT.notFound, message);
    case 409:
      return new Conflict(message);
    case 422:
      return new CliError(EXIT.refused, all);
    case 429:
    case 502: // of a proxy, whose server is starting again
    case 503:
    case 504:
      return new CliError(EXIT.unavailable, message, 'Try again in a moment.');
    default:
      return new CliError(EXIT.failed, message);
  }
}
