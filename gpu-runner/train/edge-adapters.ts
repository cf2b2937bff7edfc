/** Adapters below the first layer and above the last: of the token embedding, and of the head. */
import { EMBEDDING_MODULE, HEAD_MODULE } from '../model/llama.ts';
import { type Feed, floats } from '../session.ts';
import { columns, widestRank } from './ranks.ts';
import { TRAINING_IO as IO } from './training-graph.ts';
import type { Group, LoraMatrices } from './training-session.ts';

/** The head is trained by one group at a time. */
export function headFeeds([lora, ...others]: readonly LoraMatrices[]): Record<string, Feed> {
  if (others.length > 0) throw new Error('several groups train the head');
  const { a, b, rank, scale } = lora!;
  return {
    [IO.a(HEAD_MODULE)]: floats(a, [rank, a.length / rank]),
    [IO.b(HEAD_MODULE)]: floats(b, [b.length / rank, rank]),
    [IO.scale(HEAD_MODULE)]: floats(Float32Array.of(scale), [1, 1]),
  };
}

/** Of A [rank, vocabulary] only the columns that the batch's tokens name: nothing as large as tokens times vocabulary. */
export function embeddingFeeds(
  groups: readonly Group[],
  loras: readonly LoraMatrices[],
): Record<string, Feed> {
  const widest = widestRank(groups, EMBEDDING_MODULE);
  const tokens = groups[0]!.batch.tokens.length;
  const hidden = loras[0]!.b.length / loras[0]!.rank;
  const taken = new Float32Array(groups.length * tokens * widest);
  const b = new Float32Array(groups.length * hidden * widest);
  for (const [g, lora] of loras.entries()) {
    const vocabulary = lora.a.length / lora.rank;
    for (const [i, token] of groups[g]!.batch.tokens.entries())
      for (let r = 0; r < lora.rank; r++)
        taken[(g * tokens + i) * widest + r] = lora.a[r * vocabulary + token]!;
    b.set(columns(lora.b, lora.rank, widest), g * hidden * widest);
  }
  return {
    [IO.embeddingColumns]: floats(taken, [groups.length, tokens, widest]),
    [IO.b(EMBEDDING_MODULE)]: floats(b, [groups.length, hidden, widest]),
    [IO.scale(EMBEDDING_MODULE)]: floats(
      Float32Array.from(loras, ({ scale }) => scale),
      [loras.length, 1, 1],
    ),
  };
}

/** The gradient of A [rank, vocabulary] from those of the columns [tokens, widest] that were taken of it, in their order. */
export function spread(
  gradient: Float32Array,
  tokens: Int32Array,
  { length }: Float32Array,
  rank: number,
): Float32Array {
  const whole = new Float32Array(length);
  const [vocabulary, widest] = [length / rank, gradient.length / tokens.length];
  for (const [i, token] of tokens.entries())
    for (let r = 0; r < rank; r++) whole[r * vocabulary + token]! += gradient[i * widest + r]!;
  return whole;
}
