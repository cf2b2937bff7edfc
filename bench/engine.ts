/** The engine on the 135M shape, without HTTP: sequences at a given context. */
import { openCheckpoint } from '../gpu-runner/model/checkpoint.ts';
import { openPrepared } from '../gpu-runner/model/prepared.ts';
import type { WeightedAdapter } from '../gpu-runner/serve/composition.ts';
import { type Sequence, SessionStepper } from '../gpu-runner/serve/stepper.ts';
import { checkpoint135m, THREADS } from './measure.ts';

const CACHE_BYTES = 8 * 2 ** 30;

export async function openEngine(): Promise<SessionStepper> {
  const checkpoint = await openCheckpoint(await checkpoint135m());
  return new SessionStepper(await openPrepared(checkpoint, THREADS), checkpoint.config, CACHE_BYTES);
}

/** A sequence with `context` tokens in its cache. */
export async function sequenceAt(
  engine: SessionStepper,
  context: number,
  adapters: readonly WeightedAdapter[] = [],
): Promise<Sequence> {
  const sequence = engine.open(adapters);
  await prefill(engine, sequence, context);
  return sequence;
}

export async function prefill(engine: SessionStepper, sequence: Sequence, count: number): Promise<void> {
  const tokens = Array.from({ length: count }, (_, i) => 10 + (i % 1000));
  for (let at = 0; at < count; at += engine.chunkTokens) {
    await engine.prefill(sequence, tokens.slice(at, at + engine.chunkTokens));
  }
}

export function decode(engine: SessionStepper, batch: readonly Sequence[]): Promise<Float32Array[]> {
  return engine.decode(
    batch,
    batch.map(() => 42),
  );
}
