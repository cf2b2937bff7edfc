/** When somebody is to be woken, or to look in the morning: rules for Prometheus, written by make.ts as alerts.yaml. */

interface Alert {
  readonly alert: string;
  readonly expr: string;
  /** How long it has to be so. */
  readonly for: string;
  readonly severity: 'page' | 'ticket';
  readonly summary: string;
}

export const ALERTS: readonly Alert[] = [
  {
    alert: 'PatchbayAway',
    // What is not there fails nothing and is slow in nothing: without this, all other rules are silent then.
    expr: 'absent(patchbay_queue_depth)',
    for: '2m',
    severity: 'page',
    summary:
      'No API server tells of the queue: none runs, none lets itself be scraped, or none reaches the database.',
  },
  {
    alert: 'PatchbayFailing',
    // Runners ask for work twice a second each: among their requests those of clients would be lost.
    expr: 'sum(rate(patchbay_http_requests_total{status=~"5..", route!~"/api/runner/.*"}[5m])) / sum(rate(patchbay_http_requests_total{route!~"/api/runner/.*"}[5m])) > 0.02',
    for: '5m',
    severity: 'page',
    summary:
      'More than 2% of requests fail by fault of ours. The log says of each what it was, by its request id.',
  },
  {
    alert: 'PatchbayStreamsBreak',
    expr: 'sum(rate(patchbay_streams_total{outcome="failed"}[5m])) / sum(rate(patchbay_streams_total[5m])) > 0.02',
    for: '5m',
    severity: 'page',
    summary:
      'More than 2% of streams end with an error of ours, after their 200: runners die or hang while they answer.',
  },
  {
    alert: 'PatchbayFirstTokenSlow',
    expr: 'histogram_quantile(0.95, sum by (le) (rate(patchbay_time_to_first_token_seconds_bucket[10m]))) > 5',
    for: '10m',
    severity: 'ticket',
    summary:
      'One in twenty waits more than 5 s for a first token: runners are too few, or load bases and adapters.',
  },
  {
    alert: 'PatchbayQueueStands',
    expr: 'max by (function) (patchbay_queue_age_seconds) > 1800',
    for: '5m',
    severity: 'page',
    summary: 'Work has waited for half an hour: no runner takes it, or too few do.',
  },
  {
    alert: 'PatchbayLeasesLost',
    expr: 'sum by (function) (increase(patchbay_leases_lost_total[30m])) > 3',
    for: '0m',
    severity: 'ticket',
    summary: 'Runners fall silent while they work: out of memory, or cut off from the API.',
  },
  {
    alert: 'PatchbayWorkGivenBack',
    // One that is stopped gives back eight jobs at most, once. Work that goes to and fro does not grow old in its queue.
    expr: 'sum by (instance) (increase(patchbay_training_jobs_left_total{outcome="released"}[30m])) > 10 or sum by (instance) (increase(patchbay_verifications_total{outcome="given_back"}[30m])) > 10',
    for: '0m',
    severity: 'ticket',
    summary:
      'A runner gives back what it takes, again and again: its disk, memory or network is in trouble. Its log says which.',
  },
  {
    alert: 'PatchbayObjectStoreFailing',
    expr: 'sum(rate(patchbay_object_store_errors_total[5m])) > 0.1',
    for: '5m',
    severity: 'page',
    summary:
      'The object store refuses or does not answer: nothing can be published, nor adapters be fetched.',
  },
  {
    alert: 'PatchbayDatabaseBusy',
    expr: 'max(patchbay_database_waiting) > 20',
    for: '5m',
    severity: 'ticket',
    summary:
      'Statements wait for a connection: more servers than the database can take, or a slow statement.',
  },
  {
    alert: 'PatchbayWebhooksFailing',
    expr: 'sum(rate(patchbay_webhook_deliveries_total{outcome="failed"}[30m])) > 0.9 * sum(rate(patchbay_webhook_deliveries_total[30m]))',
    for: '30m',
    severity: 'ticket',
    summary: 'Nearly no webhook can be told: the way out of this network is shut.',
  },
];

/** JSON strings are YAML strings. */
export function alertsYaml(): string {
  const rules = ALERTS.map(
    ({ alert, expr, for: time, severity, summary }) =>
      `      - alert: ${alert}\n        expr: ${JSON.stringify(expr)}\n        for: ${time}\n` +
      `        labels: { severity: ${severity} }\n        annotations: { summary: ${JSON.stringify(summary)} }\n`,
  );
  return `# Written by infra/dashboards/make.ts.\ngroups:\n  - name: patchbay\n    rules:\n${rules.join('')}`;
}
