/** The training engine beside PEFT itself, where a Python with it is at hand (PATCHBAY_PYTHON, else python3). */
import { execFile, spawnSync } from 'node:child_process';
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import { readAdapterFile, WEIGHTS_FILE } from '../gpu-runner/model/adapter-file.ts';
import type { Checkpoint } from '../gpu-runner/model/checkpoint.ts';
import { largestDifference, openStepper, PARITY_NAMES } from '../gpu-runner/testing/parity.ts';
import { copyCheckpoint, madeUpBatch, openJob, stepOf } from '../gpu-runner/testing/training.ts';
import { adapterConfig, adapterWeights } from '../gpu-runner/train/lora.ts';
import { Trainer } from '../gpu-runner/train/trainer.ts';
import { TrainingSession } from '../gpu-runner/train/training-session.ts';

const fixtures = fileURLToPath(new URL('./fixtures', import.meta.url));
const python = process.env['PATCHBAY_PYTHON'] ?? 'python3';
const hasPeft = spawnSync(python, ['-c', 'import torch, transformers, peft']).status === 0;
const run = (...args: string[]) => promisify(execFile)(python, args, { cwd: fixtures, maxBuffer: 2 ** 26 });

const STEPS = 20;
const PROMPT = [7, 52, 110, 33, 9, 201];
const TOLERANCE = 1e-4;

/** Trains all linears, and writes the adapter as a job does. */
async function train(checkpoint: Checkpoint, folder: string): Promise<Record<string, unknown>> {
  const job = openJob(checkpoint, 1);
  const modules = [...job.modules.keys()];
  const session = await TrainingSession.open(checkpoint, { modules }, { threads: 1 });
  const trainer = new Trainer(session, 256);
  for (let i = 0; i < STEPS; i++) await trainer.step(job, stepOf(madeUpBatch(i, 2, 16)));
  await session.release();
  const lora = { rank: 4, alpha: 8, rankPattern: {}, alphaPattern: {}, rsLora: false, dora: false };
  const config = adapterConfig(checkpoint.config, 'test/base', modules, lora);
  await mkdir(folder);
  await writeFile(join(folder, 'adapter_config.json'), JSON.stringify(config));
  await writeFile(join(folder, WEIGHTS_FILE), adapterWeights(job.modules));
  return config;
}

async function logitsHere(
  checkpoint: Checkpoint,
  folder: string,
  config: Record<string, unknown>,
): Promise<Float32Array> {
  const modules = await readAdapterFile(join(folder, WEIGHTS_FILE), config, checkpoint.config);
  const stepper = await openStepper(checkpoint);
  const sequence = stepper.open([{ adapter: { digest: 'trained', bytes: 0, modules }, weight: 1 }]);
  const logits = await stepper.prefill(sequence, PROMPT);
  stepper.close(sequence);
  await stepper.release();
  return logits;
}

describe.skipIf(!hasPeft)('beside PEFT', { timeout: 240_000 }, () => {
  it.each(PARITY_NAMES)('an adapter trained on %s gives the same logits there', async (name) => {
    const checkpoint = await copyCheckpoint(name);
    const folder = join(dirname(checkpoint.folder), 'adapter');
    const config = await train(checkpoint, folder);
    const here = await logitsHere(checkpoint, folder, config);
    const { stdout } = await run('peft_logits.py', checkpoint.folder, folder, PROMPT.join());
    const there = Float32Array.from(JSON.parse(stdout) as number[]);
    expect(largestDifference(here, there)).toBeLessThan(TOLERANCE);
    await rm(dirname(checkpoint.folder), { recursive: true });
  });

  it('the training fixtures are what PEFT makes of them today', async () => {
    await run('make-training.py', '--check');
  });
});
