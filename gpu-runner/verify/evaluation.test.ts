/** Scores come from the serving engine, one token after the other; the training graph works them out all at once. */
import { copyFile, mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { BaseHost } from '../base-host.ts';
import { readAdapterFile, WEIGHTS_FILE } from '../model/adapter-file.ts';
import type { Checkpoint } from '../model/checkpoint.ts';
import { copyCheckpoint, madeUpBatch } from '../testing/training.ts';
import type { Dataset } from '../train/data/dataset.ts';
import { TrainingSession } from '../train/training-session.ts';
import { type Adapters, Engine } from './engine.ts';
import { chooseRows, evaluate } from './evaluation.ts';

const ROWS = 9;
const LENGTH = 24;
/** Tokens of a row that are read only. */
const GIVEN = 6;

let checkpoint: Checkpoint;
let host: BaseHost;
let adapter: Adapters[number];

beforeAll(async () => {
  checkpoint = await copyCheckpoint('qwen3');
  const folder = await mkdtemp(join(tmpdir(), 'patchbay-evaluation-'));
  const source = join(checkpoint.folder, 'adapters/all-linear');
  await copyFile(join(source, WEIGHTS_FILE), join(folder, WEIGHTS_FILE));
  const config = JSON.parse(await readFile(join(source, 'adapter_config.json'), 'utf8'));
  adapter = { digest: 'a'.repeat(64), config, folder, weight: 1 };
  const limits = { maxRows: 4, maxWaiting: 1000, kvBytes: 2 ** 26, adapterBytes: 2 ** 26 };
  host = await BaseHost.open({ folder: checkpoint.folder, threads: 1, ...limits });
});
afterAll(async () => {
  await host.close();
  await rm(adapter.folder, { recursive: true });
  await rm(dirname(checkpoint.folder), { recursive: true });
});

function dataset(): Dataset {
  const { tokens } = madeUpBatch(1, ROWS, LENGTH);
  return {
    tokens,
    isTarget: Uint8Array.from(tokens, (_, i) => (i % LENGTH >= GIVEN && i % LENGTH !== 10 ? 1 : 0)),
    offsets: Float64Array.from({ length: ROWS + 1 }, (_, row) => row * LENGTH),
    lines: Int32Array.from({ length: ROWS }, (_, row) => row + 1),
    report: { examples: ROWS } as Dataset['report'],
  };
}

/** Mean loss of a token, by the training graph. */
async function lossInTraining(scale: number): Promise<number> {
  const modules = await readAdapterFile(
    join(adapter.folder, WEIGHTS_FILE),
    adapter.config,
    checkpoint.config,
  );
  const paths = modules.map(({ module }) => module);
  const session = await TrainingSession.open(checkpoint, { modules: paths }, { threads: 1 });
  const batch = madeUpBatch(1, ROWS, LENGTH);
  const { isTarget } = dataset();
  const weights = batch.weights.map((_, i) => ((i + 1) % LENGTH === 0 ? 0 : isTarget[i + 1]!));
  const matrices = modules.map((one) => [one.module, { ...one, scale: scale * one.scale }] as const);
  const [result] = await session.evaluate([
    { batch: { ...batch, weights }, targetWeight: 1, modules: new Map(matrices) },
  ]);
  await session.release();
  return result!.loss / result!.targets;
}

it('the loss is that of the training graph, for base and adapter', async () => {
  const rows = chooseRows(dataset());
  expect(rows).toHaveLength(ROWS);
  expect(rows[0]).toMatchObject({ line: 1, prompt: { length: GIVEN }, forced: { length: LENGTH - GIVEN } });
  const engine = new Engine(host, new AbortController().signal);
  const { loss, lossDifference, accuracy } = await evaluate(engine, [adapter], rows, 'publisher');
  expect(loss.base).toBeCloseTo(await lossInTraining(0), 4);
  expect(loss.adapter).toBeCloseTo(await lossInTraining(1), 4);
  expect(lossDifference.value).toBeCloseTo(loss.adapter - loss.base, 4);
  expect(accuracy.base.value).toBe(0);
});

it('an answer that is scored is not ended by an end token in it', async () => {
  const engine = new Engine(host, new AbortController().signal);
  const forced = [checkpoint.endTokens[0]!, 9, checkpoint.endTokens[0]!];
  expect(await engine.score([5, 6, 7], forced, [])).toHaveLength(3);
});

it('an answer that is broken off is no answer', async () => {
  const stop = new AbortController();
  const engine = new Engine(host, stop.signal);
  const scores = engine.score([5, 6, 7], Array<number>(60).fill(9), [adapter]);
  stop.abort(new Error('stopped'));
  await expect(scores).rejects.toThrow('stopped');
});
