import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Sampling } from '../../functions/generate.ts';
import { uniform } from '../random.ts';
import { argmax, NotFiniteError, Sampler, topIds } from './sampling.ts';

const logitsOf = (length: number) =>
  fc
    .array(fc.oneof(fc.double({ min: -20, max: 20, noNaN: true }), fc.constantFrom(0, 1, 2)), {
      minLength: length,
      maxLength: length,
    })
    .map((values) => Float32Array.from(values));
const anyLogits = fc.integer({ min: 1, max: 40 }).chain(logitsOf);

const anySampling = fc.record({
  temperature: fc.constantFrom(0, 0.1, 0.7, 1, 2),
  topK: fc.constantFrom(0, 1, 3, 10),
  topP: fc.oneof(fc.constantFrom(1, 0.5, 0.9), fc.double({ min: 0.01, max: 1, noNaN: true })),
  minP: fc.constantFrom(0, 0.05, 0.5, 1),
  frequencyPenalty: fc.constantFrom(0, 0.5, -1),
  presencePenalty: fc.constantFrom(0, 1.5),
  logitBias: fc.dictionary(fc.constantFrom('0', '2', '5'), fc.constantFrom(-100, -1, 5, 100)),
});

/** The same in the simplest way: sort everything, cut, add up. */
function naive(logits: Float32Array, sampling: Sampling, generated: readonly number[], draw: number): number {
  const adjusted = Array.from(logits, (logit, id) => {
    const count = generated.filter((token) => token === id).length;
    const penalty = sampling.frequencyPenalty * count + (count > 0 ? sampling.presencePenalty : 0);
    return Math.fround(Math.fround(logit + (sampling.logitBias[id] ?? 0)) - penalty);
  });
  const best = Math.max(...adjusted);
  if (sampling.temperature === 0) return adjusted.indexOf(best);
  let kept = adjusted
    .map((logit, id) => ({ id, weight: Math.exp((logit - best) / sampling.temperature) }))
    .filter(({ weight }) => weight >= Math.exp(-30))
    .sort((a, b) => b.weight - a.weight || a.id - b.id);
  if (sampling.topK > 0) kept = kept.slice(0, sampling.topK);
  const mass = (items: typeof kept) => items.reduce((sum, { weight }) => sum + weight, 0);
  if (sampling.topP < 1) {
    const goal = sampling.topP * mass(kept);
    const masses = kept.map((_, i) => mass(kept.slice(0, i + 1)));
    // Where a sum meets the goal but for rounding, either cut is right.
    fc.pre(!masses.some((sum) => sum !== goal && Math.abs(sum - goal) < 1e-9 * goal));
    kept = kept.slice(0, masses.findIndex((sum) => sum >= goal) + 1);
  }
  kept = kept.filter(({ weight }) => weight >= sampling.minP).sort((a, b) => a.id - b.id);
  const goal = draw * mass(kept);
  return kept.find((_, i) => mass(kept.slice(0, i + 1)) > goal)?.id ?? kept.at(-1)!.id;
}

