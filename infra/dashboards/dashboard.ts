/**
 * The Grafana dashboard: what an operator looks at, row by row. `node infra/dashboards/make.ts` writes it as patchbay.json, which
 * Grafana imports. Every expression is checked against the list of metrics (observe/metrics.ts).
 */

/** Grafana's names of units. */
type Unit = 's' | 'bytes' | 'short' | 'reqps' | 'percentunit' | 'cps';

interface Panel {
  readonly title: string;
  readonly unit: Unit;
  /** PromQL by legend. */
  readonly queries: Readonly<Record<string, string>>;
}

const WINDOW = '$__rate_interval';
const rate = (series: string, ...by: string[]) =>
  `sum${by.length > 0 ? ` by (${by.join(', ')})` : ''} (rate(${series}[${WINDOW}]))`;
const quantile = (q: number, histogram: string, ...by: string[]) =>
  `histogram_quantile(${q}, sum by (${['le', ...by].join(', ')}) (rate(${histogram}_bucket[${WINDOW}])))`;
const quantiles = (histogram: string) => ({
  'half of them': quantile(0.5, histogram),
  '95 in 100': quantile(0.95, histogram),
  '99 in 100': quantile(0.99, histogram),
});
const panel = (title: string, unit: Unit, queries: Panel['queries']): Panel => ({ title, unit, queries });

const ROWS: Readonly<Record<string, readonly Panel[]>> = {
  API: [
    panel('Requests', 'reqps', { '{{route}}': rate('patchbay_http_requests_total', 'route') }),
    panel('Failures of ours', 'reqps', {
      '{{route}} {{status}}': rate('patchbay_http_requests_total{status=~"5.."}', 'route', 'status'),
    }),
    panel('Until the answer begins, 95 in 100', 's', {
      '{{route}}': quantile(0.95, 'patchbay_http_request_duration_seconds', 'route'),
    }),
    panel('Refused for coming too often', 'reqps', {
      '{{bucket}}': rate('patchbay_rate_limited_total', 'bucket'),
    }),
  ],
  Serving: [
    panel('First token, as clients see it', 's', quantiles('patchbay_time_to_first_token_seconds')),
    panel('Streams by outcome', 'reqps', { '{{outcome}}': rate('patchbay_streams_total', 'outcome') }),
    panel('Between tokens', 's', quantiles('patchbay_runner_inter_token_seconds')),
    panel('Tokens', 'cps', { '{{direction}}': rate('patchbay_tokens_total', 'direction') }),
    panel('Wait for a place in the batch', 's', quantiles('patchbay_runner_queue_seconds')),
    panel('Prompts', 's', quantiles('patchbay_runner_prefill_seconds')),
    panel('Where adapters were', 'reqps', {
      '{{tier}}': rate('patchbay_runner_adapter_requests_total', 'tier'),
    }),
    panel('Downloads of adapters, 95 in 100', 's', {
      '': quantile(0.95, 'patchbay_runner_adapter_fetch_seconds'),
    }),
    panel('Answers by outcome', 'reqps', {
      '{{outcome}}': rate('patchbay_runner_requests_total', 'outcome'),
    }),
  ],
  Fleet: [
    panel('Batch in use', 'percentunit', {
      '{{instance}}': 'patchbay_runner_batch_rows / patchbay_runner_batch_rows_limit',
    }),
    panel('Waiting at runners', 'short', { '{{instance}}': 'patchbay_runner_waiting' }),
    panel('Keys and values', 'bytes', {
      '{{instance}}': 'patchbay_runner_kv_cache_bytes',
      'limit {{instance}}': 'patchbay_runner_kv_cache_limit_bytes',
    }),
    panel('Bases loaded', 'short', { '{{instance}}': 'patchbay_runner_bases_loaded' }),
    panel('Loading a base', 's', quantiles('patchbay_runner_base_load_seconds')),
    panel('Memory', 'bytes', { '{{job}} {{instance}}': 'process_resident_memory_bytes' }),
    panel('Processors in use', 'short', {
      '{{job}} {{instance}}': `rate(process_cpu_seconds_total[${WINDOW}])`,
    }),
    panel('Event loop, 99 in 100', 's', { '{{job}} {{instance}}': 'nodejs_eventloop_lag_p99_seconds' }),
  ],
  Training: [
    panel('Tokens learnt from', 'cps', {
      '{{instance}}': rate('patchbay_training_tokens_total', 'instance'),
    }),
    panel('Steps', 's', quantiles('patchbay_training_step_seconds')),
    panel('Jobs at work', 'short', { '{{instance}}': 'patchbay_training_jobs' }),
    panel('Jobs that ended', 'cps', { '{{status}}': rate('patchbay_jobs_ended_total', 'status') }),
  ],
  'Queue and publish gate': [
    // Every server tells the same of the queue: it is in the database.
    panel('Waiting', 'short', { '{{function}}': 'max by (function) (patchbay_queue_depth)' }),
    panel('Waits longest', 's', { '{{function}}': 'max by (function) (patchbay_queue_age_seconds)' }),
    panel('Leases lost', 'cps', { '{{function}}': rate('patchbay_leases_lost_total', 'function') }),
    panel('Published', 'cps', { '{{outcome}}': rate('patchbay_publishes_total', 'outcome') }),
    panel('Verdicts', 'cps', { '{{verdict}}': rate('patchbay_verdicts_total', 'verdict') }),
    panel('Looking at a version', 's', quantiles('patchbay_verification_seconds')),
  ],
  'Storage and webhooks': [
    panel('Object store, 95 in 100', 's', {
      '{{operation}}': quantile(0.95, 'patchbay_object_store_duration_seconds', 'operation'),
    }),
    panel('Object store, failures', 'cps', {
      '{{operation}}': rate('patchbay_object_store_errors_total', 'operation'),
    }),
    panel('Connections of the database', 'short', {
      '{{state}} {{instance}}': 'patchbay_database_connections',
      'waiting {{instance}}': 'patchbay_database_waiting',
    }),
    panel('Webhooks', 'cps', { '{{outcome}}': rate('patchbay_webhook_deliveries_total', 'outcome') }),
  ],
};

