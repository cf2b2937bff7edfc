/** A publisher: a person, or an organisation with its members. */
import type { FormEvent } from 'react';
import { Link } from 'react-router';
import { dataOf, type Schemas } from '../api.ts';
import { useLoaded } from '../loaded.ts';
import { ActionButton, Failure, useAction } from '../parts/action.tsx';
import { AdapterCards } from '../parts/adapter-card.tsx';
import { Field, NAME } from '../parts/field.tsx';
import { count, date } from '../parts/format.ts';
import { Submit } from '../parts/submit.tsx';
import { Table } from '../parts/table.tsx';
import { type Asked, browserApi } from '../routes.tsx';

const ROLES = ['read', 'write', 'admin'] as const;
const SHOWN = 48;

export const loader = async ({ api, viewer, params, url }: Asked) => {
  const name = params['name']!;
  const cursor = url.searchParams.get('cursor');
  const query = { owner: name, limit: SHOWN, counts: 'true' as const, ...(cursor ? { cursor } : {}) };
  const [page, members] = await Promise.all([
    dataOf(api.GET('/api/adapters', { params: { query } })),
    // Only those who belong to it may see who else does.
    viewer?.organisations.some((one) => one.name === name)
      ? dataOf(
          api.GET('/api/organisations/{organisation}/members', { params: { path: { organisation: name } } }),
        )
      : undefined,
  ]);
  const mayChange = viewer?.organisations.some((one) => one.name === name && one.role === 'admin');
  return { name, page, members: members?.members, mayChange: mayChange ?? false };
};

export function Component() {
  const { name, page, members, mayChange } = useLoaded<typeof loader>();
  const { adapters, counts, next, warm } = page;
  const downloads = adapters.reduce((sum, adapter) => sum + adapter.downloads, 0);
  return (
    <div className="flex flex-col gap-8">
      <title>{`${name} · Patchbay`}</title>
      <header>
        <h1 className="break-all">{name}</h1>
        <p className="text-quiet">
          {counts?.total.toLocaleString('en')} {counts?.total === 1 ? 'adapter' : 'adapters'} ·{' '}
          {count(downloads)} downloads in 30 days
        </p>
      </header>
      {adapters.length === 0 && <p className="empty">Nothing is listed under this name.</p>}
      <AdapterCards adapters={adapters} warm={warm} />
      {next && (
        <Link className="button self-start" to={`/people/${name}?cursor=${encodeURIComponent(next)}`}>
          Next page
        </Link>
      )}
      {members && <Members organisation={name} members={members} mayChange={mayChange} />}
    </div>
  );
}

type Member = Schemas['Member'];

function Members({
  organisation,
  members,
  mayChange,
}: {
  organisation: string;
  members: readonly Member[];
  mayChange: boolean;
}) {
  const pathOf = (member: string) => ({ params: { path: { organisation, member } } });
  const route = '/api/organisations/{organisation}/members/{member}';
  return (
    <section className="flex flex-col gap-3">
      <h2>Members</h2>
      <Table head={['Name', 'Kind', 'Role', 'Since', ...(mayChange ? ['Actions'] : [])]} label="Members">
        {members.map(({ name, kind, role, since }) => (
          <tr key={name}>
            <th scope="row">{name}</th>
            <td>{kind}</td>
            <td>{role}</td>
            <td className="whitespace-nowrap">{date(since)}</td>
            {mayChange && (
              <td>
                <ActionButton
                  className="text-bad"
                  label={`Take ${name} out`}
                  confirm={{ what: `Take ${name} out of ${organisation}?`, yes: 'Take out' }}
                  act={() => browserApi().DELETE(route, pathOf(name))}
                >
                  Take out
                </ActionButton>
              </td>
            )}
          </tr>
        ))}
      </Table>
      {mayChange && (
        <div className="flex flex-wrap gap-4">
          <AddForm
            what="Take somebody in"
            hint="Or change a role"
            add={(name, role) => browserApi().PUT(route, { ...pathOf(name), body: { role } })}
          />
          <AddForm
            what="Make a service account"
            hint="A program’s; its keys are made with POST /api/keys"
            add={(name, role) =>
              browserApi().POST('/api/organisations/{organisation}/service-accounts', {
                params: { path: { organisation } },
                body: { name, role },
              })
            }
          />
        </div>
      )}
    </section>
  );
}

function AddForm({
  what,
  hint,
  add,
}: {
  what: string;
  hint: string;
  add: (name: string, role: Member['role']) => Promise<unknown>;
}) {
  const { busy, failure, run } = useAction();
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = event.currentTarget;
    const { name, role } = Object.fromEntries(new FormData(form)) as { name: string; role: Member['role'] };
    if (await run(() => add(name, role))) form.reset();
  };
  return (
    <form onSubmit={submit} className="panel fields flex-1 p-4">
      <Field label={what} hint={hint} className="min-w-40 flex-1">
        <input name="name" required {...NAME} />
      </Field>
      <Field label="Role">
        <select name="role" defaultValue="write">
          {ROLES.map((role) => (
            <option key={role}>{role}</option>
          ))}
        </select>
      </Field>
      <Submit disabled={busy}>Add</Submit>
      <Failure of={failure} />
    </form>
  );
}
