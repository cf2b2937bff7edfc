/** A connection that dies, or falls silent, while somebody has it makes room for another one, whoever forgets to give it back. */

import { sql } from 'drizzle-orm';
import { drizzle } from 'drizzle-orm/node-postgres';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { isAway } from '../api/away.ts';
import { connect, createPool } from '../db/postgres.ts';
import { Link } from './faults/link.ts';
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

it('is given to those who wait for it before the pool ends, and what they write is there', async () => {
  const pool = createPool(url, { max: 1 });
  await pool.query('create table written (by text)');
  const busy = pool.query('select pg_sleep(0.3)');
  const waiting = [
    pool.query(`insert into written values ('query')`),
    drizzle(pool).transaction((tx) => tx.execute(sql`insert into written values ('transaction')`)),
  ];
  await pool.end();
  await Promise.all([busy, ...waiting]);
  const other = createPool(url, { max: 1 });
  const { rows } = await other.query<{ by: string }>('select by from written order by by');
  expect(rows).toEqual([{ by: 'query' }, { by: 'transaction' }]);
  await other.end();
});

it('is closed when its server is not heard of any more: nobody waits behind what was given up', async () => {
  const link = await Link.open(postgres.port);
  const through = new URL(url);
  through.port = String(link.port);
  const pool = createPool(through.href, { max: 1, query_timeout: 1_000 });
  const db = drizzle(pool);
  const pid = async () =>
    (await db.execute<{ pid: number }>(sql`select pg_backend_pid() as pid`)).rows[0]!.pid;
  const inTheMiddle = () =>
    db.transaction(async (tx) => {
      link.heal();
      await tx.execute(sql`select 1`);
      link.partition();
      await tx.execute(sql`select 2`);
    });
  for (const ask of [pid, () => db.transaction(async (tx) => tx.execute(sql`select 1`)), inTheMiddle]) {
    const before = await pid();
    if (ask !== inTheMiddle) link.partition();
    const failure = await ask().then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(isAway(failure)).toBe(true);
    link.heal();
    expect(await pid()).not.toBe(before);
  }
  await pool.end();
  await link.close();
});

it('is ended by the server once nobody has asked for long, and is not used by whoever could not notice', async () => {
  const other = createPool(url, { max: 1 });
  const { db, dropIdle, close } = connect(url, 2, 1);
  const ask = () => db.execute(sql`select 1 as one`);
  await other.query('select 1');
  await Promise.all([ask(), ask()]);
  frozen(2_000);
  await dropIdle();
  expect(await ask()).toMatchObject({ rows: [{ one: 1 }] });
  frozen(2_000);
  const { rows } = await other.query<{ others: number }>(
    `select count(*)::int as others from pg_stat_activity where datname = 'lost' and pid <> pg_backend_pid()`,
  );
  expect(rows).toEqual([{ others: 0 }]);
  await Promise.all([close(), other.end()]);
});

/** As an instance of a Lambda between two requests. */
const frozen = (ms: number) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
