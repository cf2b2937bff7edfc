/** The ledger adds up, whatever is reported twice or broken off; limits and caps hold, and are told. */
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { metered } from '../api/metering.ts';
import { events } from '../db/schema.ts';
import { closeMonths, earningsOf, recordUsage, type Used, usageOf } from '../db/usage.ts';
import type { AnswerEvent } from '../functions/generate.ts';
import { counted } from './counted-metrics.ts';
import { baseId, InProcess } from './in-process.ts';

vi.mock('../observe/metrics.ts', async (original) =>
  (await import('./counted-metrics.ts')).counting(await original()),
);

let api: InProcess;
let alice: string;
beforeAll(async () => {
  api = await InProcess.open();
  alice = await api.key('alice', ['read', 'publish', 'infer', 'train', 'manage']);
});
afterEach(() => {
  expect(api.unexpected).toEqual([]);
});
afterAll(() => api.close());

const month = () => api.now.toISOString().slice(0, 7);
// biome-ignore lint/suspicious/noExplicitAny: answers are looked at as a client's program would
const json = async (method: string, path: string, key: string, body?: object): Promise<any> =>
  (await api.call(method, path, body, key)).json();

const price = (body: object) => json('POST', '/api/prices', api.admin, body);

describe('the ledger', () => {
  it('counts every request once, and adds up to what is charged and earned', async () => {
    await price({ kind: 'prompt', perMillion: 2, ownersShare: 0.5 });
    await price({ kind: 'completion', base: baseId, perMillion: 10, ownersShare: 0.25 });
    const anyUse = fc.record({
      request: fc.nat(12),
      kind: fc.constantFrom<Used['kind']>('prompt', 'completion'),
      quantity: fc.nat(10_000),
      owners: fc.subarray(['olga', 'otto', 'payer'], { minLength: 1 }),
    });
    let run = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(anyUse, { maxLength: 20 }), async (reports) => {
        const tag = `r${run++}`;
        const once = new Map<string, (typeof reports)[number]>();
        // Reported at once, as by servers that try again.
        for (const report of reports) {
          const id = `${tag} ${report.request} ${report.kind}`;
          const used = {
            requestId: `${tag} ${report.request}`,
            kind: report.kind,
            at: api.now,
            payer: `payer${tag}`,
            model: 'm',
            baseId,
            adapterIds: report.owners.map((owner) => `${owner}${tag}/x`),
            quantity: report.quantity,
          };
          const results = await Promise.all([recordUsage(api.deps.db, used), recordUsage(api.deps.db, used)]);
          expect(results.filter(Boolean)).toHaveLength(once.has(id) ? 0 : 1);
          if (!once.has(id)) once.set(id, report);
        }
        const sum = (of: (report: (typeof reports)[number]) => number) =>
          [...once.values()].reduce((total, report) => total + of(report), 0);
        const charge = ({ kind, quantity }: (typeof reports)[number]) =>
          quantity * (kind === 'prompt' ? 2000 : 10_000);
        const items = await usageOf(api.deps.db, `payer${tag}`, month());
        expect(items.reduce((total, item) => total + item.charge, 0)).toBe(sum(charge));
        expect(items.reduce((total, item) => total + item.quantity, 0)).toBe(sum(({ quantity }) => quantity));
        const earned = await earningsOf(api.deps.db, `olga${tag}`, month());
        const share = (report: (typeof reports)[number]) =>
          report.owners.includes('olga')
            ? Math.floor((charge(report) * (report.kind === 'prompt' ? 0.5 : 0.25)) / report.owners.length)
            : 0;
        expect(earned.reduce((total, { amount }) => total + amount, 0)).toBe(sum(share));
        expect(await earningsOf(api.deps.db, `payer${tag}`, month())).toEqual([]);
      }),
      { numRuns: 15 },
    );
  });

  it('pays an adapter for each of its versions that answered', async () => {
    await price({ kind: 'prompt', perMillion: 2, ownersShare: 0.5 });
    const used = {
      requestId: 'two versions',
      kind: 'prompt' as const,
      at: api.now,
      payer: 'mixer',
      model: 'm',
    };
    const adapterIds = ['olga/two', 'olga/two', 'otto/one'];
    expect(await recordUsage(api.deps.db, { ...used, baseId, adapterIds, quantity: 900 })).toBe(true);
    expect(await earningsOf(api.deps.db, 'olga', month())).toMatchObject([{ amount: 600_000 }]);
    expect(await earningsOf(api.deps.db, 'otto', month())).toMatchObject([{ amount: 300_000 }]);
  });

  it('has the prompt of a request that was broken off, and as much of the answer as was given', async () => {
    async function* answer(): AsyncGenerator<AnswerEvent> {
      yield { type: 'start', promptTokens: 11 };
      yield { type: 'delta', index: 0, text: 'a' };
      yield { type: 'delta', index: 0, text: 'b' };
      yield { type: 'delta', index: 1, text: 'c' };
      yield { type: 'finish', index: 1, reason: 'stop', completionTokens: 5 };
      throw new Error('the runner died');
    }
    const request = { requestId: 'broken', payer: 'breaker', model: 'm', baseId, adapterIds: [] };
    const read = async () => {
      for await (const _event of metered(api.deps.db, request, () => api.now, answer()));
    };
    await expect(read()).rejects.toThrow('the runner died');
    const tokens = ['in', 'out'].map((direction) => counted.get(`patchbay_tokens_total ${direction}`));
    expect(tokens).toEqual([11, 7]);
    expect(await usageOf(api.deps.db, 'breaker', month())).toMatchObject([
      { kind: 'completion', quantity: 7 },
      { kind: 'prompt', quantity: 11 },
    ]);
  });

  it('takes the newest price that is due, the base’s own before that of all', async () => {
    const use = async (requestId: string, of: string) => {
      const used = { requestId, kind: 'training' as const, at: api.now, payer: requestId, model: 'm' };
      await recordUsage(api.deps.db, { ...used, baseId: of, adapterIds: [], quantity: 1_000_000 });
      return (await usageOf(api.deps.db, requestId, month()))[0]!.charge / 1e9;
    };
    expect(await use('free', 'any/other')).toBe(0);
    await price({ kind: 'training', perMillion: 3 });
    await price({ kind: 'training', perMillion: 4 });
    await price({ kind: 'training', perMillion: 9, since: '2099-01-01T00:00:00.000Z' });
    await price({ kind: 'training', base: baseId, perMillion: 5 });
    expect(await use('all', 'any/other')).toBe(4);
    expect(await use('own', baseId)).toBe(5);
  });

  it('is told to its owner, as JSON and as a table, and closed when the month is over', async () => {
    const used = { kind: 'prompt' as const, at: api.now, payer: 'alice', model: '=evil(),"x"', baseId };
    await recordUsage(api.deps.db, { ...used, requestId: 'alices', adapterIds: [], quantity: 500_000 });
    expect(await json('GET', '/api/usage', alice)).toMatchObject({
      owner: 'alice',
      month: month(),
      total: 1,
      items: [{ kind: 'prompt', quantity: 500_000, charge: 1 }],
    });
    const table = await api.call('GET', '/api/usage?format=csv', undefined, alice);
    expect(table.headers.get('content-type')).toContain('text/csv');
    expect(await table.text()).toBe('model,kind,quantity,charge\r\n"\'=evil(),""x""",prompt,500000,1\r\n');
    expect(await json('GET', '/api/usage?month=2020-01', alice)).toMatchObject({ total: 0, items: [] });
    expect((await api.call('GET', '/api/usage?owner=bob', undefined, alice)).status).toBe(403);
    expect((await api.call('GET', '/api/usage?month=2020-13', undefined, alice)).status).toBe(400);
    expect(await json('GET', '/api/earnings', alice)).toMatchObject({ total: 0, items: [] });

    expect(await closeMonths(api.deps.db, api.now)).toBe(0);
    const next = new Date(Date.UTC(api.now.getUTCFullYear(), api.now.getUTCMonth() + 1, 1, 0, 30));
    expect(await closeMonths(api.deps.db, next)).toBe(0); // its last moments may still be entered
    const later = new Date(api.now.getTime() + 40 * 86_400_000);
    expect(await closeMonths(api.deps.db, later)).toBeGreaterThan(0);
    expect(await closeMonths(api.deps.db, later)).toBe(0);
    const closed = (await api.deps.db.select().from(events)).filter(
      ({ kind }) => kind === 'statement.closed',
    );
    expect(closed.find(({ subject }) => subject === 'alice')?.data).toMatchObject({
      charge: 1e9,
      month: month(),
    });
  });
});

describe('a spending cap', () => {
  it('stops answers and training when it is reached, and no sooner', async () => {
    const chat = () =>
      api.call(
        'POST',
        '/v1/chat/completions',
        { model: baseId, messages: [{ role: 'user', content: 'Hi' }] },
        alice,
      );
    expect((await chat()).status).toBe(503); // there is no runner
    expect(await json('PUT', '/api/usage/cap', alice, { cap: 1.5 })).toEqual({ cap: 1.5 });
    expect((await chat()).status).toBe(503);
    await json('PUT', '/api/usage/cap', alice, { cap: 0.5 });
    const refused = await chat();
    expect(refused.status).toBe(429);
    expect(refused.headers.get('x-should-retry')).toBe('false');
    expect(await refused.json()).toMatchObject({ error: { code: 'insufficient_quota' } });
    const job = { model: baseId, training_file: 'file-none' };
    expect((await api.call('POST', '/v1/fine_tuning/jobs', job, alice)).status).toBe(429);
    await json('PUT', '/api/usage/cap', alice, { cap: null });
    expect((await chat()).status).toBe(503);
  });
});
