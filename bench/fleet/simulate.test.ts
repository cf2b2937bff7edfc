/** The simulator behaves as two real runners did, and as the arithmetic says. */
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { EventQueue } from './event-queue.ts';
import { decodeMs, prefillMs, type ServiceTimes } from './service-times.ts';
import { type Scenario, simulate } from './simulate.ts';
import { quantile, Zipf } from './traffic.ts';

interface Recorded {
  readonly slots: number;
  readonly runners: number;
  readonly times: ServiceTimes;
  readonly requests: readonly { at: number; adapter: number; promptTokens: number; answerTokens: number }[];
  readonly measured: { tokensPerSecond: number; firstP50Ms: number; lastP50Ms: number; lastP99Ms: number };
}

/** Made by record.ts on a machine that does nothing else meanwhile. */
const file = new URL('two-runners.json', import.meta.url);
/** Round numbers, for what does not depend on them. */
const times: ServiceTimes = {
  decode: { fixedMs: 28, rowMs: 4, adapterMs: 2 },
  prefill: { fixedMs: 15, tokenMs: 1.2 },
  adapterMs: 40,
  overheadMs: 3,
};
const slots = 8;
const digestOf = (i: number) => i.toString(16).padStart(16, '0').padEnd(64, '0');
const scenario = (change: Partial<Scenario>): Scenario => ({
  runners: 1,
  shape: { slots, maxWaiting: 64, adapters: 100 },
  times,
  apis: 1,
  reportMs: 1_000,
  requests: [],
  ...change,
});
const request = (at: number, promptTokens = 10, answerTokens = 5, adapter?: string) => ({
  at,
  adapter,
  promptTokens,
  answerTokens,
});

describe('the simulator', () => {
  it.skipIf(!existsSync(file))('reproduces two real runners within a tenth (bench/fleet/record.ts)', () => {
    const recorded: Recorded = JSON.parse(readFileSync(file, 'utf8'));
    const requests = recorded.requests.map(({ adapter, ...rest }) => ({
      ...rest,
      adapter: digestOf(adapter),
    }));
    const { firstMs, lastMs, tokens, endMs } = simulate(
      scenario({
        runners: recorded.runners,
        shape: { slots: recorded.slots, maxWaiting: 64, adapters: 100 },
        times: recorded.times,
        requests,
      }),
    );
    const { measured } = recorded;
    const within = (simulated: number, real: number, what: string) =>
      expect(Math.abs(simulated / real - 1), `${what}: ${simulated} for ${real}`).toBeLessThan(0.1);
    within((1000 * tokens) / endMs, measured.tokensPerSecond, 'tokens per second');
    within(quantile(lastMs, 0.5), measured.lastP50Ms, 'median until the last token');
    within(quantile(lastMs, 0.99), measured.lastP99Ms, 'p99 until the last token');
    expect(quantile(firstMs, 0.5)).toBeGreaterThan(0);
  });

  it('takes as long for one answer as its steps do', () => {
    const { firstMs, lastMs, busyMs } = simulate(scenario({ requests: [request(0)] }));
    const first = times.overheadMs + prefillMs(times, 10);
    expect(firstMs[0]).toBeCloseTo(first, 6);
    expect(lastMs[0]).toBeCloseTo(first + 4 * decodeMs(times, 1, 0), 6);
    expect(busyMs).toBeCloseTo(lastMs[0]! - times.overheadMs, 6);
  });

  it('gives the same whether steps are taken one by one or at once', () => {
    // The second one comes in the middle of the first one's steps, and is admitted after the step that is under way.
    const step = decodeMs(times, 1, 0);
    const came = times.overheadMs + prefillMs(times, 10) + 2.5 * step;
    const { lastMs, tokens } = simulate(
      scenario({ requests: [request(0, 10, 40), request(came - times.overheadMs, 10, 1)] }),
    );
    expect(tokens).toBe(41);
    const reading = prefillMs(times, 10);
    // In the order in which they end.
    expect(lastMs[0]).toBeCloseTo(times.overheadMs + 0.5 * step + reading, 6);
    expect(lastMs[1]).toBeCloseTo(times.overheadMs + 2 * reading + 39 * step, 6);
  });

  it('loses no request and no token, whatever happens', () => {
    const requests = Array.from({ length: 2_000 }, (_, i) =>
      request(i * 3, 1 + (i % 300), 1 + (i % 17), digestOf(i % 50)),
    );
    const shape = { slots: 2, maxWaiting: 4, adapters: 10 };
    const scaling = { coldStartMs: 5_000, most: 6 };
    const outcome = simulate(scenario({ requests, shape, scaling, apis: 3 }));
    expect(outcome.lastMs).toHaveLength(2_000);
    expect(outcome.tokens).toBe(requests.reduce((sum, { answerTokens }) => sum + answerTokens, 0));
    expect(outcome.refused).toBeGreaterThan(0);
    expect(outcome.busyMs).toBeLessThanOrEqual(outcome.runnerMs);
  });

  it('finds adapters where they are more often than without regard to them', () => {
    const zipf = new Zipf(400);
    const requests = Array.from({ length: 3_000 }, (_, i) =>
      request(i * 40, 16, 8, digestOf(zipf.rank(((i * 7919) % 3_001) / 3_001))),
    );
    const shape = { slots, maxWaiting: 64, adapters: 50 };
    const warm = (adapterBlind: boolean) =>
      simulate(scenario({ runners: 8, shape, requests, adapterBlind })).warm / requests.length;
    expect(warm(false)).toBeGreaterThan(warm(true) + 0.2);
  });
});

describe('the queue of events', () => {
  it('gives them in the order of time, and of two at once the earlier put', () => {
    const queue = new EventQueue<number>();
    const times = Array.from({ length: 500 }, (_, i) => (i * 7919) % 97);
    for (const [i, at] of times.entries()) queue.put(at, i);
    const taken = [];
    for (let next = queue.take(); next; next = queue.take()) taken.push(next.what);
    const sorted = times.map((at, i) => ({ at, i })).sort((a, b) => a.at - b.at || a.i - b.i);
    expect(taken).toEqual(sorted.map(({ i }) => i));
  });
});
