import { expect, it } from 'vitest';
import { openDatabase } from '../../db/open.ts';
import { bases, user } from '../../db/schema.ts';
import { Demand } from './demand.ts';

const BASE = 'a/base';

it('knows which part of all requests its process has', async () => {
  await using stack = new AsyncDisposableStack();
  const { db, close } = await openDatabase({ memory: true });
  stack.defer(close);
  await db.insert(user).values({ id: 'u', name: 'a', email: 'a@users.patchbay.invalid' });
  await db.insert(bases).values({
    id: BASE,
    digest: 'd'.repeat(64),
    config: {},
    parameters: 1,
    card: '',
    createdBy: 'u',
    createdAt: new Date(0),
  });
  let now = 0;
  let writing: Promise<unknown> = Promise.resolve();
  const log = {
    error: (fields: object) => {
      throw new Error(JSON.stringify(fields));
    },
  };
  const process = () =>
    new Demand(
      db,
      log,
      (work) => {
        writing = work;
      },
      () => now,
    );
  const [alone, much, little] = [process(), process(), process()];
  const ask = async (demand: Demand, answers: number) => {
    demand.count(BASE, answers);
    await writing;
  };
  for (let second = 0; second < 20; second++, now += 1_000) await ask(alone, 2);
  expect(alone.crowd).toBe(1);
  for (let second = 0; second < 60; second++, now += 1_000) {
    await ask(much, 6);
    await ask(little, 2);
  }
  expect(much.crowd).toBeCloseTo(8 / 6, 2);
  expect(little.crowd).toBeCloseTo(4, 2);
  // One that asks now and then is not told that each of its requests stands for a thousand.
  const seldom = process();
  await ask(seldom, 1);
  await ask(much, 1000);
  now += 1_000;
  await ask(seldom, 1);
  expect(seldom.crowd).toBe(32);
});
