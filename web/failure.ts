/** What did not work, whoever says so (this API, OpenAI's client, the browser): whether it passes by itself, and how people are told. */

interface Refusal extends Error {
  readonly status?: number;
  readonly retryAfterSeconds?: number;
  /** As OpenAI's client has them: its own message begins with the status. */
  readonly headers?: Headers;
  readonly error?: { readonly message?: string };
}

const ASK_AGAIN_MS = 3_000;

/** Nobody answered: browsers say that with a TypeError, OpenAI's client with an error that has no status. */
function isUnreached(error: unknown): boolean {
  return (
    error instanceof TypeError || (error instanceof Error && 'status' in error && error.status === undefined)
  );
}

export const isSessionOver = (error: unknown): boolean => (error as Refusal | undefined)?.status === 401;

/** @returns milliseconds after which to ask again; undefined: it is not going to be another answer */
export function passesIn(error: unknown): number | undefined {
  if (isUnreached(error)) return ASK_AGAIN_MS;
  const { status = 0, retryAfterSeconds, headers } = error as Refusal;
  if (status !== 429 && status < 500) return undefined;
  const asked = (retryAfterSeconds ?? Number(headers?.get('retry-after') ?? 0)) * 1000;
  return asked > 0 ? asked : ASK_AGAIN_MS;
}

/** In words for people, who hold no keys and send no requests. */
export function said(error: unknown): string {
  if (typeof error === 'string') return error;
  if (isUnreached(error)) return 'The server cannot be reached. Is there a network? Try again in a moment.';
  if (isSessionOver(error)) return 'Your session is over.';
  return (error as Refusal).error?.message ?? (error as Error).message;
}

/**
 * Asks until there is an answer: what passes by itself is waited for.
 * @param tell hears what is waited for. @throws what another attempt would not change, and whatever comes once nobody listens
 */
export async function patiently<T>(
  ask: () => Promise<T>,
  tell: (failure: unknown) => void,
  signal?: AbortSignal,
): Promise<T> {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      const wait = passesIn(error);
      if (wait === undefined || signal?.aborted) throw error;
      tell(error);
      await new Promise((resolve) => setTimeout(resolve, wait));
      signal?.throwIfAborted();
    }
  }
}
