import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { idleMonth, memoryBound, perMillionTokens, tables } from './costs.ts';

const read = (path: string) => readFileSync(new URL(`../${path}`, import.meta.url), 'utf8');

describe('costs', () => {
  it('are those that the documentation shows', () => {
    expect(read('docs/deploy.md')).toContain(tables());
  });

  it('take the throughput that was measured', () => {
    expect(read('docs/benchmarks.md')).toContain('| decode, batch 16 | 2.2 | 415.6 |');
  });

  it('of a database that is kept awake are those of all hours, and of one that sleeps less', () => {
    expect(idleMonth(1)['database']).toBeCloseTo(0.5 * 730 * 0.12 + 0.1);
    expect(idleMonth(60)['database']).toBeLessThan(idleMonth(15)['database']!);
  });

  it('count each function as often as it is started, and the scaler with the API that it asks', () => {
    const second = (mebibytes: number) => (mebibytes / 1024) * 0.0000133334 + 0.0000002;
    const month = 730 * 60;
    // webhook, scale, sweep; rollup, reverify; orphans
    const ticks = (3 * month + (2 * month) / 10 + month / 60) * second(256);
    expect(idleMonth(1)['schedules (Lambda)']).toBeCloseTo(ticks + month * (second(256) + second(1769)));
  });

  it('of a token follow from the price of an hour', () => {
    const machine = { what: '', machine: 'g6.xlarge', tokensPerSecond: 1e6 / 3600 } as const;
    expect(perMillionTokens(machine, 1)).toBeCloseTo(0.8048);
    expect(perMillionTokens(machine, 0.5)).toBeCloseTo(2 * 0.8048);
    expect(memoryBound(300e9, 6e9, 16, 1)).toBe(800);
  });
});
