/**
 * What adapters cost: a decode step with 1, 4 or 16 distinct rank-16 adapters on all seven linears, over the same step
 * without. Steps with and without take turns, so a drifting machine moves both.
 */
import type { Sequence, SessionStepper } from '../gpu-runner/serve/stepper.ts';
import { madeUpAdapter } from '../gpu-runner/testing/made-up-adapter.ts';
import { decode, openEngine, sequenceAt } from './engine.ts';
import { type Figure, median, note, timed } from './measure.ts';

const RANK = 16;
const CONTEXT = 256;
const ROUNDS = 7;
const STEPS = 5;
/** Batch and distinct adapters in it. */
const CASES = [
  [1, 1],
  [4, 1],
  [4, 4],
  [16, 1],
  [16, 4],
  [16, 16],
] as const;

async function openBatch(engine: SessionStepper, size: number, distinct: number): Promise<Sequence[]> {
  const adapters = Array.from({ length: distinct }, (_, i) =>
    madeUpAdapter(engine.config, `adapter ${i}`, RANK),
  );
  const batch: Sequence[] = [];
  for (let i = 0; i < size; i++) {
    const adapter = adapters[i % Math.max(1, distinct)];
    batch.push(await sequenceAt(engine, CONTEXT, adapter ? [{ adapter, weight: 1 }] : []));
  }
  return batch;
}

/** Milliseconds of a step; the first ones lay the batch out anew, and are left out. */
async function stepTime(engine: SessionStepper, batch: readonly Sequence[]): Promise<number> {
  for (let i = 0; i < 2; i++) await decode(engine, batch);
  const times = [];
  for (let i = 0; i < STEPS; i++) times.push(await timed(() => decode(engine, batch)));
  return median(times);
}

export async function run(): Promise<Figure[]> {
  const engine = await openEngine();
  const figures: Figure[] = [];
  for (const [size, distinct] of CASES) {
    note(`batch ${size}, ${distinct} adapters`);
    const ratios = [];
    const steps = [];
    const plain = await openBatch(engine, size, 0);
    const adapted = await openBatch(engine, size, distinct);
    for (let round = 0; round < ROUNDS; round++) {
      const base = await stepTime(engine, plain);
      const step = await stepTime(engine, adapted);
      ratios.push(step / base);
      steps.push(step);
    }
    for (const sequence of [...plain, ...adapted]) engine.close(sequence);
    const key = `step_b${size}_${distinct}_adapter${distinct === 1 ? '' : 's'}`;
    figures.push({ key: `${key}_ms`, value: median(steps), unit: 'ms' });
    figures.push({ key: `${key}_over_base`, value: median(ratios), unit: 'ratio' });
  }
  await engine.release();
  return figures;
}
