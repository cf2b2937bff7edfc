/** The best of each base and task, by how much better than the base they were measured to be. */
import { Form, Link, useSearchParams } from 'react-router';
import { dataOf } from '../api.ts';
import { useLoaded } from '../loaded.ts';
import { count, percent } from '../parts/format.ts';
import { GainFigure, Interval, scaleOf } from '../parts/gain.tsx';
import { Table } from '../parts/table.tsx';
import type { Asked } from '../routes.tsx';

const SHOWN = 50;

export const loader = async ({ api, url }: Asked) => {
  const asked = (name: string) => url.searchParams.get(name) || undefined;
  const [base, task] = [asked('base'), asked('task')];
  const evaluated = asked('rows') === 'base' ? ('base' as const) : undefined;
  const query = {
    sort: 'gain' as const,
    limit: SHOWN,
    ...(base ? { base } : {}),
    ...(task ? { task } : {}),
    ...(evaluated ? { evaluated } : {}),
  };
  const all = { limit: 1, counts: 'true' as const };
  const [{ adapters }, { counts }] = await Promise.all([
    dataOf(api.GET('/api/adapters', { params: { query } })),
    dataOf(api.GET('/api/adapters', { params: { query: all } })),
  ]);
  const values = (facet: 'base' | 'task') => (counts?.facets[facet] ?? []).map(({ value }) => value);
  return { adapters, bases: values('base'), tasks: values('task') };
};

export function Component() {
  const { adapters, bases, tasks } = useLoaded<typeof loader>();
  const [params] = useSearchParams();
  const scale = scaleOf(adapters);
  const choice = (name: string, label: string, values: readonly (readonly [string, string])[]) => (
    <label className="flex max-w-full min-w-0 flex-col gap-1 text-sm font-medium">
      {label}
      <select
        name={name}
        className="max-w-full"
        key={params.get(name)}
        defaultValue={params.get(name) ?? ''}
        onChange={(event) => event.currentTarget.form?.requestSubmit()}
      >
        {values.map(([value, said]) => (
          <option key={value} value={value}>
            {said}
          </option>
        ))}
      </select>
    </label>
  );
  const any = (values: readonly string[]) => [
    ['', 'all'] as const,
    ...values.map((value) => [value, value] as const),
  ];
  return (
    <div className="flex flex-col gap-4">
      <title>Leaderboard · Patchbay</title>
      <header>
        <h1>Leaderboard</h1>
        <p className="max-w-prose text-quiet">
          Measured by the publish gate, on rows that were held out. Rows that a publisher chose compare an
          adapter with its base, not with other adapters: where the base has standard rows, those compare
          everybody.
        </p>
      </header>
      <Form className="flex flex-wrap items-end gap-4">
        {choice('base', 'Base', any(bases))}
        {choice('task', 'Task', any(tasks))}
        {choice('rows', 'Measured on', [
          ['', 'any held-out rows'],
          ['base', 'the base’s standard rows'],
        ])}
        <noscript>
          <button type="submit" className="button">
            Show
          </button>
        </noscript>
      </Form>
      {adapters.length === 0 ? (
        <p className="empty">Nothing was measured that way yet.</p>
      ) : (
        <Table
          head={[
            'Place',
            'Adapter',
            'Gain, nats/token',
            '95% interval',
            'Right',
            'Base',
            'Task',
            'Rank',
            'Downloads',
          ]}
          label="Leaderboard"
        >
          {adapters.map((adapter, i) => (
            <tr key={adapter.id}>
              <td className="tabular-nums">{i + 1}</td>
              <th scope="row">
                <Link className="link" to={`/adapters/${adapter.id}/verification`}>
                  {adapter.id}
                </Link>
              </th>
              <td className="whitespace-nowrap">
                <GainFigure {...adapter} />
              </td>
              <td className="min-w-40 align-middle!">
                {adapter.evaluation && adapter.evalGain !== null && (
                  <Interval value={adapter.evalGain} {...adapter.evaluation.gain} scale={scale} />
                )}
              </td>
              <td className="tabular-nums">
                {adapter.evaluation ? percent(adapter.evaluation.accuracy.adapter) : ''}
              </td>
              <td className="whitespace-nowrap">{adapter.base}</td>
              <td className="whitespace-nowrap">{adapter.task}</td>
              <td>{adapter.rank}</td>
              <td>{count(adapter.downloads)}</td>
            </tr>
          ))}
        </Table>
      )}
    </div>
  );
}
