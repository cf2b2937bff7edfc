/** Ends an HTTP server: nothing new is taken, and what it is answering gets its time. */
import type { ServerType } from '@hono/node-server';
import { ApiError } from '../errors.ts';

/** As long as runners have to finish their answers; platforms wait a little longer (infra/). */
export const DRAIN_MS = 110_000;
/** For the last words of what is ended then to leave. */
export const FLUSH_MS = 5_000;
/** A connection that was in use when the server closed may be used again and again. */
const IDLE_MS = 500;

/** What is told to whoever answers. */
export interface Closing {
  /** Aborted at once: who waits for others waits no longer, for they may wait for this very server. */
  readonly stopping: AbortController;
  /** Aborted when their time is up: answers that run then end with its reason. */
  readonly ending: AbortController;
}

export async function closeServer(
  server: ServerType,
  { stopping, ending }: Closing,
  drainMs = DRAIN_MS,
): Promise<void> {
  stopping.abort();
  const closed = new Promise((resolve) => server.close(resolve));
  if (!('closeAllConnections' in server)) return void (await closed);
  const idle = setInterval(() => server.closeIdleConnections(), IDLE_MS);
  const end = setTimeout(() => ending.abort(timeIsUp()), drainMs);
  const cut = setTimeout(() => server.closeAllConnections(), drainMs + FLUSH_MS);
  await closed;
  clearInterval(idle);
  clearTimeout(end);
  clearTimeout(cut);
}

const timeIsUp = () =>
  new ApiError('unavailable', 'This server is stopping; ask again, and another one answers.', {
    retryAfterSeconds: 1,
  });
