import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { BaseConfig } from '../../adapter/base-config.ts';
import { Sampling } from '../../functions/generate.ts';
import { Fault } from '../faults.ts';
import type { TokenTable } from '../model/token-table.ts';
import type { LoadedAdapter, WeightedAdapter } from './composition.ts';
import type { Grammar } from './grammars.ts';
import type { ChosenToken } from './sampling.ts';
import { BusyError, type Job, MOST_PASSES, Scheduler, type SchedulerLimits } from './scheduler.ts';
import type { Sequence, Stepper } from './stepper.ts';

const VOCABULARY = 24;
const END = 0;
const CHUNK = 4;

const table: TokenTable = {
  bytes: (id) => (id === END ? new Uint8Array(0) : Uint8Array.of(96 + id)),
  ownBytes: (id) => Uint8Array.of(96 + id),
};

class FakeSequence implements Sequence {
  readonly tokens: number[] = [];
  open = true;
  readonly adapters: string;

  constructor(adapters: string) {
    this.adapters = adapters;
  }

  get length(): number {
    return this.tokens.length;
  }
}

/** A model whose logits are a hash of the adapters and of everything read so far: any mix-up of rows changes the text. */
class FakeStepper implements Stepper {
  readonly config = { vocabSize: VOCABULARY, contextLength: 64 } as BaseConfig;
  readonly chunkTokens = CHUNK;
  /** What was done, one entry a step. */
  readonly steps: ({ prefill: number; of: string } | { decode: number })[] = [];
  readonly opened: FakeSequence[] = [];
  failOn: ((adapters: string) => boolean) | undefined;
  private readonly capacity: number;

  constructor(capacity = Number.POSITIVE_INFINITY) {
    this.capacity = capacity;
  }

  fits(sequences: readonly { length: number }[]): boolean {
    return sequences.length * Math.max(0, ...sequences.map(({ length }) => length)) <= this.capacity;
  }

  open(adapters: readonly WeightedAdapter[]): Sequence {
    const sequence = new FakeSequence(adapters.map(({ adapter, weight }) => adapter.digest + weight).join());
    this.opened.push(sequence);
    return sequence;
  }

  async prefill(sequence: FakeSequence, tokens: readonly number[]): Promise<Float32Array> {
    expect(tokens.length).toBeLessThanOrEqual(CHUNK);
    this.steps.push({ prefill: tokens.length, of: sequence.adapters });
    return this.read(sequence, tokens);
  }

  copy(from: FakeSequence, to: FakeSequence): void {
    expect([from.open, to.open, to.adapters, to.length]).toEqual([true, true, from.adapters, 0]);
    to.tokens.push(...from.tokens);
  }

  async decode(sequences: readonly FakeSequence[], tokens: readonly number[]): Promise<Float32Array[]> {
    expect(new Set(sequences).size).toBe(sequences.length);
    this.steps.push({ decode: sequences.length });
    await new Promise(setImmediate);
    return sequences.map((sequence, i) => this.read(sequence, [tokens[i]!]));
  }

  close(sequence: FakeSequence): void {
    expect(sequence.open).toBe(true);
    sequence.open = false;
  }

  async release(): Promise<void> {}

  private read(sequence: FakeSequence, tokens: readonly number[]): Float32Array {
    expect(sequence.open).toBe(true);
    sequence.tokens.push(...tokens);
    const held = this.opened.filter(({ open }) => open);
    expect(held.length === 1 || this.fits(held), 'the cache is overrun').toBe(true);
    if (this.failOn?.(sequence.adapters)) return new Float32Array(VOCABULARY).fill(Number.NaN);
    let state = 17;
    for (const char of sequence.adapters + sequence.tokens.join()) state = hash(state ^ char.codePointAt(0)!);
    return Float32Array.from({ length: VOCABULARY }, (_, id) => (hash(state ^ (id * 7919)) % 1000) / 250);
  }
}

function hash(value: number): number {
  let x = Math.imul(value ^ (value >>> 15), 0x2c1b3c6d);
  x = Math.imul(x ^ (x >>> 12), 0x297a2d39);
  return (x ^ (x >>> 15)) >>> 0;
}

