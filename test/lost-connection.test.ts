/** A connection that dies while somebody has it makes room for another one, whoever forgets to give it back. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createPool } from '../db/postgres.ts';
import { type PostgresForTests, startPostgres } from './servers/postgres.ts';

let postgres: PostgresForTests;
let url: string;

beforeAll(async () => {
  postgres = await startPostgres();
  url = await postgres.createDatabase('lost');
});
afterAll(() => postgres.close());

it('is taken back by the pool, once', async () => {
  const pool = createPool(url, { max: 1 });
  const other = createPool(url, { max: 1 });
  const lost = await pool.connect();
  const { rows } = await lost.query<{ pid: number }>('select pg_backend_pid() as pid');
  await other.query('select pg_terminate_backend($1)', [rows[0]!.pid]);
  await expect(lost.query('begin')).rejects.toThrow();
  const next = await pool.connect();
  expect((await next.query('select 1 as one')).rows).toEqual([{ one: 1 }]);
  lost.release(); // whoever had it may still give it back
  next.release();
  await Promise.all([pool.end(), other.end()]);
});
