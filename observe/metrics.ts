/**
 * Every metric there is, by the name that Prometheus shows: dashboards and alerts (infra/dashboards/) are checked against this list.
 * Recorded by OpenTelemetry's API, which does nothing until an entry point has started the SDK (observe/start.ts).
 *
 * Labels come from closed lists: route templates, statuses, outcomes, names of functions. Never a name, an id or a path that
 * somebody else chose: each value of a label is a time series that is kept for weeks.
 */
import { type Attributes, metrics, type ObservableResult } from '@opentelemetry/api';

type Kind = 'counter' | 'gauge' | 'histogram';
/** Whose /metrics has it. */
type Where = 'api' | 'serving' | 'training' | 'all';

export interface Metric {
  readonly kind: Kind;
  readonly where: readonly Where[];
  readonly help: string;
  readonly labels: readonly string[];
  readonly buckets?: readonly number[];
}

/** From a millisecond to a minute. */
const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];
/** Of work that takes minutes. */
const LONG_SECONDS = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600];

const counter = (where: readonly Where[], help: string, ...labels: string[]) => ({
  kind: 'counter' as const,
  where,
  help,
  labels,
});
const gauge = (where: readonly Where[], help: string, ...labels: string[]) => ({
  kind: 'gauge' as const,
  where,
  help,
  labels,
});
const histogram = (
  where: readonly Where[],
  help: string,
  buckets: readonly number[],
  ...labels: string[]
) => ({ kind: 'histogram' as const, where, help, labels, buckets });

export const METRICS = {
  patchbay_http_requests_total: counter(
    ['api'],
    'Requests answered, by route template.',
    'method',
    'route',
    'status',
  ),
  patchbay_http_request_duration_seconds: histogram(
    ['api'],
    'Until the answer began.',
    SECONDS,
    'method',
    'route',
  ),
  patchbay_rate_limited_total: counter(['api'], 'Requests refused for coming too often.', 'bucket'),
  patchbay_time_to_first_token_seconds: histogram(
    ['api'],
    'From a request for text to its first piece, as its client sees it.',
    SECONDS,
  ),
  patchbay_streams_total: counter(
    ['api'],
    'Answers that were streamed, by how they ended: a stream that breaks has had its 200.',
    'outcome',
  ),
  patchbay_tokens_total: counter(['api'], 'Tokens read (in) and written (out) for clients.', 'direction'),
  patchbay_publishes_total: counter(['api'], 'Uploads completed, by what became of them.', 'outcome'),
  patchbay_verdicts_total: counter(['api'], 'Verdicts of the publish gate.', 'verdict'),
  patchbay_jobs_ended_total: counter(['api'], 'Training jobs that ended, by how.', 'status'),
  patchbay_trained_tokens_total: counter(
    ['api'],
    'Tokens that training learnt from, as they are charged: with every checkpoint that is kept, and at the end.',
  ),
  patchbay_webhook_deliveries_total: counter(['api'], 'Attempts to tell a webhook.', 'outcome'),
  patchbay_leases_lost_total: counter(['api'], 'Leases of runners that fell silent.', 'function'),
  patchbay_object_store_errors_total: counter(['api'], 'Calls of the object store that failed.', 'operation'),
  patchbay_object_store_duration_seconds: histogram(
    ['api'],
    'Calls of the object store.',
    SECONDS,
    'operation',
  ),
  patchbay_queue_depth: gauge(['api'], 'Work that waits for a runner.', 'function'),
  patchbay_queue_age_seconds: gauge(['api'], 'How long the eldest of it has waited.', 'function'),
  patchbay_database_connections: gauge(['api'], 'Connections that are open, by state.', 'state'),
  patchbay_database_waiting: gauge(['api'], 'Statements that wait for a connection.'),

  patchbay_runner_requests_total: counter(['serving'], 'Requests for text, by how they ended.', 'outcome'),
  patchbay_runner_time_to_first_token_seconds: histogram(
    ['serving'],
    'From the arrival of a request at the runner to its first piece of text.',
    SECONDS,
  ),
  patchbay_runner_inter_token_seconds: histogram(
    ['serving'],
    'Between one piece of an answer and the next.',
    SECONDS,
  ),
  patchbay_runner_queue_seconds: histogram(['serving'], 'Until an answer had a place in the batch.', SECONDS),
  patchbay_runner_prefill_seconds: histogram(['serving'], 'From that place to the first token.', SECONDS),
  patchbay_runner_tokens_total: counter(['serving'], 'Tokens read (in) and written (out).', 'direction'),
  patchbay_runner_adapter_requests_total: counter(
    ['serving'],
    'Adapters asked for, by where they were: in memory, on the disk, or in the object store.',
    'tier',
  ),
  patchbay_runner_adapter_fetch_seconds: histogram(
    ['serving'],
    'Downloads of adapters that were not on the disk.',
    LONG_SECONDS,
  ),
  patchbay_runner_base_load_seconds: histogram(
    ['serving'],
    'From a base being asked for to its first request.',
    LONG_SECONDS,
  ),
  patchbay_runner_batch_rows: gauge(['serving'], 'Answers that are decoded together now.'),
  patchbay_runner_batch_rows_limit: gauge(
    ['serving'],
    'Answers that may be decoded together: so many for each loaded base.',
  ),
  patchbay_runner_waiting: gauge(['serving'], 'Answers that wait for a place in the batch.'),
  patchbay_runner_adapters_in_memory: gauge(['serving'], 'Adapters that are ready in memory.'),
  patchbay_runner_kv_cache_bytes: gauge(
    ['serving'],
    'Keys and values of running answers, and their stacked adapters.',
  ),
  patchbay_runner_kv_cache_limit_bytes: gauge(['serving'], 'What they may take, for each loaded base.'),
  patchbay_runner_bases_loaded: gauge(['serving'], 'Bases in memory.'),

  patchbay_training_step_seconds: histogram(['training'], 'Steps of training jobs.', LONG_SECONDS),
  patchbay_training_steps_total: counter(['training'], 'Steps taken.'),
  patchbay_training_tokens_total: counter(
    ['training'],
    'Tokens that steps read; its rate is the throughput.',
  ),
  patchbay_training_jobs: gauge(['training'], 'Jobs that are worked on now.'),
  patchbay_training_jobs_left_total: counter(['training'], 'Jobs that were left, by how.', 'outcome'),
  patchbay_verifications_total: counter(['training'], 'Versions looked at, by what came of it.', 'outcome'),
  patchbay_verification_seconds: histogram(['training'], 'Looking at a version.', LONG_SECONDS),

  process_resident_memory_bytes: gauge(['all'], 'Memory that is in use.'),
  process_cpu_seconds_total: counter(['all'], 'Processor time, user and system.'),
  process_start_time_seconds: gauge(['all'], 'Since 1970.'),
  nodejs_eventloop_lag_p99_seconds: gauge(['all'], 'How late the event loop is, since the last scrape.'),
} satisfies Readonly<Record<string, Metric>>;