const adapter = (digest: string): LoadedAdapter => ({ digest, bytes: 1, modules: [] });

const job = (overrides: Partial<Job> = {}, sampling: Partial<Sampling> = {}): Job => ({
  prompt: [1, 2, 3],
  adapters: [],
  sampling: Sampling.parse({ maxTokens: 8, ...sampling }),
  seed: 1,
  answer: 0,
  ...overrides,
});

interface Outcome {
  text: string;
  tokens: number[];
  ended: string | undefined;
}

function follow(jobs: readonly Job[]) {
  const outcomes: Outcome[] = jobs.map(() => ({ text: '', tokens: [], ended: undefined }));
  const answers = jobs.map((asked, i) => {
    const outcome = outcomes[i]!;
    const end = (how: string) => {
      expect(outcome.ended, 'an answer ends once').toBeUndefined();
      outcome.ended = how;
    };
    return {
      job: asked,
      progress: {
        delta: (text: string, tokens: readonly ChosenToken[]) => {
          expect(outcome.ended).toBeUndefined();
          outcome.text += text;
          outcome.tokens.push(...tokens.map(({ id }) => id));
        },
        finish: (reason: string, count: number) => end(`${reason} ${count}`),
        fail: (error: unknown) => end(`failed: ${(error as Error).message}`),
      },
    };
  });
  return { outcomes, answers };
}

const TENANTS = 7;
const ROOMY: SchedulerLimits = { contextLength: 64, maxRows: 4, maxWaiting: 1000 };

function schedulerOf(stepper: Stepper, limits: Partial<SchedulerLimits> = {}): Scheduler {
  return new Scheduler(stepper, table, [END], { ...ROOMY, ...limits });
}

async function alone(asked: Job): Promise<Outcome> {
  const scheduler = schedulerOf(new FakeStepper());
  const { outcomes, answers } = follow([asked]);
  scheduler.submit(answers);
  await scheduler.idle();
  return outcomes[0]!;
}

const turns = async (count: number) => {
  for (let i = 0; i < count; i++) await new Promise(setImmediate);
};

const anyJob: fc.Arbitrary<Job> = fc
  .record({
    prompt: fc.array(fc.integer({ min: 1, max: VOCABULARY - 1 }), { minLength: 1, maxLength: 14 }),
    names: fc.subarray(['a', 'b', 'c'], { maxLength: 2 }),
    seed: fc.nat(),
    answer: fc.nat(3),
    temperature: fc.constantFrom(0, 0.7, 1.5),
    topP: fc.constantFrom(1, 0.8),
    frequencyPenalty: fc.constantFrom(0, 1),
    maxTokens: fc.option(fc.nat(20), { nil: undefined }),
    stop: fc.subarray(['b', 'ca', 'gg']),
  })
  .map(({ prompt, names, seed, answer, ...sampling }) =>
    job(
      { prompt, seed, answer, adapters: names.map((name) => ({ adapter: adapter(name), weight: 1 })) },
      sampling,
    ),
  );

describe('an answer is the same whatever it shares the runner with', () => {
  it.each([
    ['a roomy cache', Number.POSITIVE_INFINITY],
    ['a cache for a few', 150],
    ['a cache for one alone', 64],
  ])('%s, answers that come, end and are cancelled at any time', async (_name, capacity) => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(
          fc.record({
            asked: anyJob,
            n: fc.integer({ min: 1, max: 3 }),
            after: fc.nat(6),
            cancelAfter: fc.option(fc.nat(30), { nil: undefined }),
          }),
          { minLength: 1, maxLength: 10 },
        ),
        async (requests) => {
          const stepper = new FakeStepper(capacity);
          const scheduler = schedulerOf(stepper);
          const served = [];
          for (const { asked, n, after, cancelAfter } of requests) {
            await turns(after);
            const jobs = Array.from({ length: n }, (_, i) => ({ ...asked, answer: asked.answer + i }));
            const { outcomes, answers } = follow(jobs);
            const cancel = scheduler.submit(answers);
            if (cancelAfter !== undefined) void turns(cancelAfter).then(cancel);
            for (const [i, asked] of jobs.entries())
              served.push({ asked, outcome: outcomes[i]!, cancelled: cancelAfter !== undefined });
          }
          await scheduler.idle();
          await turns(31);
          for (const { asked, outcome, cancelled } of served) {
            const expected = await alone(asked);
            if (outcome.ended || !cancelled) expect(outcome).toEqual(expected);
            else expect(expected.text.startsWith(outcome.text)).toBe(true);
          }
          expect(stepper.opened.every(({ open }) => !open)).toBe(true);
          expect([scheduler.running, scheduler.queued]).toEqual([0, 0]);
        },
      ),
      { numRuns: 150 },
    );
  });
});