/** Of Grafana's grid, which is 24 wide. */
const PANEL = { w: 6, h: 7 };
const ROW_HEIGHT = 1;
/** Of the dashboard's JSON: https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/ */
const SCHEMA_VERSION = 39;

// A variable of the dashboard: Grafana fills it in.
// biome-ignore lint/suspicious/noTemplateCurlyInString: Grafana's own.
const datasource = { type: 'prometheus', uid: '${datasource}' };

export function dashboard() {
  const panels: object[] = [];
  let y = 0;
  for (const [title, inRow] of Object.entries(ROWS)) {
    panels.push({
      type: 'row',
      title,
      collapsed: false,
      gridPos: { x: 0, y, w: 24, h: ROW_HEIGHT },
      panels: [],
    });
    y += ROW_HEIGHT;
    for (const [i, { title, unit, queries }] of inRow.entries()) {
      const x = (i % (24 / PANEL.w)) * PANEL.w;
      const down = Math.floor(i / (24 / PANEL.w)) * PANEL.h;
      panels.push({
        type: 'timeseries',
        title,
        datasource,
        gridPos: { x, y: y + down, ...PANEL },
        fieldConfig: { defaults: { unit, min: 0 }, overrides: [] },
        targets: Object.entries(queries).map(([legendFormat, expr], i) => ({
          refId: String.fromCharCode(65 + i),
          datasource,
          expr,
          legendFormat,
        })),
      });
    }
    y += Math.ceil(inRow.length / (24 / PANEL.w)) * PANEL.h;
  }
  return {
    uid: 'patchbay',
    title: 'Patchbay',
    schemaVersion: SCHEMA_VERSION,
    refresh: '30s',
    time: { from: 'now-6h', to: 'now' },
    templating: { list: [{ name: 'datasource', type: 'datasource', query: 'prometheus' }] },
    panels: panels.map((one, i) => ({ id: i + 1, ...one })),
  };
}

export const expressions = (): string[] =>
  Object.values(ROWS).flatMap((row) => row.flatMap(({ queries }) => Object.values(queries)));
