/** The API's users, with the patience that a client under test has. */
import { z } from 'zod';
import { baseId, type DraftBody, declare, type Files, upload } from '../in-process.ts';

/** Longer than anything is allowed to take: what is not over by then hangs. */
export const PATIENCE_MS = 45_000;

/** As problem+json has it, and as OpenAI's clients expect it. */
const Problem = z.object({ code: z.string(), detail: z.string() });
const OpenaiError = z.object({ error: z.object({ code: z.string(), message: z.string() }) });
/** Hugging Face's clients go by the status. */
const HubError = z.object({ error: z.string() });
const UNAVAILABLE = 503;

export interface Answer {
  readonly status: number;
  readonly body: unknown;
  readonly requestId: string | undefined;
}

/** An answer that is no success. */
export class Refused extends Error {
  override readonly name = 'Refused';
  readonly status: number;
  /** From the closed list; undefined: the answer does not say what is wrong. */
  readonly code: string | undefined;

  constructor({ status, body }: Answer) {
    const code = codeOf(body, status);
    // The whole answer: what is wrong in a run that fails is told nowhere else.
    super(`${status} ${code ?? ''} ${JSON.stringify(body)?.slice(0, 300)}`);
    this.status = status;
    this.code = code;
  }
}

export function codeOf(body: unknown, status?: number): string | undefined {
  if (status === UNAVAILABLE && HubError.safeParse(body).success) return 'unavailable';
  const openai = OpenaiError.safeParse(body);
  if (openai.success) return openai.data.error.code;
  const problem = Problem.safeParse(body);
  return problem.success ? problem.data.code : undefined;
}

export class Client {
  readonly url: string;
  readonly key: string;

  constructor(url: string, key: string) {
    this.url = url;
    this.key = key;
  }

  send(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Response> {
    const patience = AbortSignal.timeout(PATIENCE_MS);
    return fetch(`${this.url}${path}`, {
      method,
      signal: signal ? AbortSignal.any([signal, patience]) : patience,
      headers: {
        authorization: `Bearer ${this.key}`,
        ...(body instanceof FormData || body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: body instanceof FormData ? body : JSON.stringify(body) }),
    });
  }

  async call(method: string, path: string, body?: unknown): Promise<Answer> {
    const response = await this.send(method, path, body);
    const text = await response.text();
    const requestId = response.headers.get('x-request-id') ?? undefined;
    return { status: response.status, body: parsed(text), requestId };
  }

  /** @throws Refused, or what the network did */
  async ok(method: string, path: string, body?: unknown): Promise<unknown> {
    const answer = await this.call(method, path, body);
    if (answer.status >= 300) throw new Refused(answer);
    return answer.body;
  }

  /** Undisturbed: for what a test needs before it begins. */
  async publish(route: string, fields: object, files: Files): Promise<unknown> {
    const draft = (await this.ok('POST', route, {
      base: baseId,
      ...fields,
      files: declare(files),
    })) as DraftBody;
    await upload(draft, files);
    return this.ok('POST', `/api/drafts/${draft.id}/complete`);
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