it('answers that outgrow the cache give way, youngest first, and say the same in the end', async () => {
  const long = { temperature: 1, maxTokens: 400, logitBias: { [END]: -100 }, frequencyPenalty: 0.5 };
  const jobs = ['a', 'b', 'c', 'd'].map((name, seed) =>
    job({ seed, adapters: [{ adapter: adapter(name), weight: 1 }] }, long),
  );
  const stepper = new FakeStepper(810);
  const scheduler = schedulerOf(stepper, { contextLength: 600 });
  const { outcomes, answers } = follow(jobs);
  scheduler.submit(answers);
  await scheduler.idle();
  const opened = (name: string) => stepper.opened.filter(({ adapters }) => adapters === `${name}1`).length;
  expect(['a', 'b', 'c', 'd'].map(opened)).toEqual([1, 1, 2, 1]);
  for (const [i, asked] of jobs.entries()) {
    const apart = schedulerOf(new FakeStepper(), { contextLength: 600 });
    const expected = follow([asked]);
    apart.submit(expected.answers);
    await apart.idle();
    expect(outcomes[i]).toEqual(expected.outcomes[0]);
    expect(outcomes[i]!.ended).toBe('length 400');
  }
});

it('answers of one request read its prompt once, and say what each says alone', async () => {
  const asked = job({ prompt: Array.from({ length: 3 * CHUNK }, (_, i) => 1 + i) }, { logitBias: { 5: 2 } });
  const jobs = [0, 1, 2].map((answer) => ({ ...asked, answer }));
  const stepper = new FakeStepper();
  const scheduler = schedulerOf(stepper);
  const { outcomes, answers } = follow(jobs);
  scheduler.submit(answers);
  await scheduler.idle();
  expect(stepper.steps.filter((step) => 'prefill' in step)).toHaveLength(3);
  for (const [i, asked] of jobs.entries()) expect(outcomes[i]).toEqual(await alone(asked));
});

