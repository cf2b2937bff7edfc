/** The scheduler on the real engine: requests that come and go at random get the very tokens they get alone. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Sampling } from '../../functions/generate.ts';
import { readTokenTable, type TokenTable } from '../model/token-table.ts';
import { openParity, type ParityModel } from '../testing/parity.ts';
import type { WeightedAdapter } from './composition.ts';
import { type Job, type Progress, Scheduler } from './scheduler.ts';
import type { Stepper } from './stepper.ts';

const MIXES: readonly Readonly<Record<string, number>>[] = [
  {},
  { 'all-linear': 1 },
  { patterns: 1 },
  { 'all-linear': 0.7, second: 0.3 },
];

let model: ParityModel;
let table: TokenTable;
let mixes: WeightedAdapter[][];
beforeAll(async () => {
  model = await openParity('llama3');
  const tokenizer = await readFile(join(model.checkpoint.folder, 'tokenizer.json'), 'utf8');
  table = readTokenTable(JSON.parse(tokenizer));
  mixes = await Promise.all(MIXES.map((weights) => model.adapters(weights)));
});
afterAll(() => model.stepper.release());

const anyRequest = fc.record({
  mix: fc.nat(MIXES.length - 1),
  prompt: fc.array(fc.integer({ min: 3, max: 300 }), { minLength: 1, maxLength: 200 }),
  maxTokens: fc.integer({ min: 1, max: 24 }),
  temperature: fc.constantFrom(0, 1),
  seed: fc.nat(),
  n: fc.integer({ min: 1, max: 2 }),
  after: fc.nat(8),
  cancelAfter: fc.option(fc.nat(40), { nil: undefined }),
});
type Request = typeof anyRequest extends fc.Arbitrary<infer T> ? T : never;

interface Outcome {
  text: string;
  /** Each token with its log-probability: equal numbers are equal bits. */
  tokens: (number | undefined)[][];
  ended: string | undefined;
}

function schedulerOn(stepper: Stepper, endTokens = model.checkpoint.endTokens): Scheduler {
  const limits = { contextLength: model.checkpoint.config.contextLength, maxRows: 6, maxWaiting: 100 };
  return new Scheduler(stepper, table, endTokens, limits);
}

const answersOf = ({ n }: Request) => Array.from({ length: n }, (_, answer) => answer);

function submit(scheduler: Scheduler, request: Request, answers = answersOf(request)) {
  const { mix, prompt, seed, maxTokens, temperature } = request;
  const sampling = Sampling.parse({ temperature, maxTokens, topLogprobs: 0 });
  const asked = answers.map((answer) => {
    const job: Job = { prompt, adapters: mixes[mix]!, sampling, seed, answer };
    const outcome: Outcome = { text: '', tokens: [], ended: undefined };
    const progress: Progress = {
      delta: (text, tokens) => {
        outcome.text += text;
        outcome.tokens.push(...tokens.map(({ id, logprob }) => [id, logprob]));
      },
      finish: (reason) => {
        outcome.ended = reason;
      },
      fail: (error) => {
        outcome.ended = String(error);
      },
    };
    return { job, progress, outcome };
  });
  return { outcomes: asked.map(({ outcome }) => outcome), cancel: scheduler.submit(asked) };
}

async function alone(request: Request, answer = 0, endTokens?: readonly number[]): Promise<Outcome> {
  const scheduler = schedulerOn(model.stepper, endTokens);
  const { outcomes } = submit(scheduler, request, [answer]);
  await scheduler.idle();
  return outcomes[0]!;
}

/** @param places of all sequences together */
const roomFor =
  (places: number): Stepper['fits'] =>
  (sequences) =>
    sequences.length * Math.max(...sequences.map(({ length }) => length)) <= places;

const turns = async (count: number) => {
  for (let i = 0; i < count; i++) await new Promise(setImmediate);
};

describe('requests that share the engine', () => {
  it.each([
    ['with room for all', (stepper: Stepper) => stepper],
    [
      'with so little room that they interrupt each other',
      // Room for 256 places: answers are let in one by one, or give way when they grow.
      (stepper: Stepper): Stepper => Object.create(stepper, { fits: { value: roomFor(256) } }),
    ],
  ])('get what they get alone, bit for bit, %s', async (_name, made) => {
    await fc.assert(
      fc.asyncProperty(fc.array(anyRequest, { minLength: 2, maxLength: 7 }), async (requests) => {
        const scheduler = schedulerOn(made(model.stepper));
        const served = [];
        for (const request of requests) {
          await turns(request.after);
          const { outcomes, cancel } = submit(scheduler, request);
          if (request.cancelAfter !== undefined) void turns(request.cancelAfter).then(cancel);
          for (const [answer, outcome] of outcomes.entries()) served.push({ request, answer, outcome });
        }
        await scheduler.idle();
        await turns(41);
        for (const { request, answer, outcome } of served) {
          const expected = await alone(request, answer);
          if (outcome.ended || request.cancelAfter === undefined) expect(outcome).toEqual(expected);
          else expect(expected.tokens.slice(0, outcome.tokens.length)).toEqual(outcome.tokens);
        }
      }),
      { numRuns: 12 },
    );
  });

  it('an interrupted answer goes on where it was, bit for bit', async () => {
    const long = {
      mix: 1,
      prompt: [5, 6, 7],
      maxTokens: 300,
      temperature: 1 as const,
      n: 1,
      after: 0,
      cancelAfter: undefined,
    };
    const requests = [1, 2, 3].map((seed) => ({ ...long, seed }));
    let opened = 0;
    const cramped: Stepper = Object.create(model.stepper, {
      fits: { value: roomFor(800) },
      open: {
        value: (adapters: readonly WeightedAdapter[]) => {
          opened++;
          return model.stepper.open(adapters);
        },
      },
    });
    const scheduler = schedulerOn(cramped, []);
    const served = requests.map((request) => submit(scheduler, request).outcomes[0]!);
    await scheduler.idle();
    for (const [i, request] of requests.entries()) expect(served[i]).toEqual(await alone(request, 0, []));
    expect(opened).toBe(requests.length + 1); // the youngest began anew
  });
});
