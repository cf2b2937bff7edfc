/** For whoever runs the server. The admin's key is kept in this page's memory alone, for as long as it is open. */
import { type FormEvent, useEffect, useState } from 'react';
import { createApi, dataOf, type Schemas } from '../api.ts';
import { isSessionOver } from '../failure.ts';
import { Failure } from '../parts/action.tsx';
import { Field } from '../parts/field.tsx';
import { bytes } from '../parts/format.ts';
import { Submit } from '../parts/submit.tsx';
import { Table } from '../parts/table.tsx';

const ASK_AGAIN_MS = 2_000;
type State = Schemas['Operator'];

export function Component() {
  const [key, setKey] = useState<string>();
  const [state, setState] = useState<State>();
  const [failure, setFailure] = useState<unknown>();
  useEffect(() => {
    if (!key) return;
    let current = true;
    const api = createApi(location.origin, (request) => {
      request.headers.set('authorization', `Bearer ${key}`);
      return fetch(request);
    });
    const ask = async () => {
      try {
        const known = await dataOf(api.GET('/api/operator'));
        if (current) setState(known);
        if (current) setFailure(undefined);
      } catch (error) {
        // Here it is the key that is not one, not the session.
        if (current) setFailure(isSessionOver(error) ? (error as Error).message : error);
      }
      if (current) timer = setTimeout(ask, ASK_AGAIN_MS);
    };
    let timer = setTimeout(ask);
    return () => {
      current = false;
      clearTimeout(timer);
    };
  }, [key]);
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    setState(undefined);
    setKey(String(new FormData(event.currentTarget).get('key')).trim());
  };
  return (
    <div className="flex flex-col gap-6">
      <title>Operator · Patchbay</title>
      <h1>Operator</h1>
      <form method="post" onSubmit={submit} className="panel fields p-4">
        <Field
          label="A key with the scope admin"
          hint="As the first start printed it. It stays in this page."
          className="min-w-60 flex-1"
        >
          <input type="password" name="key" required autoComplete="off" />
        </Field>
        <Submit className="button button-primary">Look</Submit>
        <Failure of={failure} />
      </form>
      {state && <Overview {...state} />}
    </div>
  );
}

function Overview({
  runner,
  runners,
  adapters,
  people,
  drafts,
  stored,
  jobs,
  verifications,
  tasks,
  leases,
  reports,
}: State) {
  const figures = [
    ['Adapters', adapters.toLocaleString('en')],
    ['People', people.toLocaleString('en')],
    ['Uploads under way', drafts.toLocaleString('en')],
    ['Stored', bytes(stored.blobs)],
    ['Training files', bytes(stored.files)],
    ['Answers under way', runner ? String(runner.running) : 'unknown'],
    ['Waiting for an answer', runner ? String(runner.waiting) : 'unknown'],
    ['Warm adapters', runner ? String(runner.adaptersInMemory) : 'unknown'],
  ] as const;
  return (
    <>
      <dl className="grid grid-cols-2 gap-3 md:grid-cols-4">
        {figures.map(([name, value]) => (
          <div key={name} className="panel p-4">
            <dt className="text-sm text-quiet">{name}</dt>
            <dd className="text-xl font-semibold tabular-nums">{value}</dd>
          </div>
        ))}
      </dl>
      <section>
        <h2 className="mb-2">Runners</h2>
        {runners.length > 0 ? (
          <Table
            head={[
              'Runner',
              'Status',
              'Provider',
              'Bases in memory',
              'Warm adapters',
              'Answers',
              'Waiting',
              'Pace',
            ]}
            label="Runners"
          >
            {runners.map(({ url, health }) => (
              <tr key={url}>
                <th scope="row" className="break-all">
                  {url}
                </th>
                <td className={health.status === 'ok' ? 'text-good' : 'text-warn'}>{health.status}</td>
                <td>{health.provider}</td>
                <td>
                  {health.bases.map(({ id }) => id).join(', ') || 'none'}
                  <span className="block text-xs text-quiet">up to {bytes(health.baseBytes)}</span>
                </td>
                <td className="tabular-nums">{health.adaptersInMemory}</td>
                <td className="tabular-nums">
                  {health.running} of {health.slots}
                </td>
                <td className="tabular-nums">
                  {health.waiting} of {health.maxWaiting}
                </td>
                <td className="whitespace-nowrap tabular-nums">
                  {health.answerSeconds === null ? '' : `${health.answerSeconds.toFixed(1)} s an answer`}
                </td>
              </tr>
            ))}
          </Table>
        ) : (
          <p className="text-bad">No runner can be reached.</p>
        )}
      </section>
      <div className="grid gap-6 md:grid-cols-3">
        <Counts title="Training jobs" counts={jobs} />
        <Counts title="Verifications" counts={verifications} />
        <Counts title="Tasks" counts={tasks} />
      </div>
      <section>
        <h2 className="mb-2">Worked on</h2>
        {leases.length === 0 ? (
          <p className="text-quiet">No runner has a lease.</p>
        ) : (
          <Table head={['What', 'Function', 'Lease ends unless renewed']} label="Leases">
            {leases.map(({ function: name, what, expiresAt }) => (
              <tr key={what}>
                <th scope="row" className="break-all">
                  {what}
                </th>
                <td>{name}</td>
                <td>{expiresAt.slice(11, 19)}</td>
              </tr>
            ))}
          </Table>
        )}
      </section>
      <Reports reports={reports} />
    </>
  );
}

function Reports({ reports }: { reports: State['reports'] }) {
  return (
    <section>
      <h2 className="mb-2">Reports</h2>
      {reports.length === 0 ? (
        <p className="text-quiet">Nobody has found anything wrong with an adapter.</p>
      ) : (
        <Table head={['Adapter', 'When', 'By', 'What is wrong', 'More']} label="Reports">
          {reports.map(({ at, adapter, by, reason, message }) => (
            <tr key={`${at} ${adapter} ${by}`}>
              <th scope="row" className="break-all">
                <a className="link" href={`/adapters/${adapter}`}>
                  {adapter}
                </a>
              </th>
              <td className="whitespace-nowrap tabular-nums">{at.slice(0, 16).replace('T', ' ')}</td>
              <td>{by}</td>
              <td>{reason}</td>
              <td className="break-words">{message}</td>
            </tr>
          ))}
        </Table>
      )}
    </section>
  );
}

function Counts({ title, counts }: { title: string; counts: Readonly<Record<string, number>> }) {
  return (
    <section>
      <h2 className="mb-2">{title}</h2>
      {Object.keys(counts).length === 0 ? (
        <p className="text-quiet">None yet.</p>
      ) : (
        <Table head={['Status', 'How many']} label={title}>
          {Object.entries(counts).map(([status, rows]) => (
            <tr key={status}>
              <th scope="row">{status.replaceAll('_', ' ')}</th>
              <td className="tabular-nums">{rows.toLocaleString('en')}</td>
            </tr>
          ))}
        </Table>
      )}
    </section>
  );
}
