/**
 * From logits to a token. Order, as vLLM's: the reported log-probabilities are of the model's own distribution; then what the
 * answer's grammar does not allow is taken out; then bias, penalties (over generated tokens), temperature, top-k, top-p, min-p.
 * Randomness is a hash of (seed, answer, position), so a request draws the same numbers whatever shares its batch and however often
 * it is restarted.
 */
import type { Sampling } from '../../functions/generate.ts';
import { Fault } from '../faults.ts';
import { uniform } from '../random.ts';

export interface ChosenToken {
  readonly id: number;
  /** Natural logarithm of the model's probability of this token; only when asked for. */
  readonly logprob?: number;
  readonly top?: readonly { readonly id: number; readonly logprob: number }[];
}

/** An adapter (or a mix) with huge values makes scores that are no numbers. */
export class NotFiniteError extends Error {
  override readonly name = 'NotFiniteError';
}

/** What OpenAI's protocol says for what is all but impossible; JSON has no infinity. */
const LEAST_LOGPROB = -9999;

/** Beyond this many units of temperature below the best, a token's probability is under 1e-13: never drawn. */
const NEGLIGIBLE = 30;

export class Sampler {
  private readonly sampling: Sampling;
  private readonly seed: number;
  private readonly answer: number;
  private readonly bias: readonly (readonly [number, number])[];
  private readonly counts = new Map<number, number>();
  private position = 0;

  constructor(sampling: Sampling, seed: number, answer: number) {
    this.sampling = sampling;
    this.seed = seed;
    this.answer = answer;
    this.bias = Object.entries(sampling.logitBias).map(([id, value]) => [Number(id), value] as const);
  }

  /**
   * Chooses the next token. `logits` may be changed.
   * @param allowed a bit for each token that may be chosen; absent: all
   */
  choose(logits: Float32Array, allowed?: Int32Array): ChosenToken {
    const { topLogprobs, temperature } = this.sampling;
    checkFinite(logits);
    const report = topLogprobs === undefined ? undefined : reporter(logits, topLogprobs);
    if (allowed) restrict(logits, allowed);
    this.adjust(logits);
    const id = temperature === 0 ? argmax(logits) : this.draw(logits, temperature);
    this.counts.set(id, (this.counts.get(id) ?? 0) + 1);
    this.position++;
    return report ? report(id) : { id };
  }

  /** What the model thinks of a token that is given. */
  score(logits: Float32Array, id: number): ChosenToken {
    checkFinite(logits);
    return reporter(logits, this.sampling.topLogprobs ?? 0)(id);
  }

  private adjust(logits: Float32Array): void {
    for (const [id, value] of this.bias) if (id < logits.length) logits[id]! += value;
    const { frequencyPenalty, presencePenalty } = this.sampling;
    if (frequencyPenalty === 0 && presencePenalty === 0) return;
    for (const [id, count] of this.counts) logits[id]! -= frequencyPenalty * count + presencePenalty;
  }

  private draw(logits: Float32Array, temperature: number): number {
    const { topK, topP, minP } = this.sampling;
    let kept = candidates(logits, temperature);
    if (topK > 0 && topK < kept.ids.length) kept = largest(kept, topK);
    if (topP < 1) kept = nucleus(kept, topP);
    if (minP > 0) kept = filter(kept, (weight) => weight >= minP); // the best one's weight is 1
    const { ids, weights } = kept;
    let left = uniform(this.seed, this.answer, this.position) * sum(weights);
    for (let i = 0; i < ids.length; i++) {
      left -= weights[i]!;
      if (left < 0) return ids[i]!;
    }
    return ids.at(-1)!; // rounding: the sum of the subtractions may be short of the total
  }
}

/** @throws Fault invalid_request when nothing is allowed */
function restrict(logits: Float32Array, allowed: Int32Array): void {
  for (let id = 0; id < logits.length; id++)
    if (((allowed[id >>> 5]! >>> (id & 31)) & 1) === 0) logits[id] = Number.NEGATIVE_INFINITY;
  if (logits[argmax(logits)] === Number.NEGATIVE_INFINITY)
    throw new Fault(
      'invalid_request',
      'By this schema nothing can follow that the base has a token for.',
      'response_format',
    );
}

/** @throws NotFiniteError */
function checkFinite(logits: Float32Array): void {
  const best = logits[argmax(logits)]!;
  if (!Number.isFinite(best)) throw new NotFiniteError(`the best logit is ${best}: the weights overflow`);
}

/** Tokens that may be drawn, in ascending order of id. */
interface Candidates {
  readonly ids: Int32Array;
  /** exp((logit - best logit) / temperature) */
  readonly weights: Float64Array;
}

/** The least number of the largest logit. */
export function argmax(logits: Float32Array): number {
  let best = 0;
  for (let id = 1; id < logits.length; id++) if (logits[id]! > logits[best]!) best = id;
  return best;
}

function sum(values: Float64Array): number {
  let total = 0;
  for (let i = 0; i < values.length; i++) total += values[i]!;
  return total;
}

