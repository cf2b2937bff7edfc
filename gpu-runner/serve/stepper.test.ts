/** The memory of what runs follows what is served. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { madeUpAdapter } from '../testing/made-up-adapter.ts';
import { openParity, type ParityModel } from '../testing/parity.ts';
import type { BatchRow } from './batch.ts';
import type { WeightedAdapter } from './composition.ts';
import { placesFor } from './kv-cache.ts';
import type { Sequence } from './stepper.ts';

describe('the cache of a batch', () => {
  let model: ParityModel;

  beforeAll(async () => {
    model = await openParity('smollm2');
  });

  afterAll(() => model.stepper.release());

  const cells = () =>
    model.stepper['batches'].reduce((sum, { cache: { rows, places } }) => sum + rows * places, 0);

  it('stays below twice what its sequences need, when many short ones were there before a long one', async () => {
    const { stepper } = model;
    const many = Array.from({ length: 8 }, () => stepper.open([]));
    for (const sequence of many) await stepper.prefill(sequence, [5, 6, 7]);
    await stepper.decode(many, [5, 5, 5, 5, 5, 5, 5, 5]);
    expect(cells()).toBe(8 * placesFor(4));
    const [long, ...others] = many;
    for (const sequence of others) stepper.close(sequence);
    for (let length = 5; length <= 300; length++) {
      await stepper.decode([long!], [5]);
      expect(cells()).toBeLessThan(2 * placesFor(length));
    }
    stepper.close(long!);
    expect(cells()).toBe(0);
  });

  it('stays below twice what its sequences need, when a long one was there before many short ones', async () => {
    const { stepper } = model;
    const long = stepper.open([]);
    for (let at = 0; at < 384; at += stepper.chunkTokens)
      await stepper.prefill(long, new Array<number>(stepper.chunkTokens).fill(5));
    await stepper.decode([long], [5]);
    expect(cells()).toBe(placesFor(385));
    const short = Array.from({ length: 8 }, () => stepper.open([]));
    for (const sequence of short) await stepper.prefill(sequence, [5, 6, 7]);
    stepper.close(long);
    await stepper.decode(short, [5, 5, 5, 5, 5, 5, 5, 5]);
    expect(cells()).toBe(8 * placesFor(4));
    for (const sequence of short) stepper.close(sequence);
  });
});

describe('adapters of very different ranks', () => {
  let model: ParityModel;

  beforeAll(async () => {
    model = await openParity('llama3');
  });

  afterAll(() => model.stepper.release());

  const adaptersOf = (rank: number, name: string): WeightedAdapter[] => [
    { adapter: madeUpAdapter(model.checkpoint.config, `${name} of rank ${rank}`, rank), weight: 1 },
  ];

  /** Sequences that were decoded once together. */
  async function running(adapters: readonly WeightedAdapter[][]): Promise<Sequence[]> {
    const { stepper } = model;
    const sequences = adapters.map((of) => stepper.open(of));
    for (const sequence of sequences) await stepper.prefill(sequence, [5, 6, 7]);
    await stepper.decode(
      sequences,
      sequences.map(() => 5),
    );
    return sequences;
  }

  it('take no more memory together than apart', async () => {
    const { stepper } = model;
    const held = async (adapters: readonly WeightedAdapter[][]) => {
      const sequences = await running(adapters);
      const bytes = stepper.heldBytes;
      for (const sequence of sequences) stepper.close(sequence);
      return bytes;
    };
    const small = Array.from({ length: 7 }, (_, i) => adaptersOf(16, `${i}`));
    const large = [adaptersOf(256, 'large')];
    expect(await held([...small, ...large])).toBe((await held(small)) + (await held(large)));
    expect(stepper.heldBytes).toBe(0);
  });

  it('leave nothing behind that is laid out for them', async () => {
    setFlagsFromString('--expose-gc');
    const collect: () => void = runInNewContext('gc');
    const served = async () => {
      const sequences = await running([adaptersOf(16, 'one'), adaptersOf(16, 'another')]);
      const left = sequences.map((sequence) => new WeakRef((sequence as BatchRow & Sequence).composition));
      for (const sequence of sequences) model.stepper.close(sequence);
      return left;
    };
    const left = await served();
    await new Promise(setImmediate);
    collect();
    expect(left.map((composition) => composition.deref())).toEqual([undefined, undefined]);
  });

  it('never take more than what they were admitted by, as they come and leave', async () => {
    const { stepper } = model;
    const ranks = [16, 256, 16, 40, 8, 100, 300, 16, 30, 256, 1, 64];
    const open: { sequence: Sequence; adapters: WeightedAdapter[] }[] = [];
    const check = () => {
      const growths = open.map(({ sequence, adapters }) => ({ length: sequence.length, adapters }));
      expect(stepper.heldBytes).toBeGreaterThan(0);
      expect(stepper.heldBytes).toBeLessThanOrEqual(stepper.bytesFor(growths));
    };
    const step = async () => {
      const sequences = open.map(({ sequence }) => sequence);
      await stepper.decode(
        sequences,
        sequences.map(() => 5),
      );
      check();
    };
    for (const [i, rank] of ranks.entries()) {
      const adapters = adaptersOf(rank, `${i}`);
      const sequence = stepper.open(adapters);
      await stepper.prefill(sequence, [5, 6, 7]);
      open.push({ sequence, adapters });
      await step();
    }
    while (open.length > 1) {
      stepper.close(open.splice(((open.length * 7) % 5) % open.length, 1)[0]!.sequence);
      await step();
    }
    stepper.close(open[0]!.sequence);
  });
});
