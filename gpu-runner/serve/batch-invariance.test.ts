/** A sequence's logits are the same bits whatever shares its batch: other adapters, ranks, lengths, joining and leaving. */
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { madeUpAdapter } from '../testing/made-up-adapter.ts';
import { openParity, type ParityModel } from '../testing/parity.ts';
import type { WeightedAdapter } from './composition.ts';
import type { Sequence } from './stepper.ts';

const MIXES: readonly Readonly<Record<string, number>>[] = [
  {},
  { 'all-linear': 1 },
  { 'query-value': 1 },
  { patterns: 1 },
  { rslora: 1 },
  { 'all-linear': 0.7, second: 0.3 },
  { dora: 1 },
];
/** Beside those of the fixtures, whose ranks are small. */
const LARGE_RANKS = [40, 128, 272, 272];

const Request = fc.record({
  mix: fc.integer({ min: 0, max: MIXES.length + LARGE_RANKS.length - 1 }),
  prompt: fc.array(fc.integer({ min: 3, max: 300 }), { minLength: 1, maxLength: 150 }),
  forced: fc.array(fc.integer({ min: 3, max: 300 }), { minLength: 1, maxLength: 12 }),
  /** The step at which it arrives. */
  arrives: fc.integer({ min: 0, max: 8 }),
});
type Request = typeof Request extends fc.Arbitrary<infer T> ? T : never;

describe('a batch', () => {
  let model: ParityModel;
  let mixes: WeightedAdapter[][];

  beforeAll(async () => {
    model = await openParity('llama3');
    mixes = await Promise.all(MIXES.map((weights) => model.adapters(weights)));
    const { config } = model.checkpoint;
    for (const [i, rank] of LARGE_RANKS.entries())
      mixes.push([{ adapter: madeUpAdapter(config, `large ${i}`, rank), weight: 1 }]);
  });

  afterAll(() => model.stepper.release());

  async function begin({ mix, prompt }: Request): Promise<{ sequence: Sequence; logits: Float32Array }> {
    const { stepper } = model;
    const sequence = stepper.open(mixes[mix]!);
    let logits = new Float32Array();
    for (let at = 0; at < prompt.length; at += stepper.chunkTokens) {
      logits = (await stepper.prefill(sequence, prompt.slice(at, at + stepper.chunkTokens))).slice();
    }
    return { sequence, logits };
  }

  async function alone(request: Request): Promise<Float32Array[]> {
    const { sequence, logits } = await begin(request);
    const all = [logits];
    for (const token of request.forced)
      all.push((await model.stepper.decode([sequence], [token]))[0]!.slice());
    model.stepper.close(sequence);
    return all;
  }

  async function together(requests: readonly Request[]): Promise<Float32Array[][]> {
    const states = requests.map((request) => ({
      request,
      sequence: undefined as Sequence | undefined,
      fed: 0,
      all: [] as Float32Array[],
    }));
    for (let step = 0; states.some(({ request, fed }) => fed < request.forced.length); step++) {
      for (const state of states.filter(
        ({ request, sequence, fed }) => !sequence && fed === 0 && request.arrives <= step,
      )) {
        const { sequence, logits } = await begin(state.request);
        state.sequence = sequence;
        state.all.push(logits);
      }
      const running = states.filter(({ sequence }) => sequence);
      if (running.length === 0) continue;
      const logits = await model.stepper.decode(
        running.map(({ sequence }) => sequence!),
        running.map(({ request, fed }) => request.forced[fed]!),
      );
      for (const [i, state] of running.entries()) {
        state.all.push(logits[i]!.slice());
        if (++state.fed < state.request.forced.length) continue;
        model.stepper.close(state.sequence!);
        state.sequence = undefined;
      }
    }
    return states.map(({ all }) => all);
  }

  it("never changes a bit of anybody's logits", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(Request, { minLength: 2, maxLength: 7 }), async (requests) => {
        const shared = await together(requests);
        for (const [i, request] of requests.entries()) expect(shared[i]).toEqual(await alone(request));
      }),
      { numRuns: 25 },
    );
  });
});