function candidates(logits: Float32Array, temperature: number): Candidates {
  const best = logits[argmax(logits)]!;
  const floor = best - NEGLIGIBLE * temperature;
  const ids = new Int32Array(logits.length);
  const weights = new Float64Array(logits.length);
  let count = 0;
  for (let id = 0; id < logits.length; id++) {
    const logit = logits[id]!;
    if (!(logit >= floor)) continue;
    ids[count] = id;
    weights[count++] = Math.exp((logit - best) / temperature);
  }
  return { ids: ids.subarray(0, count), weights: weights.subarray(0, count) };
}

function filter({ ids, weights }: Candidates, keep: (weight: number, id: number) => boolean): Candidates {
  const kept = { ids: new Int32Array(ids.length), weights: new Float64Array(ids.length) };
  let count = 0;
  for (let i = 0; i < ids.length; i++) {
    if (!keep(weights[i]!, ids[i]!)) continue;
    kept.ids[count] = ids[i]!;
    kept.weights[count++] = weights[i]!;
  }
  return { ids: kept.ids.subarray(0, count), weights: kept.weights.subarray(0, count) };
}

function largest(all: Candidates, count: number): Candidates {
  return upTo(all, () => 1, count);
}

/** The smallest set of most probable tokens whose mass reaches topP (Holtzman et al. 2020). */
function nucleus(all: Candidates, topP: number): Candidates {
  return upTo(all, (weight) => weight, topP * sum(all.weights));
}

/** Weights above which there are few tokens with most of the mass, where a model is sure of anything. */
const FIRST_LOOKS = [2 ** -6, 2 ** -12, 2 ** -20];

/** The shortest beginning of the candidates, best first (equal ones by id), whose measures add up to `goal`. */
function upTo(all: Candidates, measure: (weight: number) => number, goal: number): Candidates {
  for (const least of FIRST_LOOKS) {
    const some = heavier(all, least);
    let mass = 0;
    for (const weight of some.weights) mass += measure(weight);
    if (mass >= goal) return shortest(some, measure, goal);
  }
  return shortest(all, measure, goal);
}

function heavier({ ids, weights }: Candidates, least: number): Candidates {
  let count = 0;
  for (let i = 0; i < weights.length; i++) if (weights[i]! >= least) count++;
  const some = { ids: new Int32Array(count), weights: new Float64Array(count) };
  for (let i = 0, at = 0; at < count; i++) {
    if (weights[i]! < least) continue;
    some.ids[at] = ids[i]!;
    some.weights[at++] = weights[i]!;
  }
  return some;
}

/** Found by halving the set around a pivot, as in quickselect: linear time, where sorting a whole vocabulary takes some 20 ms. */
function shortest(all: Candidates, measure: (weight: number) => number, goal: number): Candidates {
  const { ids, weights } = all;
  const precedes = (a: number, b: number) =>
    weights[a]! > weights[b]! || (weights[a] === weights[b] && a < b);
  let open = Uint32Array.from(ids.keys());
  let missing = goal;
  while (open.length > 1) {
    // Any pivot gives the same result; the middle one is as good as a random one, as ids say nothing of weights.
    const pivot = open[open.length >>> 1]!;
    const before = open.filter((i) => precedes(i, pivot));
    let mass = 0;
    for (const i of before) mass += measure(weights[i]!);
    if (before.length > 0 && mass >= missing) {
      open = before;
      continue;
    }
    missing -= mass + measure(weights[pivot]!);
    const after = missing > 0 ? open.filter((i) => precedes(pivot, i)) : undefined;
    open = after && after.length > 0 ? after : Uint32Array.of(pivot);
    if (open[0] === pivot) break;
  }
  const last = open[0]!;
  return filter(
    all,
    (weight, id) => weight > weights[last]! || (weight === weights[last] && id <= ids[last]!),
  );
}

/** Keeps what log-probabilities need from logits that are about to be changed. @throws NotFiniteError */
function reporter(logits: Float32Array, count: number): (id: number) => ChosenToken {
  const best = logits[argmax(logits)]!;
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - best);
  const logTotal = best + Math.log(sum);
  if (!Number.isFinite(logTotal))
    throw new NotFiniteError('some logits are no numbers: the weights overflow');
  const original = logits.slice();
  const logprob = (id: number) => Math.max(LEAST_LOGPROB, original[id]! - logTotal);
  const top = topIds(original, count).map((id) => ({ id, logprob: logprob(id) }));
  return (id) => ({ id, logprob: logprob(id), top });
}

/** Ids of the `count` largest logits, best first; equal ones by id. */
export function topIds(logits: Float32Array, count: number): number[] {
  const ids: number[] = [];
  for (let id = 0; id < logits.length && count > 0; id++) {
    if (ids.length === count && logits[id]! <= logits[ids.at(-1)!]!) continue;
    let at = ids.length;
    while (at > 0 && logits[id]! > logits[ids[at - 1]!]!) at--;
    ids.splice(at, 0, id);
    if (ids.length > count) ids.pop();
  }
  return ids;
}
