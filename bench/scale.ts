/**
 * A thousand runners and a hundred thousand adapters, simulated (bench/fleet/simulate.ts) with the service times that two real
 * runners took: waiting, warm hits and refusals under Zipf traffic, with and without regard to where adapters are; and what a day
 * whose traffic rises and falls costs against no more runners than there is work. Draws the figures of docs/scale.md.
 */
import { readFile } from 'node:fs/promises';
import * as Plot from '@observablehq/plot';
import { decodeMs, prefillMs, type ServiceTimes } from './fleet/service-times.ts';
import { type Outcome, type Scenario, simulate } from './fleet/simulate.ts';
import type { SimulatedRequest } from './fleet/simulated-runner.ts';
import { between, exponential, quantile, Zipf } from './fleet/traffic.ts';
import { draws, type Figure, note } from './measure.ts';
import { drawPlot } from './svg.ts';

const RUNNERS = 1_000;
const ADAPTERS = 100_000;
const APIS = 8;
const REPORT_MS = 2_000;
/** Memory of a runner holds as many adapters of rank 8 on q and v as PATCHBAY_RUNNER_ADAPTER_BYTES by default. */
const IN_MEMORY = Math.floor(2 ** 30 / (30 * 8 * (576 + 576 + 576 + 192) * 4));
const PROMPT = [16, 96] as const;
const ANSWER = [8, 40] as const;
const STEADY_MS = 120_000;
/** Until the memories hold what is asked for. */
const WARM_UP_MS = 60_000;
const LOADS = [0.5, 0.7, 0.85];
/** The load at which it is compared. */
const USUAL_LOAD = 0.7;
/** A day in two hours: what rises and falls twelve times as fast is harder to follow. */
const DAY_MS = 2 * 60 * 60_000;
const DAY_RUNNERS = 100;
/** Of a day's peak, what is asked for at its lowest. */
const NIGHT = 0.1;
const COLD_START_MS = 120_000;

/** Digests by rank of popularity. */
const digests = Array.from({ length: ADAPTERS }, (_, rank) =>
  ((rank * 0x9e3779b1) >>> 0)
    .toString(16)
    .padStart(8, '0')
    .concat(rank.toString(16).padStart(8, '0'))
    .padEnd(64, '0'),
);

/** Requests per millisecond that keep `runners` as busy as `load` says. */
function rateOf(times: ServiceTimes, slots: number, runners: number, load: number): number {
  const [prompt, answer] = [PROMPT, ANSWER].map(([least, most]) => (least + most) / 2) as [number, number];
  return (load * runners) / ((answer * decodeMs(times, slots, slots)) / slots + prefillMs(times, prompt));
}

/** @param rate at a time, at most `peak` (thinning: Lewis and Shedler 1979) */
function* traffic(
  seed: number,
  untilMs: number,
  peak: number,
  rate: (at: number) => number,
): Generator<SimulatedRequest> {
  const draw = draws(seed);
  const zipf = new Zipf(ADAPTERS);
  for (let at = exponential(draw(), peak); at < untilMs; at += exponential(draw(), peak)) {
    if (draw() * peak > rate(at)) continue;
    yield {
      at,
      adapter: digests[zipf.rank(draw())],
      promptTokens: between(draw(), ...PROMPT),
      answerTokens: between(draw(), ...ANSWER),
    };
  }
}

const seconds = (ms: number) => ms / 1000;
const warmShare = ({ warm, cold }: Outcome) => warm / (warm + cold);

interface Point {
  readonly load: number;
  readonly p: string;
  readonly s: number;
}

