/** Training jobs on the real engine: they learn, resume to the bit, and do not notice each other. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Checkpoint } from '../model/checkpoint.ts';
import { openPrepared } from '../model/prepared.ts';
import { SessionStepper } from '../serve/stepper.ts';
import { copyCheckpoint, madeUpBatch, openJob, stepOf } from '../testing/training.ts';
import { JobCheckpointError, restoreJob, saveJob } from './checkpoint.ts';
import { NotFiniteStep, type Step, type StepReport, type TrainingJob } from './job.ts';
import { targetModules } from './lora.ts';
import { TrainingSession } from './training-session.ts';

let checkpoint: Checkpoint;
let session: TrainingSession;

beforeAll(async () => {
  checkpoint = await copyCheckpoint('llama3');
  const modules = targetModules(checkpoint.config, ['all-linear']);
  session = await TrainingSession.open(checkpoint, { modules }, { threads: 2 });
});

afterAll(() => session.release());

/** Does one step of every job, all in the same passes. */
async function together(jobs: readonly TrainingJob[], steps: readonly Step[]): Promise<StepReport[]> {
  for (const [i, job] of jobs.entries()) job.begin(steps[i]!);
  const reports: StepReport[] = [];
  while (jobs.some((job) => job.isWithinStep)) {
    const results = await session.run(jobs.map((job) => job.group()));
    for (const [i, job] of jobs.entries()) {
      const report = job.receive(results[i]!);
      if (report) reports.push(report);
    }
  }
  return reports;
}

const alone = async (job: TrainingJob, step: Step) => (await together([job], [step]))[0]!;

const bytes = (job: TrainingJob) => Buffer.from(saveJob(job));

