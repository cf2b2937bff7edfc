/**
 * From logits to a token. Order, as vLLM's: the reported log-probabilities are of the model's own distribution; then bias,
 * penalties (over generated tokens), temperature, top-k, top-p, min-p. Randomness is a hash of (seed, answer, position), so a
 * request draws the same numbers whatever shares its batch and however often it is restarted.
 */
import type { Sampling } from '../../functions/generate.ts';

export interface ChosenToken {
  readonly id: number;
  /** Natural logarithm of the model's probability of this token; only when asked for. */
  readonly logprob?: number;
  readonly top?: readonly { readonly id: number; readonly logprob: number }[];
}

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

  /** Chooses the next token. `logits` may be changed. */
  choose(logits: Float32Array): ChosenToken {
    const { topLogprobs, temperature } = this.sampling;
    const report = topLogprobs === undefined ? undefined : reporter(logits, topLogprobs);
    this.adjust(logits);
    const id = temperature === 0 ? argmax(logits) : this.draw(logits, temperature);
    this.counts.set(id, (this.counts.get(id) ?? 0) + 1);
    this.position++;
    return report ? report(id) : { id };
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
    if (topK > 0 && topK < kept.length) kept = largest(kept, topK);
    if (topP < 1) kept = nucleus(kept, topP);
    if (minP > 0) kept = kept.filter(({ weight }) => weight >= minP); // the best one's weight is 1
    const total = kept.reduce((sum, { weight }) => sum + weight, 0);
    let left = uniform(this.seed, this.answer, this.position) * total;
    for (const { id, weight } of kept) {
      left -= weight;
      if (left < 0) return id;
    }
    return kept.at(-1)!.id;
  }
}

interface Candidate {
  readonly id: number;
  /** exp((logit - best logit) / temperature) */
  readonly weight: number;
}

export function argmax(logits: Float32Array): number {
  let best = 0;
  for (let id = 1; id < logits.length; id++) if (logits[id]! > logits[best]!) best = id;
  return best;
}

function candidates(logits: Float32Array, temperature: number): Candidate[] {
  const best = logits[argmax(logits)]!;
  const floor = best - NEGLIGIBLE * temperature;
  const kept: Candidate[] = [];
  for (let id = 0; id < logits.length; id++) {
    const logit = logits[id]!;
    if (logit >= floor) kept.push({ id, weight: Math.exp((logit - best) / temperature) });
  }
  return kept;
}

const byWeight = (a: Candidate, b: Candidate): number => b.weight - a.weight || a.id - b.id;

function largest(kept: readonly Candidate[], count: number): Candidate[] {
  return [...kept].sort(byWeight).slice(0, count);
}

/** The smallest set of most probable tokens whose mass reaches topP (Holtzman et al. 2020). */
function nucleus(kept: readonly Candidate[], topP: number): Candidate[] {
  const goal = topP * kept.reduce((sum, { weight }) => sum + weight, 0);
  // Sort only the head of the distribution: widen it until it holds the mass.
  for (let bits = 4; ; bits *= 2) {
    const floor = bits > 64 ? 0 : 2 ** -bits;
    const head = kept.filter(({ weight }) => weight >= floor);
    if (floor > 0 && head.reduce((sum, { weight }) => sum + weight, 0) < goal) continue;
    head.sort(byWeight);
    let mass = 0;
    const end = head.findIndex(({ weight }) => (mass += weight) >= goal);
    return end < 0 ? head : head.slice(0, end + 1);
  }
}

/** Keeps what log-probabilities need from logits that are about to be changed. */
function reporter(logits: Float32Array, count: number): (id: number) => ChosenToken {
  const best = logits[argmax(logits)]!;
  let sum = 0;
  for (const logit of logits) sum += Math.exp(logit - best);
  const logTotal = best + Math.log(sum);
  const original = logits.slice();
  const logprob = (id: number) => original[id]! - logTotal;
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

/** A number in [0, 1) from three counters: two rounds of MurmurHash3's finaliser over each half of 53 bits. */
export function uniform(seed: number, answer: number, position: number): number {
  const low = seed >>> 0;
  const high = Math.floor(seed / 2 ** 32) >>> 0;
  const state = mix(mix(mix(low ^ 0x9e3779b9) ^ high) ^ Math.imul(answer + 1, 0x85ebca6b));
  const first = mix(state ^ Math.imul(position + 1, 0xc2b2ae35));
  const second = mix(first ^ 0x27d4eb2f);
  return ((first >>> 5) * 2 ** 26 + (second >>> 6)) / 2 ** 53;
}

function mix(value: number): number {
  let x = value >>> 0;
  x = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  x = Math.imul(x ^ (x >>> 13), 0xc2b2ae35);
  return (x ^ (x >>> 16)) >>> 0;
}
