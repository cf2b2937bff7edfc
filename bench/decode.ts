/**
 * Tokens per second against transformers, eager, float32, on the same cores: decode at batch 1, 4 and 16 with 256 tokens in
 * the cache, prefill of 128 and 512 tokens. The two take turns, and the medians of the rounds are compared; the peer
 * reports the fastest of its own ways.
 */
import { z } from 'zod';
import type { Sequence } from '../gpu-runner/serve/stepper.ts';
import { decode, openEngine, prefill, sequenceAt } from './engine.ts';
import { checkpoint135m, type Figure, median, note, peer, THREADS, timed } from './measure.ts';

const ROUNDS = 3;
const STEPS = 16;
const CONTEXT = 256;
const BATCHES = [1, 4, 16] as const;
const PREFILLS = [128, 512] as const;

const Speeds = z.object({
  decode_b1_tokens_per_s: z.number(),
  decode_b4_tokens_per_s: z.number(),
  decode_b16_tokens_per_s: z.number(),
  prefill_128_tokens_per_s: z.number(),
  prefill_512_tokens_per_s: z.number(),
});
type Speeds = z.infer<typeof Speeds>;

async function measureOurs(): Promise<Speeds> {
  const engine = await openEngine();
  const speeds: Record<string, number> = {};
  for (const size of BATCHES) {
    const batch: Sequence[] = [];
    for (let i = 0; i < size; i++) batch.push(await sequenceAt(engine, CONTEXT));
    await decode(engine, batch); // joins the batch
    const times = [];
    for (let i = 0; i < STEPS; i++) times.push(await timed(() => decode(engine, batch)));
    for (const sequence of batch) engine.close(sequence);
    speeds[`decode_b${size}_tokens_per_s`] = (1000 * size) / median(times);
  }
  for (const count of PREFILLS) {
    const times = [];
    for (let i = 0; i < 4; i++) {
      const sequence = engine.open([]);
      times.push(await timed(() => prefill(engine, sequence, count)));
      engine.close(sequence);
    }
    speeds[`prefill_${count}_tokens_per_s`] = (1000 * count) / median(times);
  }
  await engine.release();
  return Speeds.parse(speeds);
}

export async function run(): Promise<Figure[]> {
  const folder = await checkpoint135m();
  const ours: Speeds[] = [];
  const theirs: Speeds[] = [];
  for (let round = 1; round <= ROUNDS; round++) {
    note(`round ${round} of ${ROUNDS}`);
    ours.push(await measureOurs());
    theirs.push(
      Speeds.parse(
        await peer('decode_transformers.py', [
          folder,
          '--threads',
          String(THREADS),
          '--steps',
          String(STEPS),
        ]),
      ),
    );
  }
  const of = (rounds: readonly Speeds[], key: keyof Speeds) => median(rounds.map((speeds) => speeds[key]));
  const keys = Object.keys(Speeds.shape) as (keyof Speeds)[];
  return [
    ...keys.flatMap((key) => [
      { key, value: of(ours, key), unit: 'tokens/s' },
      { key: `transformers_${key}`, value: of(theirs, key), unit: 'tokens/s' },
    ]),
    ...keys.map((key) => ({
      key: `${key.replace('_tokens_per_s', '').replace('prefill_128', 'prefill')}_over_transformers`,
      value: of(ours, key) / of(theirs, key),
      unit: 'ratio',
    })),
  ];
}