describe('a job', () => {
  it('learns', async () => {
    const job = openJob(checkpoint, 1);
    const reports = [];
    for (let i = 0; i < 30; i++) reports.push(await alone(job, stepOf(madeUpBatch(i % 5, 4, 32))));
    expect(reports[0]!.loss).toBeGreaterThan(5);
    expect(reports.at(-1)!.loss).toBeLessThan(0.75 * reports[0]!.loss);
    expect(reports.at(-1)!).toMatchObject({ step: 30, targets: 4 * 31 });
  });

  it('that was cut off and restored ends as one that was not, to the bit', async () => {
    const whole = openJob(checkpoint, 2);
    for (let i = 0; i < 6; i++) await alone(whole, stepOf(madeUpBatch(i, 2, 16)));
    const first = openJob(checkpoint, 2);
    for (let i = 0; i < 3; i++) await alone(first, stepOf(madeUpBatch(i, 2, 16)));
    const second = openJob(checkpoint, 77);
    restoreJob(second, saveJob(first));
    for (let i = 3; i < 6; i++) await alone(second, stepOf(madeUpBatch(i, 2, 16)));
    expect(bytes(second).equals(bytes(whole))).toBe(true);
  });

  it('is not restored from a file of another one', () => {
    const other = openJob(checkpoint, 3, { modules: ['attention'] });
    expect(() => restoreJob(openJob(checkpoint, 3), saveJob(other))).toThrow(JobCheckpointError);
    expect(() => restoreJob(openJob(checkpoint, 3), saveJob(openJob(checkpoint, 3, { rank: 8 })))).toThrow(
      /is missing, or of another size/,
    );
  });

  it('learns the same from micro-batches of any sizes as from one batch', async () => {
    const [left, right] = [madeUpBatch(1, 1, 32), madeUpBatch(2, 1, 32)];
    right.weights.fill(0, 8); // an uneven share of the targets
    const both = {
      ...left,
      rows: 2,
      ...(Object.fromEntries(
        (['tokens', 'positions', 'segments', 'targets'] as const).map((key) => [
          key,
          Int32Array.from([...left[key], ...right[key]]),
        ]),
      ) as Pick<typeof left, 'tokens' | 'positions' | 'segments' | 'targets'>),
      weights: Float32Array.from([...left.weights, ...right.weights]),
    };
    const [whole, parts] = [openJob(checkpoint, 4), openJob(checkpoint, 4)];
    const one = await alone(whole, stepOf(both));
    const two = await alone(parts, stepOf(left, right));
    expect(two.loss).toBeCloseTo(one.loss, 5);
    expect(two.gradientNorm).toBeCloseTo(one.gradientNorm, 4);
    expect(two).toMatchObject({ targets: one.targets, accuracy: one.accuracy });
  });

  it('stops at a loss that is no number, with what it had learnt intact', async () => {
    const job = openJob(checkpoint, 5);
    await alone(job, stepOf(madeUpBatch(1, 2, 16)));
    const before = bytes(job);
    job.begin(stepOf(madeUpBatch(2, 2, 16)));
    const [result] = await session.run([job.group()]);
    expect(() => job.receive({ ...result!, loss: Number.NaN })).toThrow(NotFiniteStep);
    expect(bytes(job).equals(before)).toBe(true);
  });

  it('ends as an adapter that serving computes the same loss with', async () => {
    const job = openJob(checkpoint, 6);
    for (let i = 0; i < 5; i++) await alone(job, stepOf(madeUpBatch(i, 2, 16)));
    const modules = [...job.modules].map(([module, { rank, scale, a, b }]) => ({
      module,
      rank,
      scale,
      a: a.slice(),
      b: b.slice(),
    }));
    const batch = madeUpBatch(9, 1, 16);
    const { loss } = await alone(job, stepOf(batch));

    const stepper = new SessionStepper(await openPrepared(checkpoint, 2), checkpoint.config, 2 ** 30);
    const sequence = stepper.open([{ adapter: { digest: 'trained', bytes: 0, modules }, weight: 1 }]);
    let sum = 0;
    for (let i = 0; i < 15; i++) {
      const logits = await stepper.prefill(sequence, [batch.tokens[i]!]);
      const highest = Math.max(...logits);
      const total = logits.reduce((all, logit) => all + Math.exp(logit - highest), 0);
      sum += highest + Math.log(total) - logits[batch.tokens[i + 1]!]!;
    }
    await stepper.release();
    expect(loss).toBeCloseTo(sum / 15, 4);
  });
});

describe('gradient checkpointing', () => {
  it('changes the memory and not what is learnt', async () => {
    const modules = targetModules(checkpoint.config, ['all-linear']);
    const frugal = await TrainingSession.open(
      checkpoint,
      { modules },
      {
        threads: 2,
        gradientCheckpointing: true,
      },
    );
    const job = openJob(checkpoint, 8);
    await alone(job, stepOf(madeUpBatch(1, 2, 32))); // so that B is not zero
    job.begin(stepOf(madeUpBatch(2, 2, 32)));
    const [[kept], [again]] = [await session.run([job.group()]), await frugal.run([job.group()])];
    await frugal.release();
    expect(again).toEqual(kept);
  });
});

describe('jobs that share a session', () => {
  it.each([
    ['of one rank', [4, 4, 4]],
    ['of different ranks', [4, 16, 2]],
  ])('%s are what each is alone, to the bit', async (_name, ranks) => {
    const data = (job: number, step: number) => stepOf(madeUpBatch(100 * job + step, 2, 32));
    const solo = ranks.map((rank, j) => openJob(checkpoint, j, { rank }));
    for (const [j, job] of solo.entries()) for (let i = 0; i < 4; i++) await alone(job, data(j, i));
    const shared = ranks.map((rank, j) => openJob(checkpoint, j, { rank }));
    for (let i = 0; i < 4; i++) {
      await together(
        shared,
        shared.map((_, j) => data(j, i)),
      );
    }
    for (const [j, job] of shared.entries())
      expect(bytes(job).equals(bytes(solo[j]!)), `job ${j}`).toBe(true);
  });
});
