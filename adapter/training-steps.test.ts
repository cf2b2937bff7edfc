import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { automaticBatchSize, automaticEpochs, stepsPerEpoch } from './training-steps.ts';

describe('steps of a job', () => {
  it.each([
    [1, 1, 10],
    [200, 2, 4],
    [12_000, 16, 1],
    [1_000_000, 16, 1],
  ])('over %i examples: %i a step, %i epochs', (examples, batchSize, epochs) => {
    expect(automaticBatchSize(examples)).toBe(batchSize);
    expect(automaticEpochs(examples, batchSize)).toBe(epochs);
  });

  it('are about four hundred, unless there are few examples or many', () => {
    fc.assert(
      fc.property(fc.integer({ min: 100, max: 6_000 }), (examples) => {
        const batchSize = automaticBatchSize(examples);
        const steps = stepsPerEpoch(examples, batchSize) * automaticEpochs(examples, batchSize);
        expect(steps).toBeGreaterThan(200);
        expect(steps).toBeLessThan(700);
      }),
    );
  });
});
