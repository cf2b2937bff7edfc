import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { ReproduceEvent } from '../../functions/reproduce.ts';
import { TaskRefusal } from '../../functions/tasks.ts';
import type { TrainRunnerConfig } from '../config.ts';
import type { Downloads } from '../downloads.ts';
import { copyCheckpoint } from '../testing/training.ts';
import { engineOf } from '../train/engine-facts.ts';
import { TrainerPool } from '../train/trainer-pool.ts';
import { trainAgain } from './training-again.ts';

const SETTINGS = { threads: 1, maxTokens: 64, packedWeights: false };
const digest = '0'.repeat(64);

let folder: string;
let downloads: Downloads;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'patchbay-again-'));
  const rows = join(folder, 'rows.jsonl');
  await writeFile(rows, Array.from({ length: 4 }, (_, i) => `{"text":"row ${i} of some"}`).join('\n'));
  const checkpoint = await copyCheckpoint('smollm2');
  downloads = { base: async () => checkpoint.folder, data: async () => rows } as unknown as Downloads;
});

afterAll(() => rm(folder, { recursive: true }));

function again(maxBytes: number, pool = new TrainerPool({ maxTokens: 64, maxBytes })): Promise<unknown> {
  const file = { path: 'rows.jsonl', size: 1, sha256: digest, url: 'http://localhost/rows' };
  const event: ReproduceEvent = {
    base: { id: 'test/base', digest, files: [] },
    trainingFile: file,
    hyperparameters: { n_epochs: 1 },
    seed: 1,
    before: {
      files: [{ path: 'adapter_model.safetensors', sha256: digest }],
      engine: engineOf(SETTINGS),
      decided: {},
    },
  };
  const config = { ...SETTINGS, maxBytes } as unknown as TrainRunnerConfig;
  const context = { signal: new AbortController().signal, report: () => undefined };
  return trainAgain(event, { config, downloads, pool, leaseId: 'lease' }, context).catch(
    (error: unknown) => error,
  );
}

const refused = {
  code: 'out_of_memory',
  message: expect.stringMatching(
    /^It needs more memory to be trained again than there is here: .*\. A runner with more can\.$/,
  ),
};

it('what needs more memory than there is, by its plan, is refused', async () => {
  const error = await again(1000);
  expect(error).toBeInstanceOf(TaskRefusal);
  expect((error as TaskRefusal).failure).toEqual(refused);
});

it('so is what turns out to need more', async () => {
  const pool = {
    hold: () => Promise.reject(new Error('told by a thread', { cause: 'Failed to allocate memory' })),
  };
  const error = await again(2 ** 33, pool as unknown as TrainerPool);
  expect(error).toBeInstanceOf(TaskRefusal);
  expect((error as TaskRefusal).failure).toEqual(refused);
});
