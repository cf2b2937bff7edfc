import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { desiredRunners, fleetSize, type Observation, runnersOf, type ScaleState } from './desired.ts';

const TICK = 10;

/** Runs the decision every ten seconds under a rate that changes. @returns what is desired, tick by tick */
function run(rates: readonly number[], change: Partial<Observation> = {}): number[] {
  return states(rates, change).map(runnersOf);
}

function states(rates: readonly number[], change: Partial<Observation> = {}): ScaleState[] {
  let state: ScaleState | null = null;
  let arrivals = 0;
  let askedAt = 0;
  return rates.map((rate, tick) => {
    const atSeconds = 1000 + tick * TICK;
    arrivals += rate * TICK;
    if (rate > 0 || tick === 0) askedAt = atSeconds;
    const seen = {
      atSeconds,
      arrivals,
      idleSeconds: atSeconds - askedAt,
      waiting: 0,
      slots: 16,
      answerSeconds: 4,
    };
    state = desiredRunners(state, { ...seen, ...change });
    return state;
  });
}

const steady = (rate: number, ticks: number) => Array.from({ length: ticks }, () => rate);

describe('desired runners', () => {
  it('are one for whoever asks first', () => {
    expect(run([0.1])).toEqual([1]);
    expect(run([0.1], { slots: null, answerSeconds: null })).toEqual([1]);
  });

  it('follow rate and time: 28 answers a second of 4 seconds keep 112 slots busy, ten runners at 70%', () => {
    expect(run(steady(28, 60)).at(-1)).toBe(10);
  });

  it('are more at once where answers wait', () => {
    // 240 that wait, 4 seconds each, 16 at once: 60 seconds of a runner, to be done in 30.
    expect(run([0.1], { waiting: 240 })).toEqual([2]);
  });

  it('become fewer only after five minutes of less, and as many as the most of these', () => {
    const desired = run([...steady(28, 60), ...steady(14, 20), ...steady(7, 80)]);
    expect(desired[60 + 20]).toBe(10);
    expect(Math.min(...desired.slice(60, 90))).toBe(10);
    expect(desired.at(-1)).toBe(3);
    const lowered = desired.filter((count, i) => i > 0 && count < desired[i - 1]!);
    expect(lowered.length).toBeLessThanOrEqual(3);
  });

  it('are none after a quarter of an hour without a request, and one again with the next', () => {
    const desired = run([...steady(3, 10), ...steady(0, 95), 0.1]);
    expect(desired.slice(10, 99).every((count) => count > 0)).toBe(true);
    expect(desired.at(-2)).toBe(0);
    expect(desired.at(-1)).toBe(1);
  });

  it('do not swing with a rate that does', () => {
    const rates = Array.from({ length: 360 }, (_, i) => (i % 2 ? 40 : 10));
    const desired = run(rates).slice(60);
    expect(desired.filter((count, i) => i > 0 && count !== desired[i - 1]).length).toBeLessThanOrEqual(2);
  });

  it('never fall in the five minutes after they rose, and are always enough for the mean rate', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 2, maxLength: 120 }), (rates) => {
        const desired = run(rates);
        let rose = 0;
        for (let i = 1; i < desired.length; i++) {
          if (desired[i]! > desired[i - 1]!) rose = i;
          if (desired[i]! < desired[i - 1]!) expect((i - rose) * TICK).toBeGreaterThanOrEqual(300);
          expect(desired[i]).toBeGreaterThanOrEqual(1);
        }
      }),
    );
  });

  it('are no more for bases that each needed most of one some time ago, and little since', () => {
    const { held: then } = states(steady(2.5, 60)).at(-1)!;
    const { held: since } = states([...steady(2.5, 60), ...steady(0.05, 90)]).at(-1)!;
    const many = (held: number) => Array.from({ length: 20 }, () => ({ held, bytes: 10 }));
    expect(fleetSize(many(then), 1000)).toBe(18);
    expect(fleetSize(many(since), 1000)).toBe(1);
  });

  it('are shared by bases that need little, and enough for the weights of all', () => {
    const small = { held: 0.1, bytes: 10 };
    expect(fleetSize([small, small, small], 100)).toBe(1);
    expect(fleetSize([small, small, small], 15)).toBe(2);
    expect(fleetSize([{ held: 2.5, bytes: 10 }, small], 100)).toBe(3);
    expect(fleetSize([{ held: 0, bytes: 10 }], 100)).toBe(0);
    expect(fleetSize([small], null)).toBe(1);
  });
});
