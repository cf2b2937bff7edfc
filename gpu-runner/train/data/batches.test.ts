import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { uniform } from '../../random.ts';
import type { MicroBatch } from '../training-session.ts';
import { Batches, layOut, split } from './batches.ts';
import type { Dataset } from './dataset.ts';

/** Examples of these lengths; the first token of each names it, and all but that one are targets. */
function datasetOf(lengths: readonly number[]): Dataset {
  const offsets = Float64Array.from([
    0,
    ...lengths.map((_, i) => lengths.slice(0, i + 1).reduce((a, b) => a + b, 0)),
  ]);
  const total = offsets.at(-1)!;
  const tokens = Int32Array.from({ length: total }, (_, i) => 1 + Math.floor(uniform(1, 2, i) * 1000));
  const isTarget = new Uint8Array(total).fill(1);
  for (const [i] of lengths.entries()) {
    tokens[offsets[i]!] = 10_000 + i;
    isTarget[offsets[i]!] = 0;
  }
  const lines = Int32Array.from(lengths.keys());
  return { tokens, isTarget, offsets, lines, report: { examples: lengths.length } as Dataset['report'] };
}

const anyLengths = fc.array(fc.integer({ min: 2, max: 60 }), { minLength: 1, maxLength: 40 });
const anySettings = fc.record({
  batchSize: fc.integer({ min: 1, max: 9 }),
  maxTokens: fc.integer({ min: 16, max: 256 }),
  packing: fc.boolean(),
  seed: fc.nat(),
});
const all = (lengths: readonly number[]) => lengths.map((_, i) => i);

/** What a micro-batch teaches, read back: for each sequence its tokens, with the last one from the targets. */
function sequences({ rows, length, tokens, positions, segments, targets, weights }: MicroBatch): number[][] {
  const found: number[][] = [];
  for (let row = 0; row < rows; row++) {
    let sequence: number[] = [];
    for (let place = row * length; place < (row + 1) * length; place++) {
      if (segments[place] === 0) {
        expect([targets[place], weights[place]]).toEqual([-1, 0]);
        continue;
      }
      if (positions[place] === 0) found.push((sequence = []));
      expect(positions[place]).toBe(sequence.length);
      const isSame = place > row * length && segments[place] === segments[place - 1];
      expect(isSame).toBe(positions[place] !== 0);
      sequence.push(tokens[place]!);
      expect(weights[place]).toBe(1);
      const isLast = place + 1 === (row + 1) * length || segments[place + 1] !== segments[place];
      if (isLast) sequence.push(targets[place]!);
      else expect(targets[place]).toBe(tokens[place + 1]);
    }
  }
  return found;
}

describe('batches', () => {
  it('hold every example once an epoch, as it is, and no step more than it should', () => {
    fc.assert(
      fc.property(anyLengths, anySettings, (lengths, settings) => {
        const dataset = datasetOf(lengths);
        const batches = new Batches(dataset, all(lengths), settings);
        for (let epoch = 0; epoch < 2; epoch++) {
          const met: number[] = [];
          for (let i = 0; i < batches.stepsPerEpoch; i++) {
            const step = batches.stepAfter(epoch * batches.stepsPerEpoch + i);
            const found = step.microBatches.flatMap(sequences);
            expect(found.length).toBeLessThanOrEqual(settings.batchSize);
            expect(step.targetWeight).toBe(found.reduce((sum, tokens) => sum + tokens.length - 1, 0));
            for (const sequence of found) {
              const example = sequence[0]! - 10_000;
              const [begin, end] = [dataset.offsets[example]!, dataset.offsets[example + 1]!];
              expect(sequence).toEqual([...dataset.tokens.slice(begin, end)]);
              met.push(example);
            }
          }
          expect(met.sort((a, b) => a - b)).toEqual(all(lengths));
        }
      }),
    );
  });

  it('are the same for whoever comes to a step, from wherever', () => {
    fc.assert(
      fc.property(anyLengths, anySettings, fc.nat(200), (lengths, settings, step) => {
        const straight = new Batches(datasetOf(lengths), all(lengths), settings);
        for (let i = 0; i <= step; i++) straight.examplesAfter(i);
        const resumed = new Batches(datasetOf(lengths), all(lengths), settings);
        expect(resumed.stepAfter(step)).toEqual(straight.stepAfter(step));
      }),
      { numRuns: 50 },
    );
  });

  it('come in another order with another seed, and in another epoch', () => {
    const lengths = Array.from({ length: 64 }, (_, i) => 2 + (i % 7));
    const order = (seed: number, epoch: number) => {
      const batches = new Batches(datasetOf(lengths), all(lengths), {
        batchSize: 1,
        maxTokens: 64,
        packing: false,
        seed,
      });
      return Array.from({ length: 64 }, (_, i) => batches.examplesAfter(64 * epoch + i)[0]);
    };
    expect(order(1, 0)).not.toEqual(order(2, 0));
    expect(order(1, 0)).not.toEqual(order(1, 1));
  });

  it('bound the tokens of a micro-batch, and pad little', () => {
    const lengths = Array.from({ length: 400 }, (_, i) => 2 + Math.floor(uniform(3, 4, i) * 200));
    const dataset = datasetOf(lengths);
    for (const packing of [false, true]) {
      const batches = new Batches(dataset, all(lengths), { batchSize: 8, maxTokens: 1024, packing, seed: 5 });
      let [places, read] = [0, 0];
      for (let i = 0; i < batches.stepsPerEpoch; i++) {
        for (const { rows, length, segments } of batches.stepAfter(i).microBatches) {
          expect(rows * length).toBeLessThanOrEqual(1024);
          places += rows * length;
          read += segments.filter((segment) => segment > 0).length;
        }
      }
      expect(places / read).toBeLessThan(packing ? 1.25 : 1.15);
    }
  });

  it('packed rows are no longer than the longest example', () => {
    fc.assert(
      fc.property(anyLengths, (lengths) => {
        const longest = Math.ceil((Math.max(...lengths) - 1) / 16) * 16;
        for (const { length } of layOut(datasetOf(lengths), all(lengths), { maxTokens: 512, packing: true }))
          expect(length).toBeLessThanOrEqual(longest);
      }),
    );
  });

  it('a split parts the examples for good', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 2, max: 100 }),
        fc.double({ min: 0.01, max: 0.5, noNaN: true }),
        fc.nat(),
        (n, share, seed) => {
          const { train, valid } = split(datasetOf(Array(n).fill(2)), share, seed);
          expect([...train, ...valid].sort((a, b) => a - b)).toEqual(all(Array(n).fill(2)));
          expect(valid.length).toBeGreaterThan(0);
          expect(train.length).toBeGreaterThan(0);
          expect(split(datasetOf(Array(n).fill(2)), share, seed).valid).toEqual(valid);
        },
      ),
    );
  });
});
