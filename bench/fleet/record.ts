/**
 * `node bench/fleet/record.ts`: what the simulator is held against. Two real runner processes with a thread each answer a trace of
 * requests through the API's own fleet, and write down their steps (record-steps.ts). Writes two-runners.json: how long steps took
 * on the mean, what was asked, and what came of it.
 */
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Matrix, solve } from 'ml-matrix';
import { draws, median, note } from '../measure.ts';
import { Adapters, config, Files } from './model.ts';
import type { Step } from './record-steps.ts';
import { ask, startRunners } from './runners.ts';
import type { ServiceTimes } from './service-times.ts';
import { between, exponential, quantile, Zipf } from './traffic.ts';

const SLOTS = 8;
const RUNNERS = 2;
const REQUESTS = 60;
const ADAPTERS = 12;
/** Of what two runners can do. */
const LOAD = 0.7;
const PROMPT = [16, 96] as const;
const ANSWER = [8, 40] as const;
/** A runner that pauses longer between two steps had nothing to do. */
const IDLE_MS = 100;

const adapters = new Adapters('recorded', 8, ['q_proj', 'v_proj']);
const stepsFile = join(tmpdir(), `patchbay-steps-${process.pid}`);

/** Lines of all runners, in their order. */
async function readSteps(): Promise<Step[][]> {
  const names = (await readdir(dirname(stepsFile))).filter((name) => name.startsWith(basename(stepsFile)));
  return Promise.all(
    names.map(async (name) => {
      const path = join(dirname(stepsFile), name);
      const lines = (await readFile(path, 'utf8')).trim().split('\n');
      await rm(path);
      return lines.map((line) => JSON.parse(line) as Step);
    }),
  );
}

/** Least squares: coefficients of the columns, whose sums over all rows then agree with what was measured. */
function leastSquares(columns: (step: Step) => number[], steps: readonly Step[]): number[] {
  const all = new Matrix(steps.map(columns));
  const measured = Matrix.columnVector(steps.map(({ ms }) => ms));
  return solve(all, measured, true).to1DArray();
}

function serviceTimes(runners: readonly Step[][]): Pick<ServiceTimes, 'decode' | 'prefill'> {
  const steps = runners.flat();
  const decodes = steps.filter(({ tokens }) => tokens === 0);
  const pauses = runners.flatMap((own) =>
    own.slice(1).map(({ from }, i) => from - own[i]!.from - own[i]!.ms),
  );
  const short = pauses.filter((ms) => ms < IDLE_MS);
  /** What lies between two steps: tokens are chosen, text is sent. Every turn has a step, so it counts there. */
  const pauseMs = short.reduce((sum, ms) => sum + ms, 0) / decodes.length;
  const [fixedMs = 0, rowMs = 0, adapterMs = 0] = leastSquares(
    ({ rows, adapters: own }) => [1, rows, own],
    decodes,
  );
  const [prefillMs = 0, tokenMs = 0] = leastSquares(
    ({ tokens }) => [1, tokens],
    steps.filter(({ tokens }) => tokens > 0),
  );
  return {
    decode: { fixedMs: fixedMs + pauseMs, rowMs, adapterMs },
    prefill: { fixedMs: prefillMs, tokenMs },
  };
}

const draw = draws(42);
const zipf = new Zipf(ADAPTERS);
const files = await Files.open({ recorded: adapters });
const { fleet, stop } = await startRunners(RUNNERS, {
  PATCHBAY_RUNNER_THREADS: '1',
  PATCHBAY_RUNNER_MAX_BATCH: `${SLOTS}`,
  PATCHBAY_BENCH_STEPS: stepsFile,
  NODE_OPTIONS: `--import ${fileURLToPath(new URL('record-steps.ts', import.meta.url))}`,
});
await fleet.loadBase(files.base);
const one = (adapter: number, promptTokens: number, answerTokens: number) =>
  ask(fleet, { base: files.base, adapters: [files.adapter(adapters, adapter)], promptTokens, answerTokens });

note('how much two runners can do, and what an adapter takes that is not there');
const full = Array.from(
  { length: 2 * SLOTS * RUNNERS },
  (_, i) => [i % ADAPTERS, between(draw(), ...PROMPT), between(draw(), ...ANSWER)] as const,
);
const beganFull = performance.now();
await Promise.all(full.map((asked) => one(...asked)));
const perSecond = (1000 * full.length) / (performance.now() - beganFull);
const colds = [];
for (let i = 0; i < 5; i++) colds.push((await one(1000 + i, 8, 2)).queuedMs);
const warms = [];
for (let i = 0; i < 5; i++) warms.push((await one(1000 + i, 8, 2)).queuedMs);
await readSteps();

const requests: { at: number; adapter: number; promptTokens: number; answerTokens: number }[] = [];
for (let at = 0; requests.length < REQUESTS; ) {
  at += 1000 * exponential(draw(), LOAD * perSecond);
  requests.push({
    at: Math.round(at),
    adapter: zipf.rank(draw()),
    promptTokens: between(draw(), ...PROMPT),
    answerTokens: between(draw(), ...ANSWER),
  });
}
note(`${perSecond.toFixed(2)} a second; the trace takes ${(requests.at(-1)!.at / 1000).toFixed(0)} s`);
const began = performance.now();
const answers = await Promise.all(
  requests.map(async ({ at, adapter, promptTokens, answerTokens }) => {
    await new Promise((resolve) => setTimeout(resolve, at - (performance.now() - began)));
    return { ...(await one(adapter, promptTokens, answerTokens)), endedAt: performance.now() - began };
  }),
);
const steps = await readSteps();
await stop();
files.close();

/** While a runner works, who comes waits for the end of a step: the simulator knows of that. */
const overheadMs = median(warms);
const recorded = {
  what: `${RUNNERS} runners, a thread and ${SLOTS} slots each; ${config.layers} layers of ${config.hiddenSize}; made by record.ts`,
  slots: SLOTS,
  runners: RUNNERS,
  times: {
    ...serviceTimes(steps),
    adapterMs: Math.max(0, median(colds) - overheadMs),
    overheadMs,
  },
  requests,
  measured: {
    tokensPerSecond:
      (1000 * requests.reduce((sum, { answerTokens }) => sum + answerTokens, 0)) /
      Math.max(...answers.map(({ endedAt }) => endedAt)),
    firstP50Ms: quantile(
      answers.map(({ firstMs }) => firstMs),
      0.5,
    ),
    lastP50Ms: quantile(
      answers.map(({ lastMs }) => lastMs),
      0.5,
    ),
    lastP99Ms: quantile(
      answers.map(({ lastMs }) => lastMs),
      0.99,
    ),
  },
};
note(JSON.stringify({ times: recorded.times, measured: recorded.measured }, null, 1));
await writeFile(new URL('two-runners.json', import.meta.url), `${JSON.stringify(recorded, null, 1)}\n`);
process.exit(0);
