/**
 * What running on AWS costs, for docs/deploy.md: `npx node infra/costs.ts` prints the tables there. Prices are data with a date
 * (prices.json), to be looked up again before anybody relies on them.
 */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { ANYWHERE } from '../functions/anywhere.ts';
import { isScheduled } from '../functions/ticks.ts';
import { minutesBetween } from './aws/ticks.ts';

const dollars = z.number().positive();
const Prices = z.strictObject({
  asOf: z.string(),
  source: z.string(),
  hour: z.strictObject({
    'c7i.large': dollars,
    'g6.xlarge': dollars,
    't4g.nano': dollars,
    publicIpv4: dollars,
    auroraCapacityUnit: dollars,
  }),
  month: z.strictObject({
    secret: dollars,
    alarm: dollars,
    metric: dollars,
    dashboard: dollars,
    ebsGiB: dollars,
    auroraGiB: dollars,
    s3GiB: dollars,
  }),
  lambda: z.strictObject({ gibSecond: dollars, request: dollars }),
});
const prices = Prices.parse(JSON.parse(readFileSync(new URL('./prices.json', import.meta.url), 'utf8')));

const HOURS = 730;
/** The database's, and those of secrets.ts. */
const SECRETS = 5;
/** Of watch.ts: the API's two, the scaler's, the queue's, the database's, two for the metrics of each kind of runner, one of each function. */
const ALARMS = 9 + ANYWHERE.length;
/** The queue's age. */
const OWN_METRICS = 1;
const NAT_DISK_GIB = 8;
/** While it is awake, though nobody asks much. */
const LEAST_CAPACITY_UNITS = 0.5;
/** Awake after a tick: the work itself, a minute until the API's connections are ended (api/lambda.ts), five until it sleeps. */
const AWAKE_MINUTES = 7;
/** What an installation with a few hundred adapters holds. */
const STORED_GIB = 10;
const SCALER_GIB = 0.25;
const API_GIB = 1_769 / 1024;

/** Nobody asks anything for a month, and no runner is up. */
export function idleMonth(tickMinutes: number): Readonly<Record<string, number>> {
  const { hour, month, lambda } = prices;
  const each = (minutes: number) => (HOURS * 60) / minutes;
  const second = (gib: number) => gib * lambda.gibSecond + lambda.request; // as long as an event is taken to last
  const ticks = ANYWHERE.filter(isScheduled).map(
    ({ trigger, needs }) =>
      each(minutesBetween(trigger.everySeconds, tickMinutes)) * second(needs.memoryMiB / 1024),
  );
  const scaler = each(tickMinutes) * (second(SCALER_GIB) + second(API_GIB)); // it asks the API
  const awake = Math.min(1, AWAKE_MINUTES / tickMinutes);
  return {
    database: awake * LEAST_CAPACITY_UNITS * HOURS * hour.auroraCapacityUnit + month.auroraGiB,
    'way out (NAT instance, address)':
      HOURS * (hour['t4g.nano'] + hour.publicIpv4) + NAT_DISK_GIB * month.ebsGiB,
    'schedules (Lambda)': ticks.reduce((sum, one) => sum + one, scaler),
    'secrets, alarms, dashboard':
      SECRETS * month.secret + ALARMS * month.alarm + OWN_METRICS * month.metric + month.dashboard,
    'objects, 10 GiB': STORED_GIB * month.s3GiB,
    'runners, API, site': 0,
  };
}

export interface Throughput {
  readonly what: string;
  readonly machine: 'c7i.large' | 'g6.xlarge';
  readonly tokensPerSecond: number;
}

/**
 * A step reads all weights once, for every row of the batch: the most that memory allows, if nothing else took time.
 * @param efficiency of the memory's bandwidth that kernels reach
 */
export function memoryBound(
  bytesPerSecond: number,
  weightBytes: number,
  batch: number,
  efficiency: number,
): number {
  return (batch * bytesPerSecond * efficiency) / weightBytes;
}

/** A generated token in 16 answers at once. The first is measured (docs/benchmarks.md, `decode`), the second is no measurement. */
export const THROUGHPUT: readonly Throughput[] = [
  { what: '135M base on 2 cores, measured', machine: 'c7i.large', tokensPerSecond: 415.6 },
  {
    what: '1.5B base in float32 on an L4, **estimate**: 300 GB/s, of which 60% are reached',
    machine: 'g6.xlarge',
    tokensPerSecond: memoryBound(300e9, 1.5e9 * 4, 16, 0.6),
  },
];

/** @param busy the share of the time that the machine runs in which it answers */
export function perMillionTokens({ machine, tokensPerSecond }: Throughput, busy: number): number {
  return (prices.hour[machine] / 3600 / (tokensPerSecond * busy)) * 1e6;
}

const money = (value: number) => value.toFixed(2);

/** Whether a database really sleeps was not seen: nothing was deployed. */
const heading = (tickMinutes: number) =>
  `\`tickMinutes=${tickMinutes}\`${AWAKE_MINUTES < tickMinutes ? ', **estimate**' : ''}`;

export function tables(): string {
  const ways = [1, 15, 60];
  const months = ways.map(idleMonth);
  const total = (parts: Readonly<Record<string, number>>) =>
    Object.values(parts).reduce((sum, part) => sum + part, 0);
  const rows = Object.keys(months[0]!).map(
    (part) => `| ${part} | ${months.map((month) => money(month[part]!)).join(' | ')} |`,
  );
  return [
    `| a month in which nobody asks anything, in dollars | ${ways.map(heading).join(' | ')} |`,
    '|---|---|---|---|',
    ...rows,
    `| **together** | ${months.map((month) => `**${money(total(month))}**`).join(' | ')} |`,
    '',
    '| a million generated tokens, in dollars | machine | tokens a second | always busy | busy for a third |',
    '|---|---|---|---|---|',
    ...THROUGHPUT.map(
      (one) =>
        `| ${one.what} | ${one.machine} | ${Math.round(one.tokensPerSecond)} | ${money(perMillionTokens(one, 1))} | ${money(perMillionTokens(one, 1 / 3))} |`,
    ),
    '',
    `Prices: ${prices.source}, as of ${prices.asOf}.`,
  ].join('\n');
}

if (import.meta.main) process.stdout.write(`${tables()}\n`);
