/** For those who administer an adapter: who may see it, who may use it, and what of it is listed. */
import { useEffect, useState } from 'react';
import { dataOf, type Schemas } from '../../api.ts';
import type { Shown } from '../../pages/adapter.tsx';
import { browserApi } from '../../routes.tsx';
import { ActionButton, Failure, useAction } from '../action.tsx';
import { Field } from '../field.tsx';
import { date } from '../format.ts';
import { Table } from '../table.tsx';
import { VisibilityField } from '../visibility.tsx';
import { Status } from './status.tsx';

type Adapter = Schemas['AdapterDetail'];

export function Manage({ adapter }: Shown) {
  return (
    <div className="flex flex-col gap-8">
      <Access adapter={adapter} />
      {adapter.gate && <Requests adapter={adapter} />}
      <section>
        <h2 className="mb-2">Withdraw a version</h2>
        <p className="mb-2 max-w-prose text-quiet">
          Nobody finds, fetches or asks it any more, until the same files are published again; who holds them
          keeps them.
        </p>
        <Table head={['Version', 'Status', 'Published', 'Actions']} label="Versions">
          {adapter.versions.map(({ number, status, createdAt }) => (
            <tr key={number}>
              <th scope="row">{number}</th>
              <td>
                <Status status={status} />
              </td>
              <td className="whitespace-nowrap">{date(createdAt)}</td>
              <td>
                {status !== 'withdrawn' && (
                  <ActionButton
                    className="text-bad"
                    label={`Withdraw version ${number}`}
                    confirm={{
                      what: `Withdraw ${adapter.id}@${number}?`,
                      why: 'Nobody finds, fetches or asks it any more.',
                      yes: 'Withdraw it',
                    }}
                    act={() =>
                      browserApi().DELETE('/api/adapters/{owner}/{name}/versions/{number}', {
                        params: { path: { owner: adapter.owner, name: adapter.name, number } },
                      })
                    }
                  >
                    Withdraw
                  </ActionButton>
                )}
              </td>
            </tr>
          ))}
        </Table>
      </section>
    </div>
  );
}

const GATES = { open: 'anybody', auto: 'whoever asked for access', manual: 'whom you accept' } as const;

function Access({ adapter: { owner, name, visibility, gate } }: { adapter: Adapter }) {
  const { busy, failure, run } = useAction();
  const change = (body: Partial<Schemas['Settings']>) =>
    run(() =>
      browserApi().PATCH('/api/adapters/{owner}/{name}', { params: { path: { owner, name } }, body }),
    );
  return (
    <section className="panel flex flex-wrap gap-6 p-4">
      <VisibilityField
        value={visibility}
        disabled={busy}
        onChange={(event) => change({ visibility: event.target.value as Adapter['visibility'] })}
      />
      <Field label="Who may have its weights and answers">
        <select
          value={gate ?? 'open'}
          disabled={busy}
          onChange={(event) =>
            change({ gate: event.target.value === 'open' ? null : (event.target.value as 'auto' | 'manual') })
          }
        >
          {Object.entries(GATES).map(([value, label]) => (
            <option key={value} value={value}>
              {label}
            </option>
          ))}
        </select>
      </Field>
      <Failure of={failure} />
    </section>
  );
}

function Requests({ adapter: { owner, name } }: { adapter: Adapter }) {
  const [requests, setRequests] = useState<readonly Schemas['AccessRequest'][]>();
  const [failure, setFailure] = useState<unknown>();
  const path = { owner, name };
  const load = async () => {
    const found = await dataOf(browserApi().GET('/api/adapters/{owner}/{name}/access', { params: { path } }));
    setRequests(found.requests);
  };
  // biome-ignore lint/correctness/useExhaustiveDependencies: once, for this adapter
  useEffect(() => void load().catch(setFailure), []);
  const decide = (user: string, status: 'accepted' | 'rejected') => async () => {
    const asked = { params: { path: { ...path, user } }, body: { status } };
    await browserApi().PUT('/api/adapters/{owner}/{name}/access/{user}', asked);
    await load();
  };
  return (
    <section>
      <h2 className="mb-2">Who asked for access</h2>
      <Failure of={failure} />
      {!requests && !failure && <p role="status">Asking for them…</p>}
      {requests?.length === 0 && <p className="text-quiet">Nobody yet.</p>}
      {requests && requests.length > 0 && (
        <Table head={['Who', 'Why', 'When', 'Status', 'Actions']} label="Requests">
          {requests.map(({ user, message, createdAt, status }) => (
            <tr key={user}>
              <th scope="row">{user}</th>
              <td className="break-words">{message}</td>
              <td className="whitespace-nowrap">{date(createdAt)}</td>
              <td>{status}</td>
              <td className="flex gap-2">
                <ActionButton label={`Accept ${user}`} act={decide(user, 'accepted')}>
                  Accept
                </ActionButton>
                <ActionButton label={`Reject ${user}`} className="text-bad" act={decide(user, 'rejected')}>
                  Reject
                </ActionButton>
              </td>
            </tr>
          ))}
        </Table>
      )}
    </section>
  );
}
