/** Exactly one of several servers runs a scheduled function, each time it is due; also in a Lambda. */
import { eq, sql } from 'drizzle-orm';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { type OpenDatabase, openDatabase } from '../db/open.ts';
import { claimTick, endTick } from '../db/schedules.ts';
import { schedules } from '../db/schema.ts';
import { defineFunction, Tick } from '../functions/definition.ts';
import { lambdaEntry } from '../functions/lambda.ts';
import type { Ports, ServerFunction } from '../functions/ports.ts';
import { Worker } from '../functions/worker.ts';
import { type PostgresForTests, startPostgres } from './servers/postgres.ts';

const SERVERS = 3;
const hour = { everySeconds: 3600, leaseSeconds: 600 };

/** The test itself closes what there is. */
const NOTHING_TO_CLOSE = { [Symbol.asyncDispose]: async () => undefined };

describe.each(['PGlite', 'Postgres'] as const)('on %s', (kind) => {
  let server: PostgresForTests | undefined;
  /** As many as there are servers; PGlite has one. */
  let open: OpenDatabase[];
  let errors: object[];
  const log = { error: (fields: object) => errors.push(fields) };

  beforeAll(async () => {
    if (kind === 'Postgres') server = await startPostgres();
    const url = await server?.createDatabase('schedules');
    // Servers that start at once: one of them brings the schema up to date.
    const servers = url ? SERVERS : 1;
    open = await Promise.all(
      Array.from({ length: servers }, () => openDatabase(url ? { url } : { memory: true })),
    );
  });
  beforeEach(async () => {
    errors = [];
    await db(0).delete(schedules);
  });
  afterAll(async () => {
    for (const one of open ?? []) await one.close();
    await server?.close();
  });

  const db = (i: number) => open[i % open.length]!.db;
  const ports = (i: number) => ({ db: db(i) }) as Ports;
  const claimAll = async () => {
    const claims = Array.from({ length: 20 }, (_, i) => claimTick(db(i), 'test', hour));
    return (await Promise.all(claims)).filter(({ isMine }) => isMine);
  };
  const makeDue = (what: Partial<Record<'nextAt' | 'leaseExpiresAt', ReturnType<typeof sql>>>) =>
    db(0).update(schedules).set(what).where(eq(schedules.name, 'test'));
  const past = sql`now() - interval '1 second'`;
  const row = async () => (await db(0).select().from(schedules))[0]!;

  it('what servers that start together must not do at once, one does after the other', async () => {
    let [running, most] = [0, 0];
    const work = async () => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setTimeout(resolve, 20));
      return running--;
    };
    const done = await Promise.all(open.map((one) => one.inTurn(work)));
    expect([most, ...done]).toEqual([1, ...open.map(() => 1)]);
  });

  it('a tick is claimed by one, and no other before it is due again', async () => {
    expect(await claimAll()).toHaveLength(1);
    expect(await claimAll()).toHaveLength(0);
    const { claimId } = await row();
    await endTick(db(0), 'test', claimId, { result: { done: 1 } });
    expect(await claimAll()).toHaveLength(0);
    await makeDue({ nextAt: past });
    expect(await claimAll()).toHaveLength(1);
  });

  it('a tick that is not over keeps the next one waiting, until its lease is over', async () => {
    await claimAll();
    await makeDue({ nextAt: past });
    expect(await claimAll()).toHaveLength(0);
    await makeDue({ leaseExpiresAt: past });
    expect(await claimAll()).toHaveLength(1);
  });

  it('one that was thought dead says nothing about its successor', async () => {
    await claimAll();
    const { claimId } = await row();
    await makeDue({ nextAt: past, leaseExpiresAt: past });
    await claimAll();
    await endTick(db(0), 'test', claimId, { error: 'late' });
    expect(await row()).toMatchObject({ error: null, finishedAt: null });
    expect((await row()).leaseExpiresAt.getTime()).toBeGreaterThan(Date.now());
  });

  it('who comes too early is told when to look again', async () => {
    await claimAll();
    const claim = await claimTick(db(1), 'test', hour);
    expect(claim).toMatchObject({ isMine: false });
    if (claim.isMine) return;
    expect(claim.dueInMs).toBeGreaterThan(3_500_000);
    expect(claim.dueInMs).toBeLessThanOrEqual(3_600_000);
  });

  /** Notes when it begins and ends. */
  function recording(concurrency: number, work: () => Promise<void>) {
    const seen = { begun: 0, running: 0, most: 0 };
    const definition: ServerFunction = defineFunction({
      name: 'test',
      trigger: { kind: 'schedule', everySeconds: 0.02 },
      needs: { processor: 'cpu', memoryMiB: 1, timeoutSeconds: 60, retries: 0, concurrency },
      event: Tick,
      result: z.object({ begun: z.int() }),
      handle: async () => {
        seen.begun++;
        seen.most = Math.max(seen.most, ++seen.running);
        await work().finally(() => seen.running--);
        return { begun: seen.begun };
      },
    });
    return { definition, seen };
  }

  async function workUntil(definition: ServerFunction, enough: () => boolean): Promise<void> {
    const workers = Array.from({ length: SERVERS }, (_, i) => new Worker([definition], ports(i), log));
    for (const worker of workers) worker.start();
    while (!enough()) await new Promise((resolve) => setTimeout(resolve, 5));
    await Promise.all(workers.map((worker) => worker.stop()));
  }

  const aMoment = () => new Promise<void>((resolve) => setTimeout(resolve, 30));

  it('servers take turns, and never run it at the same time', async () => {
    const { definition, seen } = recording(1, aMoment);
    await workUntil(definition, () => seen.begun >= 8);
    expect(seen).toMatchObject({ most: 1, running: 0 });
    expect(await row()).toMatchObject({ result: { begun: seen.begun }, error: null });
    expect(errors).toEqual([]);
  });

  it('one that may overlap does not wait for one that is slow', async () => {
    const waiting: (() => void)[] = [];
    const { definition, seen } = recording(3, () => new Promise((resolve) => waiting.push(resolve)));
    const working = workUntil(definition, () => seen.begun >= 3 * SERVERS);
    while (waiting.length < 2) await aMoment();
    expect(seen.most).toBeGreaterThan(1);
    const answering = setInterval(() => {
      for (const end of waiting.splice(0)) end();
    }, 5);
    await working;
    clearInterval(answering);
    expect(seen.running).toBe(0);
  });

  it('one that fails is told of, and comes round again once its time has come', async () => {
    const { definition, seen } = recording(1, async () => {
      throw new Error('out of luck');
    });
    await workUntil(definition, () => seen.begun >= 3);
    expect(errors[0]).toEqual({ function: 'test', error: 'out of luck' });
    expect(await row()).toMatchObject({ result: null, error: 'out of luck' });
  });

  it('one that does not end is told of, and comes round again', async () => {
    const { definition, seen } = recording(1, () => new Promise(() => undefined));
    const needs = { ...definition.needs, timeoutSeconds: 0.2 };
    await workUntil({ ...definition, needs }, () => seen.begun >= 3);
    expect(errors[0]).toEqual({ function: 'test', error: 'test took longer than 0.2 seconds.' });
  });

  it('in a Lambda it runs once, though EventBridge says so twice', async () => {
    const { definition, seen } = recording(1, async () => undefined);
    const hourly: ServerFunction = { ...definition, trigger: { kind: 'schedule', everySeconds: 3600 } };
    const entry = lambdaEntry(hourly, async () => ({ ...(await ports(0)), ...NOTHING_TO_CLOSE }), log);
    // As EventBridge sends it.
    const event = {
      version: '0',
      id: '53dc4d37-cffa-4f76-80c9-8b7d4a4d2eaa',
      'detail-type': 'Scheduled Event',
      source: 'aws.events',
      account: '123456789012',
      time: '2026-11-25T21:00:00Z',
      region: 'us-east-1',
      resources: ['arn:aws:events:us-east-1:123456789012:rule/patchbay-test'],
      detail: {},
    };
    expect(await entry(event)).toEqual({ begun: 1 });
    expect(await entry(event)).toMatchObject({ dueInMs: expect.any(Number) });
    expect(seen.begun).toBe(1);
    await expect(entry({ Records: [] })).rejects.toThrow(z.ZodError);
  });
});