describe('sampling', () => {
  it('chooses what a naive reference chooses', () => {
    fc.assert(
      fc.property(
        fc.array(anyLogits, { minLength: 1, maxLength: 1 }),
        anySampling,
        fc.nat(),
        fc.nat(5),
        ([first], options, seed, steps) => {
          const sampling = Sampling.parse(options);
          const sampler = new Sampler(sampling, seed, 1);
          const generated: number[] = [];
          for (let position = 0; position <= steps; position++) {
            const expected = naive(first!, sampling, generated, uniform(seed, 1, position));
            expect(sampler.choose(first!.slice()).id).toBe(expected);
            generated.push(expected);
          }
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('draws tokens as often as they are probable', () => {
    const logits = Float32Array.from([0, Math.log(2), Math.log(5)]);
    const sampler = new Sampler(Sampling.parse({}), 99, 0);
    const counts = [0, 0, 0];
    const draws = 40_000;
    for (let i = 0; i < draws; i++) counts[sampler.choose(logits.slice()).id]!++;
    for (const [id, share] of [1 / 8, 2 / 8, 5 / 8].entries()) {
      const deviation = Math.sqrt((share * (1 - share)) / draws);
      expect(Math.abs(counts[id]! / draws - share)).toBeLessThan(5 * deviation);
    }
  });

  it('reports log-probabilities of the model itself, whatever bias, penalties and temperature do', () => {
    fc.assert(
      fc.property(anyLogits, anySampling, fc.nat(20), (logits, options, topLogprobs) => {
        const sampler = new Sampler(Sampling.parse({ ...options, topLogprobs }), 3, 0);
        const { id, logprob, top } = sampler.choose(logits.slice());
        const total = Math.log(logits.reduce((sum, logit) => sum + Math.exp(logit), 0));
        expect(logprob).toBeCloseTo(logits[id]! - total, 9);
        expect(top!.length).toBe(Math.min(topLogprobs, logits.length));
        const expected = [...logits.keys()]
          .sort((a, b) => logits[b]! - logits[a]! || a - b)
          .slice(0, topLogprobs);
        expect(top!.map((token) => token.id)).toEqual(expected);
        for (const token of top!) expect(token.logprob).toBeCloseTo(logits[token.id]! - total, 9);
      }),
    );
  });

  it('refuses logits that are not numbers', () => {
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      for (const temperature of [0, 1]) {
        const sampler = new Sampler(Sampling.parse({ temperature }), 1, 0);
        expect(() => sampler.choose(new Float32Array(4).fill(value))).toThrow(NotFiniteError);
      }
    }
  });

  it('reports nothing but numbers that JSON has, whatever an adapter of the head does to some logits', () => {
    const sampler = new Sampler(Sampling.parse({ temperature: 0, topLogprobs: 3 }), 1, 0);
    const { top } = sampler.choose(Float32Array.of(1, Number.NEGATIVE_INFINITY, 1));
    expect(top!.map(({ id, logprob }) => [id, logprob])).toEqual([
      [0, expect.closeTo(-Math.log(2), 6)],
      [2, expect.closeTo(-Math.log(2), 6)],
      [1, -9999],
    ]);
    expect(() => sampler.choose(Float32Array.of(1, Number.NaN, 1))).toThrow(NotFiniteError);
  });

  it('takes the lower id of equal ones', () => {
    expect(argmax(Float32Array.of(1, 3, 3, 2))).toBe(1);
    expect(topIds(Float32Array.of(1, 3, 3, 2), 3)).toEqual([1, 2, 3]);
  });
});

describe('random numbers', () => {
  it('depend on seed, answer and position, on each of them', () => {
    const seen = new Set<number>();
    for (const seed of [0, 1, -1, 2 ** 32, 2 ** 40 + 1, Number.MAX_SAFE_INTEGER])
      for (let answer = 0; answer < 8; answer++)
        for (let position = 0; position < 100; position++) seen.add(uniform(seed, answer, position));
    expect(seen.size).toBe(6 * 8 * 100);
  });

  it('are uniform in [0, 1), also along positions, answers and seeds', () => {
    const buckets = 20;
    const along = {
      position: (i: number) => uniform(5, 0, i),
      answer: (i: number) => uniform(5, i, 0),
      seed: (i: number) => uniform(i, 0, 0),
    };
    for (const draw of Object.values(along)) {
      const counts = new Array<number>(buckets).fill(0);
      for (let i = 0; i < 20_000; i++) {
        const value = draw(i);
        expect(value >= 0 && value < 1).toBe(true);
        counts[Math.floor(value * buckets)]!++;
      }
      const chiSquare = counts.reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0);
      expect(chiSquare).toBeLessThan(50); // 19 degrees of freedom: beyond 50 once in 10,000
    }
  });
});
