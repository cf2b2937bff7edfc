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

  it('of a token follow from the price of an hour', () => {
    const machine = { what: '', machine: 'g6.xlarge', tokensPerSecond: 1e6 / 3600 } as const;
    expect(perMillionTokens(machine, 1)).toBeCloseTo(0.8048);
    expect(perMillionTokens(machine, 0.5)).toBeCloseTo(2 * 0.8048);
    expect(memoryBound(300e9, 6e9, 16, 1)).toBe(800);
  });
});
