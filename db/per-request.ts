/**
 * The database where a connection cannot outlive the request that opened it, as in workerd: what does I/O belongs to a
 * request there, and ends with it. The statements of a request share one connection, opened by the first of them and closed
 * when the answer begins: a stream that lasts a minute does not hold one, and opens another for what it enters at its end.
 * (One, since a statement takes a millisecond and another handshake five; nothing asks outside the transaction it is in, which
 * PGlite's only connection would not allow either.)
 */
import { drizzle } from 'drizzle-orm/node-postgres';
import type { Pool, PoolClient } from 'pg';
import type { Database } from './open.ts';
import { createPool } from './postgres.ts';
import * as schema from './schema.ts';

/** Of the connection that what comes after the answer's beginning opens. */
const IDLE_MS = 100;

/** @param current the connection of the request that asks */
export const openPerRequest = (current: () => RequestConnection): Database =>
  // Drizzle needs no more of a pool than this one has.
  drizzle(new PoolOfRequest(current) as unknown as Pool, { schema });

/** What a request has open. */
export class RequestConnection {
  private readonly url: string;
  private pool: Pool | undefined;

  constructor(url: string) {
    this.url = url;
  }

  open(): Pool {
    this.pool ??= createPool(this.url, { max: 1, idleTimeoutMillis: IDLE_MS });
    return this.pool;
  }

  /** Closes the connection once its statements are over; the next statement opens another. */
  async close(): Promise<void> {
    const { pool } = this;
    this.pool = undefined;
    await pool?.end();
  }
}

/** (Drizzle tells a pool by its class's name.) */
class PoolOfRequest {
  private readonly current: () => RequestConnection;

  constructor(current: () => RequestConnection) {
    this.current = current;
  }

  query(...statement: Parameters<Pool['query']>): ReturnType<Pool['query']> {
    return this.current()
      .open()
      .query(...statement);
  }

  connect(): Promise<PoolClient> {
    return this.current().open().connect();
  }
}
