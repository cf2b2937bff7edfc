/** A job that is called away wherever it is, or whose runner dies, ends as one that was not, to the bit. */
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { HeartbeatAnswer } from '../../functions/train.ts';
import type { Checkpoint } from '../model/checkpoint.ts';
import { copyCheckpoint, madeUpBatch, openJob, stepOf } from '../testing/training.ts';
import { type Files, type JobFacts, LeasedJob } from './leased-job.ts';
import { targetModules } from './lora.ts';
import { Trainer } from './trainer.ts';
import { TrainingSession } from './training-session.ts';

const STEPS = 6;
const HELD_OUT = 3;

let checkpoint: Checkpoint;
let session: TrainingSession;
let whole: Run;

interface Run {
  readonly finished: boolean;
  readonly weights: Uint8Array;
  readonly facts: JobFacts;
  readonly messages: readonly string[];
  readonly kept: readonly Kept[];
}

interface Kept {
  readonly step: number;
  readonly files: Files;
}

beforeAll(async () => {
  checkpoint = await copyCheckpoint('llama3');
  const modules = targetModules(checkpoint.config, ['attention']);
  session = await TrainingSession.open(checkpoint, { modules }, { threads: 1 });
  whole = await run();
});

afterAll(() => session.release());
afterEach(() => vi.restoreAllMocks());

async function run(
  from?: Files,
  leave = new AbortController().signal,
  action: HeartbeatAnswer['action'] = 'continue',
  { maxSeconds = Number.POSITIVE_INFINITY, kept = [] }: { maxSeconds?: number; kept?: Kept[] } = {},
): Promise<Run> {
  const { modules: initial, settings } = openJob(checkpoint, 1, { modules: ['attention'] });
  const messages: string[] = [];
  const job = new LeasedJob({
    leaseId: 'lease',
    plan: {
      config: {},
      dora: false,
      modules: [...initial.keys()],
      initial,
      settings,
      steps: STEPS,
      evaluateEvery: 2,
      saveEvery: 100,
      patience: undefined,
    },
    data: {
      stepAfter: (done) => stepOf(madeUpBatch(done, 1, 16)),
      linesAfter: () => [],
      validation: Array.from({ length: HELD_OUT }, (_, i) => madeUpBatch(100 + i, 1, 16)),
    },
    engine: { version: 1, provider: 'cpu', threads: 1, maxTokens: 512 },
    trainer: new Trainer(session, 512),
    client: {
      async checkpoint(_lease, { step }, files) {
        kept.push({ step, files: new Map([...files].map(([path, bytes]) => [path, bytes.slice()])) });
      },
    },
    reporter: {
      action,
      progress: {},
      check: () => undefined,
      event: () => undefined,
      flush: async () => undefined,
      message: (message) => messages.push(message),
    },
    samples: undefined,
    filesOf: (weights) => new Map([['adapter_model.safetensors', weights]]),
    maxSeconds,
  });
  if (from) job.restore(from);
  const finished = await job.run(leave);
  return { finished, weights: job.weights, facts: job.facts, messages, kept };
}

/** A signal that is aborted while the batch is read that is held out and read as the nth. */
function duringEvaluation(nth: number): AbortSignal {
  const called = new AbortController();
  const evaluate = session.evaluate.bind(session);
  let count = 0;
  vi.spyOn(session, 'evaluate').mockImplementation((groups) => {
    if (++count === nth) called.abort();
    return evaluate(groups);
  });
  return called.signal;
}

function expectSame(last: Run): void {
  expect(last.finished).toBe(true);
  expect(Buffer.from(last.weights).equals(whole.weights)).toBe(true);
  expect(last.facts).toEqual(whole.facts);
}

describe('a job that is called away', () => {
  it.each([
    ['after the second step', HELD_OUT + 2, 2],
    ['with its last batch, after the second step', 2 * HELD_OUT, 2],
    ['after the last step', 3 * HELD_OUT + 1, STEPS],
  ])('while it is measured %s keeps where it is, and is measured elsewhere', async (_when, nth, step) => {
    const first = await run(undefined, duringEvaluation(nth));
    expect(first.finished).toBe(false);
    expect(first.kept.map((one) => one.step)).toEqual([step]);
    vi.restoreAllMocks();
    const second = await run(first.kept[0]!.files);
    expectSame(second);
    expect([...first.messages, ...second.messages.slice(1)]).toEqual(whole.messages);
  });

  it('while it is measured before its first step has nothing to keep', async () => {
    const { finished, kept, messages } = await run(undefined, duringEvaluation(1));
    expect({ finished, kept, messages }).toEqual({ finished: false, kept: [], messages: [] });
    expect(session.evaluate).toHaveBeenCalledTimes(1);
  });

  it('before it begins does nothing', async () => {
    const evaluate = vi.spyOn(session, 'evaluate');
    expect((await run(undefined, AbortSignal.abort())).finished).toBe(false);
    expect(evaluate).not.toHaveBeenCalled();
  });

  it('because it was cancelled is not kept', async () => {
    const { finished, kept } = await run(undefined, duringEvaluation(HELD_OUT + 1), 'cancel');
    expect({ finished, kept }).toEqual({ finished: false, kept: [] });
  });
});

describe('a job that takes long', () => {
  it('is kept by the clock, too, and ends the same from each of its checkpoints', async () => {
    let now = 0;
    vi.spyOn(performance, 'now').mockImplementation(() => {
      now += 3 * 60_000;
      return now;
    });
    const slow = await run();
    vi.restoreAllMocks();
    expectSame(slow);
    expect(slow.kept.length).toBeGreaterThan(2);
    for (const { files } of slow.kept) expectSame(await run(files));
  });

  it('longer than it may, under all its leases together, is kept and ends', async () => {
    const minutesEach = (minutes: number) => {
      let now = 0;
      vi.spyOn(performance, 'now').mockImplementation(() => {
        now += minutes * 60_000;
        return now;
      });
    };
    const kept: Kept[] = [];
    const may = { maxSeconds: 3600, kept };
    minutesEach(1);
    const left = new AbortController();
    vi.spyOn(session, 'run').mockImplementationOnce((groups) => {
      left.abort();
      vi.mocked(session.run).mockRestore();
      return session.run(groups);
    });
    expect((await run(undefined, left.signal, 'continue', may)).finished).toBe(false);
    const [first] = kept;
    expect(first!.step).toBe(1);
    vi.restoreAllMocks();
    expect((await run(first!.files, undefined, 'continue', may)).finished).toBe(true);
    minutesEach(10);
    const late = run(first!.files, undefined, 'continue', may);
    await expect(late).rejects.toMatchObject({
      code: 'took_too_long',
      message: expect.stringMatching(/may take 1 hour\. Step \d is kept as a checkpoint/),
    });
    const { step, files } = kept.at(-1)!;
    expect(step).toBeGreaterThan(1);
    await expect(run(files, undefined, 'continue', may)).rejects.toMatchObject({ code: 'took_too_long' });
  });

  it('is kept at its end alone where it takes no time', () => {
    expect(whole.kept.map(({ step }) => step)).toEqual([STEPS]);
  });
});
