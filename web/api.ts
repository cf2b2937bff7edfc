/** Patchbay's API as its OpenAPI document describes it. What it refuses is thrown as a Problem. */
import createClient, { type Middleware } from 'openapi-fetch';
import type { components, paths } from './api-types.ts';

export type Schemas = components['schemas'];
export type Api = ReturnType<typeof createApi>;

/** RFC 9457. */
export class Problem extends Error {
  readonly status: number;
  readonly code: string;
  readonly field: string | undefined;
  /** All reasons, where there are several. */
  readonly problems: readonly { code: string; detail: string; field?: string | undefined }[];
  readonly retryAfterSeconds: number | undefined;

  constructor(body: Partial<Schemas['Problem']>, status: number, retryAfterSeconds?: number) {
    super(body.detail ?? `The server answered ${status}.`);
    this.status = status;
    this.code = body.code ?? 'unknown';
    this.field = body.field;
    this.problems = body.problems ?? [];
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

const throwProblems: Middleware = {
  async onResponse({ response }) {
    if (response.ok) return;
    const after = Number(response.headers.get('retry-after')) || undefined;
    const body = await response.json().catch(() => ({}));
    // OpenAI's shape, on their routes.
    throw new Problem(body.error ? { detail: body.error.message } : body, response.status, after);
  },
};

/** @param ask how, where it is not the browser that asks */
export function createApi(baseUrl: string, ask?: (request: Request) => Promise<Response>) {
  const client = createClient<paths>({ baseUrl, ...(ask ? { fetch: ask } : {}) });
  client.use(throwProblems);
  return client;
}

/** The body of an answer: what is no success was thrown, and what can also be had as CSV was asked for as JSON. */
export async function dataOf<T>(answer: Promise<{ data?: T }>): Promise<Exclude<NonNullable<T>, string>> {
  return (await answer).data as Exclude<NonNullable<T>, string>;
}
