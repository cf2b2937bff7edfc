import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { parse } from 'yaml';
import { METRICS, type MetricName, seriesOf } from '../../observe/metrics.ts';
import { ALERTS } from './alerts.ts';
import { expressions } from './dashboard.ts';
import { FILES } from './make.ts';

/** What Prometheus itself adds to every series. */
const SCRAPED = ['instance', 'job'];
const names = Object.keys(METRICS) as MetricName[];
const known = new Map(names.flatMap(seriesOf).map(({ name, labels }) => [name, labels]));
const all = [...expressions(), ...ALERTS.map(({ expr }) => expr)];

const namesIn = (expression: string) =>
  [...expression.matchAll(/\b(?:patchbay|process|nodejs)_\w+/g)].map(([name]) => name);

it.each(all)('%s', (expression) => {
  const used = namesIn(expression);
  expect(used).not.toEqual([]);
  for (const name of used) expect([...known.keys()]).toContain(name);
  const labels = [
    ...[...expression.matchAll(/by \(([^)]+)\)/g)].flatMap(([, list]) => list!.split(', ')),
    ...[...expression.matchAll(/(\w+)=~?"/g)].map(([, label]) => label!),
  ];
  for (const label of labels)
    expect([...SCRAPED, ...used.flatMap((name) => known.get(name)!)], label).toContain(label);
});

it('every metric is on the dashboard, or woken by', () => {
  const shown = new Set(all.flatMap(namesIn).map((name) => name.replace(/_(bucket|sum|count)$/, '')));
  const elsewhere = ['process_start_time_seconds', 'patchbay_runner_time_to_first_token_seconds'];
  expect(names.filter((name) => !shown.has(name)).sort()).toEqual(
    [
      ...elsewhere,
      'patchbay_runner_adapters_in_memory',
      'patchbay_runner_tokens_total',
      'patchbay_trained_tokens_total',
      'patchbay_training_steps_total',
    ].sort(),
  );
});

it.each(Object.keys(FILES))('%s is as make.ts writes it', async (name) => {
  const written = await readFile(join(import.meta.dirname, name), 'utf8');
  expect(written).toBe(FILES[name]!());
  expect(parse(written)).toBeTypeOf('object'); // JSON is YAML
});