export type MetricName = keyof typeof METRICS;
export type NameOf<K extends Kind> = {
  [N in MetricName]: (typeof METRICS)[N]['kind'] extends K ? N : never;
}[MetricName];

/** What Prometheus shows of a metric: a histogram as buckets, their sum and their count. */
export function seriesOf(
  name: MetricName,
): readonly { readonly name: string; readonly labels: readonly string[] }[] {
  const { kind, labels }: Metric = METRICS[name];
  if (kind !== 'histogram') return [{ name, labels }];
  return [
    { name: `${name}_bucket`, labels: [...labels, 'le'] },
    { name: `${name}_sum`, labels },
    { name: `${name}_count`, labels },
  ];
}

const describe = (name: MetricName) => ({ description: METRICS[name].help });
export const METER = 'patchbay';
const meter = () => metrics.getMeter(METER);

/** Instruments are made when they are first needed: those made before the SDK is there would stay without effect. */
const made = new Map<MetricName, unknown>();
function once<T>(name: MetricName, make: () => T): T {
  const known = made.get(name);
  if (known !== undefined) return known as T;
  const instrument = make();
  made.set(name, instrument);
  return instrument;
}

export function count(name: NameOf<'counter'>, by = 1, labels: Attributes = {}): void {
  once(name, () => meter().createCounter(name, describe(name))).add(by, labels);
}

export function observe(name: NameOf<'histogram'>, value: number, labels: Attributes = {}): void {
  const { buckets } = METRICS[name];
  once(name, () =>
    meter().createHistogram(name, {
      ...describe(name),
      advice: { explicitBucketBoundaries: [...buckets] },
    }),
  ).record(value, labels);
}

/** @param read called at each scrape */
export function gaugeOf(
  name: NameOf<'gauge'>,
  read: (result: ObservableResult) => void | Promise<void>,
): void {
  meter().createObservableGauge(name, describe(name)).addCallback(read);
}

/** A counter that something else keeps. @param read called at each scrape */
export function counterOf(name: NameOf<'counter'>, read: (result: ObservableResult) => void): void {
  meter().createObservableCounter(name, describe(name)).addCallback(read);
}

/** Seconds since `began`, of performance.now(). */
export const secondsSince = (began: number): number => (performance.now() - began) / 1000;