describe('the queue', () => {
  it('takes prompts in the order they came', async () => {
    const stepper = new FakeStepper();
    const scheduler = schedulerOf(stepper, { maxRows: 2 });
    const named = ['a', 'b', 'c', 'd'].map((name) =>
      job({ adapters: [{ adapter: adapter(name), weight: 1 }] }),
    );
    scheduler.submit(follow(named).answers);
    await scheduler.idle();
    const order = stepper.steps.flatMap((step) => ('prefill' in step ? [step.of] : []));
    expect(order).toEqual(['a1', 'b1', 'c1', 'd1']);
  });

  it('decodes no more answers together than allowed', async () => {
    const stepper = new FakeStepper();
    const scheduler = schedulerOf(stepper, { maxRows: 3 });
    scheduler.submit(follow(Array.from({ length: 9 }, (_, answer) => job({ answer }))).answers);
    await scheduler.idle();
    expect(Math.max(...stepper.steps.map((step) => ('decode' in step ? step.decode : 0)))).toBe(3);
  });

  it('is bounded: all answers of a request are taken, or none', async () => {
    const scheduler = schedulerOf(new FakeStepper(), { maxRows: 2, maxWaiting: 3 });
    const { outcomes, answers } = follow([job(), job()]);
    scheduler.submit(answers);
    expect(() => scheduler.submit(follow(Array.from({ length: 4 }, () => job())).answers)).toThrow(BusyError);
    scheduler.submit(follow(Array.from({ length: 3 }, () => job())).answers);
    expect(() => scheduler.submit(follow([job()]).answers)).toThrow(BusyError);
    await scheduler.idle();
    expect(outcomes.every(({ ended }) => ended)).toBe(true);
    scheduler.submit(follow([job()]).answers); // there is room again
    await scheduler.idle();
  });

  it.each([
    ['of one tenant', () => undefined],
    ['of many', (i: number) => `tenant ${i % TENANTS}`],
  ])('lets answers %s pass one that does not fit yet, a bounded number of them', async (_name, tenantOf) => {
    const endless = { temperature: 0, logitBias: { [END]: -100 } };
    const named = (name: string, asked: Partial<Job>, maxTokens?: number) =>
      job({ adapters: [{ adapter: adapter(name), weight: 1 }], ...asked }, { ...endless, maxTokens });
    const small = (_: unknown, i: number) => named('small', { tenant: tenantOf(i) }, 3 + (i % 5));
    const stepper = new FakeStepper(150);
    const scheduler = schedulerOf(stepper);
    const large = named('large', { tenant: tenantOf(0) });
    const { answers, outcomes } = follow([
      ...Array.from({ length: 3 }, small),
      large,
      ...Array.from({ length: 100 }, small),
    ]);
    for (const answer of answers) scheduler.submit([answer]);
    await scheduler.idle();
    const begun = stepper.steps.flatMap((step) => ('prefill' in step ? [step.of] : [])).indexOf('large1');
    expect(begun).toBeGreaterThan(3 + 4);
    // Its turn comes when each of the others has had one.
    expect(begun).toBeLessThanOrEqual(3 + TENANTS + MOST_PASSES);
    expect(outcomes[3]).toEqual(await alone(large));
  });

  it('serves a tenant with one request within a batch of one that floods', async () => {
    const scheduler = schedulerOf(new FakeStepper(), { maxRows: 4 });
    const endless = { temperature: 0, logitBias: { [END]: -100 } };
    const flood = follow(Array.from({ length: 50 }, () => job({ tenant: 'flood' }, endless)));
    for (const answer of flood.answers) scheduler.submit([answer]);
    await turns(2);
    const single = follow([job({ tenant: 'single' }, endless)]);
    const finished: number[] = [];
    const { finish } = single.answers[0]!.progress;
    single.answers[0]!.progress.finish = (reason, count) => {
      finish(reason, count);
      finished.push(flood.outcomes.filter(({ ended }) => ended).length);
    };
    scheduler.submit(single.answers);
    await scheduler.idle();
    // The batch that ran when it came, and those that ended together with it.
    expect(finished[0]).toBeLessThanOrEqual(8);
    expect(flood.outcomes.every(({ ended }) => ended)).toBe(true);
  });

  it('leaves places to wait in for other tenants', () => {
    const scheduler = schedulerOf(new FakeStepper(), { maxRows: 1, maxWaiting: 20 });
    let taken = 0;
    const submit = (tenant: string) => scheduler.submit(follow([job({ tenant })]).answers);
    expect(() => {
      for (; ; taken++) submit('flood');
    }).toThrow(BusyError);
    expect(taken).toBeGreaterThanOrEqual(16);
    submit('single');
    submit('another');
    return scheduler.idle();
  });

  it('knows how long an answer takes', async () => {
    const scheduler = schedulerOf(new FakeStepper());
    expect(scheduler.answerSeconds).toBeUndefined();
    scheduler.submit(follow([job()]).answers);
    await scheduler.idle();
    expect(scheduler.answerSeconds).toBeGreaterThan(0);
  });

  it('a long prompt delays running answers by one chunk at a time', async () => {
    const stepper = new FakeStepper();
    const scheduler = schedulerOf(stepper);
    const { answers } = follow([job({}, { maxTokens: 40, temperature: 0, logitBias: { [END]: -100 } })]);
    scheduler.submit(answers);
    await turns(6);
    const from = stepper.steps.length;
    scheduler.submit(follow([job({ prompt: Array.from({ length: 30 }, () => 5) })]).answers);
    await scheduler.idle();
    const kinds = stepper.steps
      .slice(from)
      .map((step) => ('prefill' in step ? 'p' : 'd'))
      .join('');
    expect(kinds).toContain('pdpdpdpd');
    expect(kinds).not.toContain('pp');
  });
});