export async function run(): Promise<Figure[]> {
  const recorded = JSON.parse(
    await readFile(new URL('fleet/two-runners.json', import.meta.url), 'utf8').catch(() => {
      throw new Error('there are no service times: run node bench/fleet/record.ts first');
    }),
  );
  const { times, slots } = recorded as { times: ServiceTimes; slots: number };
  const shape = { slots, maxWaiting: 64, adapters: IN_MEMORY };
  const common = { times, shape, apis: APIS, reportMs: REPORT_MS };
  const figures: Figure[] = [];
  const points: Point[] = [];

  const steady = (load: number, adapterBlind = false): Outcome => {
    note(`${RUNNERS} runners at ${load}${adapterBlind ? ', wherever there is least to do' : ''}`);
    const rate = rateOf(times, slots, RUNNERS, load);
    const requests = traffic(1, STEADY_MS, rate, () => rate);
    return simulate({ ...common, runners: RUNNERS, requests, warmUpMs: WARM_UP_MS, adapterBlind });
  };
  const compared = (outcome: Outcome, key: string): Figure[] => [
    { key: `p50_s${key}`, value: seconds(quantile(outcome.lastMs, 0.5)), unit: 's' },
    { key: `p99_s${key}`, value: seconds(quantile(outcome.lastMs, 0.99)), unit: 's' },
    { key: `warm_hits${key}`, value: warmShare(outcome), unit: 'share' },
    { key: `refused${key}`, value: outcome.refused / outcome.lastMs.length, unit: 'share' },
  ];
  for (const load of LOADS) {
    const outcome = steady(load);
    for (const [p, share] of [
      ['median', 0.5],
      ['p99', 0.99],
    ] as const)
      points.push({ load, p, s: seconds(quantile(outcome.lastMs, share)) });
    if (load === USUAL_LOAD) figures.push(...compared(outcome, ''));
  }
  figures.push(...compared(steady(USUAL_LOAD, true), '_least_load'));

  note(`a day of ${DAY_RUNNERS} runners at its peak`);
  const day = simulateDay(common, times, slots);
  figures.push(
    { key: 'day_p99_s', value: seconds(quantile(day.lastMs, 0.99)), unit: 's' },
    { key: 'day_refused', value: day.refused / day.lastMs.length, unit: 'share' },
    { key: 'day_cost_over_work', value: day.runnerMs / day.busyMs, unit: 'ratio' },
    { key: 'day_fixed_cost_over_work', value: ((DAY_RUNNERS / 0.7) * day.endMs) / day.busyMs, unit: 'ratio' },
  );
  await drawPlot('docs/scale-latency.svg', latencyPlot(points));
  await drawPlot('docs/scale-day.svg', dayPlot(day));
  return figures;
}

function simulateDay(
  common: Omit<Scenario, 'runners' | 'requests'>,
  times: ServiceTimes,
  slots: number,
): Outcome {
  const peak = rateOf(times, slots, DAY_RUNNERS, 1);
  const rate = (at: number) =>
    peak * (NIGHT + ((1 - NIGHT) * (1 - Math.cos((2 * Math.PI * at) / DAY_MS))) / 2);
  const scaling = { coldStartMs: COLD_START_MS, most: 2 * DAY_RUNNERS };
  // The first hours count for nothing: a fleet that has never been asked has one runner.
  const requests = traffic(2, DAY_MS, peak, rate);
  return simulate({ ...common, runners: 1, requests, scaling, warmUpMs: DAY_MS / 12 });
}

function latencyPlot(points: readonly Point[]): Plot.PlotOptions {
  return {
    x: { label: 'load' },
    y: { label: 'seconds', grid: true, zero: true },
    marginRight: 60,
    marks: [
      Plot.lineY(points, { x: 'load', y: 's', stroke: 'p', marker: 'dot' }),
      Plot.text(
        points,
        Plot.selectLast({ x: 'load', y: 's', z: 'p', text: 'p', textAnchor: 'start', dx: 6 }),
      ),
    ],
  };
}

function dayPlot({ fleet }: Outcome): Plot.PlotOptions {
  const hours = fleet.map(({ atMs, runners, desired }) => ({ hour: (24 * atMs) / DAY_MS, runners, desired }));
  return {
    x: { label: 'hour of the day' },
    y: { label: 'runners', grid: true, zero: true },
    marks: [
      Plot.lineY(hours, { x: 'hour', y: 'runners', stroke: 'steelblue' }),
      Plot.lineY(hours, { x: 'hour', y: 'desired', stroke: 'currentColor', strokeDasharray: '2,3' }),
    ],
  };
}
