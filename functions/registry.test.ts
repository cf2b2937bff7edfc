import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { ANYWHERE } from './anywhere.ts';
import { defineFunction, invoke, Tick } from './definition.ts';
import { ON_RUNNERS } from './on-runners.ts';
import { FUNCTIONS } from './registry.ts';

const files = readdirSync(import.meta.dirname).filter((name) => /^[a-z-]+\.ts$/.test(name));
const defining = files
  .filter((name) => readFileSync(`${import.meta.dirname}/${name}`, 'utf8').includes('= defineFunction('))
  .map((name) => name.slice(0, -'.ts'.length));

describe('the registry', () => {
  it('has every function of the folder, each by the name of its file', () => {
    expect(defining.length).toBeGreaterThan(5);
    expect(FUNCTIONS.map(({ name }) => name).sort()).toEqual(defining.sort());
  });

  it('has those on runners that need a base in memory', () => {
    expect(ON_RUNNERS.map(({ needs }) => needs.processor)).toEqual(ON_RUNNERS.map(() => 'gpu'));
    expect(ANYWHERE.map(({ needs }) => needs.processor)).toEqual(ANYWHERE.map(() => 'cpu'));
  });

  it.each(FUNCTIONS.map((definition) => [definition.name, definition] as const))(
    '%s asks for what a machine can give',
    (_name, { trigger, needs }) => {
      const { memoryMiB, timeoutSeconds, retries, concurrency } = needs;
      for (const count of [memoryMiB, timeoutSeconds, concurrency]) expect(count).toBeGreaterThan(0);
      expect(retries).toBeGreaterThanOrEqual(0);
      // A Lambda runs for fifteen minutes and no longer.
      if (needs.processor === 'cpu') expect(timeoutSeconds).toBeLessThanOrEqual(900);
      if (trigger.kind === 'schedule') expect([trigger.everySeconds > 0, retries]).toEqual([true, 0]);
    },
  );
});

describe('a function', () => {
  const double = defineFunction({
    name: 'double',
    trigger: { kind: 'queue' },
    needs: { processor: 'cpu', memoryMiB: 1, timeoutSeconds: 1, retries: 0, concurrency: 1 },
    event: z.object({ number: z.number() }),
    result: z.object({ number: z.int() }),
    handle: async ({ number }, ports: { factor: number }) => ({ number: number * ports.factor }),
  });

  it('is handed its event and its ports', async () => {
    expect(await invoke(double, { number: 2 }, { factor: 2 })).toEqual({ number: 4 });
  });

  it('takes no event, and gives no result, that is none', async () => {
    await expect(invoke(double, { number: 'two' }, { factor: 2 })).rejects.toThrow(z.ZodError);
    await expect(invoke(double, { number: 1 }, { factor: 0.5 })).rejects.toThrow(z.ZodError);
    expect(Tick.safeParse({ more: 1 }).success).toBe(false);
  });
});