describe('an answer ends', () => {
  const greedy = { temperature: 0, maxTokens: undefined, logitBias: { [END]: -100 } };

  it('at its limit, which counts tokens', async () => {
    expect(await alone(job({}, { ...greedy, maxTokens: 5 }))).toMatchObject({ ended: 'length 5' });
    expect(await alone(job({}, { ...greedy, maxTokens: 0 }))).toMatchObject({ ended: 'length 0', text: '' });
  });

  it('when the context is full', async () => {
    expect(await alone(job({ prompt: [1, 2, 3] }, greedy))).toMatchObject({ ended: 'length 61' });
  });

  it('at an end token, which is counted and not shown', async () => {
    const { text, ended } = await alone(job({}, { temperature: 0, logitBias: { [END]: 100 } }));
    expect({ text, ended }).toEqual({ text: '', ended: 'stop 1' });
  });

  it('at a stop string, which is not shown', async () => {
    const free = await alone(job({}, { ...greedy, maxTokens: 12 }));
    const stop = free.text.slice(4, 6);
    const stopped = await alone(job({}, { ...greedy, stop: [stop] }));
    expect(stopped.text).toBe(free.text.slice(0, free.text.indexOf(stop)));
    expect(stopped.ended).toBe(`stop ${stopped.text.length + 2}`);
  });
});

describe('trouble stays where it is', () => {
  it('logits that are not numbers fail their own answer only', async () => {
    const stepper = new FakeStepper();
    stepper.failOn = (adapters) => adapters === 'bad1';
    const scheduler = schedulerOf(stepper);
    const good = job();
    const { outcomes, answers } = follow([job({ adapters: [{ adapter: adapter('bad'), weight: 1 }] }), good]);
    scheduler.submit(answers);
    await scheduler.idle();
    expect(outcomes[0]!.ended).toMatch(/failed: .*overflow/);
    expect(outcomes[1]).toEqual(await alone(good));
  });

  it('a step that fails ends the answers in it, and the next ones are served', async () => {
    const stepper = new FakeStepper();
    const scheduler = schedulerOf(stepper);
    stepper.decode = () => Promise.reject(new Error('out of memory'));
    const { outcomes, answers } = follow([job(), job()]);
    scheduler.submit(answers);
    await scheduler.idle();
    expect(outcomes.map(({ ended }) => ended)).toEqual(['failed: out of memory', 'failed: out of memory']);
    Reflect.deleteProperty(stepper, 'decode');
    const next = follow([job()]);
    scheduler.submit(next.answers);
    await scheduler.idle();
    expect(next.outcomes[0]!.ended).toBeDefined();
  });

  it('a cancelled answer leaves before the next step', async () => {
    const stepper = new FakeStepper();
    const scheduler = schedulerOf(stepper);
    const endless = { temperature: 0, maxTokens: 50, logitBias: { [END]: -100 } };
    const { outcomes, answers } = follow([job({}, endless)]);
    const cancel = scheduler.submit(answers);
    await turns(10);
    const before = stepper.steps.length;
    cancel();
    await scheduler.idle();
    expect(stepper.steps.length - before).toBeLessThanOrEqual(1);
    expect(outcomes[0]!.ended).toBeUndefined();
  });
});

/** Allows one letter in three, and says which some turns after it was asked. */
class LateGrammar implements Grammar {
  allowed: Int32Array | undefined;
  failure: Fault | undefined;
  settled: Promise<void> = Promise.resolve();
  readonly tokens: number[] = [];
  closed = 0;
  private readonly late: number;
  private readonly failAfter: number;

  constructor(late: number, failAfter = Number.POSITIVE_INFINITY) {
    this.late = late;
    this.failAfter = failAfter;
    this.ask();
  }

  took(token: number): void {
    expect(this.allowed, 'nobody goes on before it is known').toBeDefined();
    expect((this.allowed![0]! >>> token) & 1).toBe(1);
    this.tokens.push(token);
    this.allowed = undefined;
    this.ask();
  }

