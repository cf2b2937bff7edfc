import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Choice, choose, type Need, type RunnerView } from './choose.ts';
import { hashOf } from './rendezvous.ts';

const BASE = 'b'.repeat(64);
const OTHER = 'c'.repeat(64);
const runner = (name: string, change: Partial<RunnerView> = {}): RunnerView => ({
  known: change.load ?? 0,
  url: `http://${name}:1`,
  hash: hashOf(`http://${name}:1`),
  slots: 16,
  maxWaiting: 64,
  baseBytes: 1000,
  load: 0,
  bases: new Set([BASE]),
  adapters: new Set(),
  answerSeconds: 2,
  ...change,
});
const digestOf = (i: number) => i.toString(16).padStart(64, '0').split('').reverse().join('');
const need = (change: Partial<Need> = {}): Need => ({
  requestId: 'request',
  base: BASE,
  baseBytes: 500,
  adapters: [digestOf(7)],
  answers: 1,
  ...change,
});
const urlOf = (choice: Choice) => (choice.kind === 'send' ? choice.url : choice.kind);
const fleetOf = (count: number, change?: Partial<RunnerView>) =>
  Array.from({ length: count }, (_, i) => runner(`r${i}`, change));

describe('the choice of a runner', () => {
  it('prefers those that have the base, then the one that has the adapter', () => {
    const has = runner('has', { adapters: new Set([digestOf(7).slice(0, 16)]) });
    const fleet = [runner('cold', { bases: new Set() }), runner('warm'), has];
    expect(urlOf(choose(fleet, need()))).toBe(has.url);
    expect(urlOf(choose(fleet.slice(0, 2), need()))).toBe('http://warm:1');
    expect(choose(fleet.slice(0, 1), need())).toMatchObject({ url: 'http://cold:1', isCold: true });
  });

  it('keeps an adapter where it is, whatever the request and the order of the list', () => {
    const fleet = fleetOf(9);
    const chosen = Array.from({ length: 50 }, (_, i) =>
      urlOf(choose(i % 2 ? fleet : fleet.toReversed(), need({ requestId: `${i}` }))),
    );
    expect(new Set(chosen).size).toBe(1);
  });

  it('spreads adapters by capacity', () => {
    const fleet = [...fleetOf(9), runner('big', { slots: 48 })];
    const counts = new Map<string, number>();
    for (let i = 0; i < 12_000; i++) {
      const url = urlOf(choose(fleet, need({ adapters: [digestOf(i)] })));
      counts.set(url, (counts.get(url) ?? 0) + 1);
    }
    expect(counts.get('http://big:1')).toBeGreaterThan(2_700);
    expect(counts.get('http://big:1')).toBeLessThan(3_300);
    for (const { url } of fleet.slice(0, 9)) expect(Math.abs(counts.get(url)! - 1000)).toBeLessThan(150);
  });

  it('moves only the adapters of a runner that leaves', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 12 }), fc.nat(), fc.nat(10_000), (size, who, from) => {
        const fleet = fleetOf(size);
        const gone = fleet[who % size]!;
        const left = fleet.filter((one) => one !== gone);
        for (let i = from; i < from + 40; i++) {
          const asked = need({ adapters: [digestOf(i)] });
          const before = urlOf(choose(fleet, asked));
          if (before !== gone.url) expect(urlOf(choose(left, asked))).toBe(before);
        }
      }),
    );
  });

  it('never loads a runner beyond its share, a quarter of its slots aside, however hot an adapter is', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 4, max: 32 }), { minLength: 1, maxLength: 8 }),
        fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 200 }),
        (sizes, hot) => {
          const slots = sizes.reduce((sum, size) => sum + size, 0);
          const loads = new Map<string, number>();
          const resident = new Map<string, Set<string>>();
          for (const [i, adapter] of hot.entries()) {
            const fleet = sizes.map((size, at) => {
              const url = `http://r${at}:1`;
              return runner(`r${at}`, {
                slots: size,
                maxWaiting: 1000,
                load: loads.get(url) ?? 0,
                adapters: resident.get(url) ?? new Set(),
              });
            });
            const choice = choose(fleet, need({ adapters: [digestOf(adapter)], requestId: `${i}` }));
            if (choice.kind !== 'send') throw new Error(choice.kind);
            const { url } = choice;
            loads.set(url, (loads.get(url) ?? 0) + 1);
            resident.set(url, (resident.get(url) ?? new Set()).add(digestOf(adapter).slice(0, 16)));
            const size = fleet.find((one) => one.url === url)!.slots;
            const bound = Math.max(Math.ceil((1.25 * (i + 1) * size) / slots), Math.ceil(size / 4));
            expect(loads.get(url)).toBeLessThanOrEqual(bound);
          }
        },
      ),
    );
  });

  it('sends a bare base, and an adapter that several have, to the less loaded of two', () => {
    const adapters = new Set([digestOf(7).slice(0, 16)]);
    const fleet = [9, 3, 5].map((load, i) => runner(`r${i}`, { load: load / 3, adapters }));
    for (const asked of [need({ adapters: [] }), need()]) {
      const counts = new Map<string, number>();
      for (let i = 0; i < 600; i++) {
        const url = urlOf(choose(fleet, { ...asked, requestId: `request ${i}` }));
        counts.set(url, (counts.get(url) ?? 0) + 1);
      }
      // The least loaded is one of the two in two draws of three, the most loaded is never the better one.
      expect(counts.get('http://r1:1')).toBeGreaterThan(350);
      expect(counts.get('http://r0:1')).toBeUndefined();
    }
  });

  it('says when there is room again where all are full, from the queue and what answers take', () => {
    const full = runner('full', { load: 80, answerSeconds: 4 });
    // 64 wait, 16 / 4 = 4 a second are served.
    expect(choose([full], need())).toEqual({ kind: 'full', retryAfterSeconds: 16 });
    expect(choose([full, { ...full, url: 'http://other:1' }], need())).toEqual({
      kind: 'full',
      retryAfterSeconds: 16,
    });
    expect(choose([{ ...full, answerSeconds: 0.5 }], need())).toEqual({ kind: 'full', retryAfterSeconds: 2 });
  });

  it('has another runner load the base when those that have it cannot keep up', () => {
    const idle = runner('idle', { bases: new Set([OTHER]) });
    const busy = runner('busy', { load: 20 });
    expect(choose([busy, idle], need())).toMatchObject({ url: busy.url, preload: idle.url });
    expect(choose([runner('busy', { load: 3 }), idle], need())).toMatchObject({ preload: undefined });
    expect(choose([busy, { ...idle, load: 12 }], need())).toMatchObject({ preload: undefined });
    expect(choose([busy, { ...idle, baseBytes: 499 }], need())).toMatchObject({ preload: undefined });
  });

  it('lets all who ask for a base that nobody has wait for the same runner, one with nothing else', () => {
    const fleet = [...fleetOf(5, { bases: new Set() }), runner('taken', { bases: new Set([OTHER]) })];
    const chosen = Array.from({ length: 20 }, (_, i) =>
      urlOf(choose(fleet, need({ requestId: `${i}`, adapters: [digestOf(i)] }))),
    );
    expect(new Set(chosen).size).toBe(1);
    expect(chosen[0]).not.toBe('http://taken:1');
  });

  it('knows that nobody can', () => {
    expect(choose([], need())).toEqual({ kind: 'none' });
    expect(choose([runner('small', { bases: new Set(), baseBytes: 499 })], need())).toEqual({ kind: 'none' });
  });
});
