/** The memory of the running batch follows what it serves. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openParity, type ParityModel } from '../testing/parity.ts';
import { placesFor } from './kv-cache.ts';

describe('the cache of a batch', () => {
  let model: ParityModel;

  beforeAll(async () => {
    model = await openParity('smollm2');
  });

  afterAll(() => model.stepper.release());

  const cells = () => model.stepper['batch'].rows * model.stepper['batch'].places;

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
