/** Connections to a Postgres server. */
import { drizzle } from 'drizzle-orm/node-postgres';
import { Client, Pool, type PoolClient } from 'pg';
import type { Database } from './open.ts';
import * as schema from './schema.ts';

/** What a process that lives on keeps open. */
const PROCESS_CONNECTIONS = 10;
/**
 * A server that was lost without a word, as when a machine fails over, is waited for no longer than this. Our longest statement, which
 * recounts a catalog, takes a few seconds.
 */
const ANSWER_MS = 60_000;
const KEEP_ALIVE_AFTER_MS = 10_000;

export interface PoolLimits {
  readonly max?: number;
  readonly idleTimeoutMillis?: number;
  /** How long a statement may take. */
  readonly query_timeout?: number;
}

/** A database that somebody else migrates. */
export interface Connected {
  readonly db: Database;
  /** Ends connections that nobody uses: the server may have, while this process could not notice. */
  dropIdle(): Promise<void>;
  close(): Promise<void>;
}

/** @param sessionSeconds after so long without a question the server itself ends a session: whoever is frozen cannot */
export function connect(url: string, max: number, sessionSeconds: number): Connected {
  const pool = createPool(url, { max }, [`set idle_session_timeout = '${sessionSeconds}s'`]);
  return {
    db: drizzle(pool, { schema }),
    async dropIdle() {
      // Those that are idle are given out first, and nothing is sent for it.
      const idle = await Promise.all(Array.from({ length: pool.idleCount }, () => pool.connect()));
      for (const client of idle) client.release(true);
    },
    close: () => pool.end(),
  };
}

/** @param limits in place of a long-lived process's. @param sets more that each connection begins with */
export function createPool(url: string, limits: PoolLimits = {}, sets: readonly string[] = []): Pool {
  const pool = new ReturningPool({
    connectionString: url,
    max: PROCESS_CONNECTIONS,
    // Also the wait for one of these connections: hundreds of requests that come at once take their turns.
    connectionTimeoutMillis: 30_000,
    query_timeout: ANSWER_MS,
    keepAlive: true,
    keepAliveInitialDelayMillis: KEEP_ALIVE_AFTER_MS,
    // The catalog looks at tens of thousands of rows by their places in memory, which 4 MB do not hold; and a statement that is
    // over in 30 ms is not worth compiling. Set here, not at the connection's start: poolers refuse that.
    onConnect: (client) => {
      // In the middle of a transaction the pool does not listen: a server that dies then would end the process. The statement fails.
      client.on('error', () => undefined);
      closeOnTimeout(client as Client);
      return client.query(["set work_mem = '32MB'", 'set jit = off', ...sets].join('; '));
    },
    ...limits,
  });
  // A connection that the server closes while it is idle must not end the process.
  pool.on('error', () => undefined);
  return pool;
}

/**
 * Takes a connection back that ended while somebody had it. Drizzle sends `begin` before it promises to give a connection back, so each
 * that dies there would be missing for good: after ten of them nobody could ask anything, until the server was started again.
 *
 * Its end serves those who wait for a connection; node-postgres's own leaves them waiting, and what they had to write is lost.
 */
class ReturningPool extends Pool {
  private readonly asked = new Set<Promise<PoolClient>>();

  override connect(): Promise<PoolClient>;
  override connect(callback: ConnectCallback): void;
  override connect(callback?: ConnectCallback): Promise<PoolClient> | undefined {
    const asked = super.connect();
    const answered = () => this.asked.delete(asked);
    this.asked.add(asked);
    asked.then(answered, answered);
    if (!callback) return asked.then(returning);
    // The pool's own statements, which it gives back in any case.
    asked.then(
      (client) => callback(undefined, client, client.release),
      (error) => callback(error, undefined, () => undefined),
    );
    return undefined;
  }

  override async end(): Promise<void> {
    await Promise.allSettled(this.asked);
    await super.end();
  }
}

/** What node-postgres says of a statement that was not answered in time. It goes on to wait for the answer, before anything else. */
const TIMED_OUT = 'Query read timeout';

/** Whoever has the connection, or gets it next, would wait behind a statement that was given up: so it is closed. */
function closeOnTimeout(client: Client): void {
  client.query = ((...statement: unknown[]) => {
    const answer = (Client.prototype.query as (...all: unknown[]) => unknown).apply(client, statement);
    if (answer instanceof Promise)
      answer.catch((error: Error) => {
        if (error.message === TIMED_OUT) void client.end();
      });
    return answer;
  }) as Client['query'];
}

type ConnectCallback = Parameters<Pool['connect']>[0];

function returning(client: PoolClient): PoolClient {
  const release = client.release.bind(client);
  let isOut = true;
  const giveBack = (error?: Error | boolean) => {
    if (!isOut) return;
    isOut = false;
    client.off('end', lost);
    release(error);
  };
  const lost = () => giveBack(true);
  client.once('end', lost);
  client.release = giveBack;
  return client;
}