  close(): void {
    this.closed++;
  }

  private ask(): void {
    const count = this.tokens.length;
    this.settled = turns(this.late).then(() => {
      if (count >= this.failAfter) this.failure = new Fault('invalid_request', 'no more', 'response_format');
      else this.allowed = Int32Array.of(0b001001001001001001001001 << (count % 3));
    });
  }
}

describe('an answer with a grammar', () => {
  const held = (late: number, overrides: Partial<Job> = {}, failAfter?: number) => {
    const grammars: LateGrammar[] = [];
    const openGrammar = () => {
      grammars.push(new LateGrammar(late, failAfter));
      return grammars.at(-1)!;
    };
    const sampling = { maxTokens: 12, temperature: 1, logitBias: { [END]: -3 } };
    return { grammars, asked: job({ openGrammar, ...overrides }, sampling) };
  };

  it('says the same however late the grammar is, and holds nobody up', async () => {
    const expected = await alone(held(0).asked);
    const free = await alone(job({ seed: 5 }));
    for (const late of [0, 1, 3, 10]) {
      const { asked, grammars } = held(late);
      expect(await alone(asked)).toEqual(expected);
      expect(grammars.map(({ closed }) => closed)).toEqual([1]);
      const stepper = new FakeStepper();
      const scheduler = schedulerOf(stepper);
      const { outcomes, answers } = follow([held(late).asked, job({ seed: 5 })]);
      scheduler.submit(answers);
      await scheduler.idle();
      expect(outcomes).toEqual([expected, free]);
    }
    const token = (id: number) => expected.tokens[id]! % 3;
    expect(expected.tokens.map((_, i) => token(i))).toEqual(expected.tokens.map((_, i) => i % 3));
  });

  it('is interrupted and goes on as if nothing had been, telling no token twice', async () => {
    const jobs = [0, 1, 2, 3].map((seed) => {
      const { asked, grammars } = held(2, { seed, adapters: [{ adapter: adapter(`${seed}`), weight: 1 }] });
      return {
        asked: { ...asked, sampling: { ...asked.sampling, maxTokens: 400, logitBias: { [END]: -100 } } },
        grammars,
      };
    });
    const limits = { contextLength: 600 };
    const stepper = new FakeStepper(810);
    const scheduler = schedulerOf(stepper, limits);
    const { outcomes, answers } = follow(jobs.map(({ asked }) => asked));
    scheduler.submit(answers);
    await scheduler.idle();
    expect(stepper.opened.length).toBeGreaterThan(4);
    for (const [i, { grammars }] of jobs.entries()) {
      expect(outcomes[i]!.ended).toBe('length 400');
      expect(grammars.map(({ closed }) => closed)).toEqual([1]);
      expect(grammars[0]!.tokens).toEqual(outcomes[i]!.tokens.slice(0, -1));
    }
  });

  it('closes it when it fails, or is cancelled, at any time', async () => {
    const failing = held(1, {}, 3);
    expect((await alone(failing.asked)).ended).toBe('failed: no more');
    expect(failing.grammars.map(({ closed }) => closed)).toEqual([1]);
    for (let after = 0; after < 30; after++) {
      const scheduler = schedulerOf(new FakeStepper());
      const { asked, grammars } = held(4);
      const cancel = scheduler.submit(follow([asked]).answers);
      await turns(after);
      cancel();
      await scheduler.idle();
      expect(grammars.every(({ closed }) => closed === 1)).toBe(true);
    }
  });

  it('that waits for it alone lets others in, and can be cancelled', async () => {
    const scheduler = schedulerOf(new FakeStepper());
    const never = { allowed: undefined, failure: undefined, settled: new Promise<void>(() => undefined) };
    const openGrammar = () => ({ ...never, took: () => undefined, close: () => undefined });
    const cancel = scheduler.submit(follow([job({ openGrammar })]).answers);
    await turns(10);
    const { outcomes, answers } = follow([job()]);
    scheduler.submit(answers);
    await turns(60);
    expect(outcomes[0]!.ended).toBeDefined();
    cancel();
    await scheduler.idle();
  });
});
