/** Several drivers at once: whose steps share a pass, and that a bad batch is one job's own affair. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Checkpoint } from '../model/checkpoint.ts';
import { copyCheckpoint, madeUpBatch, openJob, stepOf } from '../testing/training.ts';
import { saveJob } from './checkpoint.ts';
import type { TrainingJob } from './job.ts';
import { targetModules } from './lora.ts';
import { Trainer } from './trainer.ts';
import { TrainingSession } from './training-session.ts';

let checkpoint: Checkpoint;
let session: TrainingSession;
/** Jobs in each pass so far. */
let passes: number[] = [];

beforeAll(async () => {
  checkpoint = await copyCheckpoint('qwen3');
  const modules = targetModules(checkpoint.config, ['all-linear']);
  session = await TrainingSession.open(checkpoint, { modules }, { threads: 2 });
  const run = session.run.bind(session);
  session.run = (groups) => {
    passes.push(groups.length);
    return run(groups);
  };
});

afterAll(() => session.release());

async function drive(trainer: Trainer, job: TrainingJob, seed: number, lengths: readonly number[]) {
  for (const [i, length] of lengths.entries())
    await trainer.step(job, stepOf(madeUpBatch(100 * seed + i, 1, length)));
}

const bytes = (job: TrainingJob) => Buffer.from(saveJob(job));

describe('a trainer', () => {
  it('lets steps of one shape share a pass, and others take turns', async () => {
    const trainer = new Trainer(session, 2048);
    const lengths = [
      [16, 16, 32],
      [16, 32, 32],
      [16, 16, 32],
    ];
    const jobs = lengths.map((_, j) => openJob(checkpoint, j));
    passes = [];
    await Promise.all(jobs.map((job, j) => drive(trainer, job, j, lengths[j]!)));
    expect(passes.slice(0, 2)).toEqual([3, 2]);
    expect(passes.reduce((sum, count) => sum + count, 0)).toBe(9);
    for (const [j, job] of jobs.entries()) {
      const solo = openJob(checkpoint, j);
      await drive(new Trainer(session, 2048), solo, j, lengths[j]!);
      expect(bytes(job).equals(bytes(solo)), `job ${j}`).toBe(true);
    }
  });

  it('keeps a pass within its tokens', async () => {
    const trainer = new Trainer(session, 40);
    passes = [];
    await Promise.all([1, 2, 3].map((seed) => drive(trainer, openJob(checkpoint, seed), seed, [16])));
    expect(passes).toEqual([2, 1]);
  });

  it('fails the job with a bad batch alone, at the step before', async () => {
    const trainer = new Trainer(session, 2048);
    const [good, bad] = [openJob(checkpoint, 1), openJob(checkpoint, 2)];
    const before = bytes(bad);
    const broken = madeUpBatch(1, 1, 16);
    broken.tokens[3] = 1_000_000; // no such token
    const [learnt, failed] = await Promise.allSettled([
      trainer.step(good, stepOf(madeUpBatch(1, 1, 16))),
      trainer.step(bad, stepOf(broken)),
    ]);
    expect(learnt.status).toBe('fulfilled');
    expect(failed.status).toBe('rejected');
    expect(bytes(bad).equals(before)).toBe(true);
    expect((await trainer.step(bad, stepOf(madeUpBatch(2, 1, 16)))).step).toBe(1);
  });

  it('evaluates without learning', async () => {
    const trainer = new Trainer(session, 2048);
    const job = openJob(checkpoint, 3);
    const never = new AbortController().signal;
    const held = [madeUpBatch(50, 2, 16), madeUpBatch(51, 1, 32)];
    const before = bytes(job);
    const first = (await trainer.evaluate(job, held, never))!;
    expect(bytes(job).equals(before)).toBe(true);
    const report = await trainer.step(job, stepOf(held[0]!));
    const again = (await trainer.evaluate(job, [held[0]!], never))!;
    expect(report.loss).toBeGreaterThan(again.loss); // a step on this very batch
    await drive(trainer, job, 1, Array<number>(15).fill(32));
    expect((await trainer.evaluate(job, held, never))!.loss).toBeLessThan(first.loss);
  });
});
