/** One's keys, and the way out. */
import { type FormEvent, useState } from 'react';
import { Link, useRevalidator } from 'react-router';
import { accounts } from '../accounts.ts';
import { dataOf, Problem, type Schemas } from '../api.ts';
import { useLoaded } from '../loaded.ts';
import { CopyButton } from '../parts/copy-button.tsx';
import { Field } from '../parts/field.tsx';
import { date } from '../parts/format.ts';
import { type Asked, browserApi } from '../routes.tsx';

type Scope = Schemas['NewKey']['scopes'][number];

const SCOPES: Readonly<Partial<Record<Scope, string>>> = {
  read: 'see what you may see',
  infer: 'ask adapters and bases',
  train: 'upload files and train',
  publish: 'publish adapters',
  manage: 'keys, organisations, settings',
};
const LIFETIMES = { '30 days': 30, '90 days': 90, 'a year': 365, 'until revoked': undefined } as const;
const DAY_SECONDS = 86_400;

export const loader = async ({ api }: Asked) => {
  const [{ keys }, who] = await Promise.all([dataOf(api.GET('/api/keys')), dataOf(api.GET('/api/whoami'))]);
  return { keys, who };
};

export function Component() {
  const { keys, who } = useLoaded<typeof loader>();
  const revalidator = useRevalidator();
  const revoke = async (id: string) => {
    await browserApi().DELETE('/api/keys/{id}', { params: { path: { id } } });
    await revalidator.revalidate();
  };
  const leave = async () => {
    await accounts().signOut();
    location.assign('/');
  };
  return (
    <div className="flex flex-col gap-8">
      <title>Settings · Patchbay</title>
      <header className="flex flex-wrap items-center gap-3">
        <h1 className="flex-1">{who.owner}</h1>
        <Link className="button" to={`/people/${who.owner}`}>
          Your page
        </Link>
        <button type="button" className="button" onClick={leave}>
          Sign out
        </button>
      </header>
      {who.organisations.length > 0 && (
        <section>
          <h2 className="mb-2">Organisations</h2>
          <ul className="flex flex-col gap-1">
            {who.organisations.map(({ name, role }) => (
              <li key={name}>
                <Link className="link" to={`/people/${name}`}>
                  {name}
                </Link>{' '}
                <span className="text-quiet">{role}</span>
              </li>
            ))}
          </ul>
        </section>
      )}
      <section>
        <h2 className="mb-2">Keys</h2>
        <p className="mb-3 max-w-prose text-quiet">
          For programs: OpenAI’s and Hugging Face’s clients, and the command line. Send one as{' '}
          <code>Authorization: Bearer …</code>.
        </p>
        <NewKey made={() => revalidator.revalidate()} />
        <div className="mt-4 overflow-x-auto">
          <table className="table">
            <thead>
              <tr>
                <th scope="col">Name</th>
                <th scope="col">Begins with</th>
                <th scope="col">May</th>
                <th scope="col">Made</th>
                <th scope="col">Ends</th>
                <th scope="col">
                  <span className="sr-only">Actions</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {keys.map(({ id, name, start, scopes, adapters, createdAt, expiresAt }) => (
                <tr key={id}>
                  <th scope="row">{name}</th>
                  <td className="font-mono text-xs">{start}…</td>
                  <td>
                    {scopes.join(', ')}
                    {adapters && <span className="block text-quiet">for {adapters.join(', ')} alone</span>}
                  </td>
                  <td>{date(createdAt)}</td>
                  <td>{expiresAt ? date(expiresAt) : 'never'}</td>
                  <td>
                    <button
                      type="button"
                      className="button px-2 py-0.5 text-bad"
                      onClick={() => revoke(id)}
                      aria-label={`Revoke ${name}`}
                    >
                      Revoke
                    </button>
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
          {keys.length === 0 && <p className="py-3 text-quiet">You have no keys.</p>}
        </div>
      </section>
    </div>
  );
}

function NewKey({ made }: { made: () => void }) {
  const [key, setKey] = useState<string>();
  const [failure, setFailure] = useState<string>();
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = event.currentTarget;
    const given = new FormData(form);
    const days = LIFETIMES[given.get('lifetime') as keyof typeof LIFETIMES];
    setFailure(undefined);
    try {
      const body = {
        name: String(given.get('name')),
        scopes: given.getAll('scope') as Scope[],
        ...(days ? { expiresInSeconds: days * DAY_SECONDS } : {}),
      };
      setKey((await dataOf(browserApi().POST('/api/keys', { body }))).key);
      form.reset();
      made();
    } catch (error) {
      setFailure(error instanceof Problem ? error.message : 'The server could not be reached.');
    }
  };
  return (
    <form onSubmit={submit} className="panel flex flex-col gap-3 p-4">
      <div className="flex flex-wrap items-end gap-4">
        <Field label="Name" className="min-w-40 flex-1">
          <input name="name" required maxLength={64} placeholder="laptop" />
        </Field>
        <Field label="Ends after">
          <select name="lifetime" defaultValue="90 days">
            {Object.keys(LIFETIMES).map((name) => (
              <option key={name}>{name}</option>
            ))}
          </select>
        </Field>
        <button type="submit" className="button button-primary">
          Make a key
        </button>
      </div>
      <fieldset className="flex flex-wrap gap-x-5 gap-y-1 text-sm">
        <legend className="mb-1 font-medium">It may</legend>
        {Object.entries(SCOPES).map(([scope, what]) => (
          <label key={scope} className="flex items-center gap-2">
            <input type="checkbox" name="scope" value={scope} defaultChecked={scope !== 'manage'} />
            {what}
          </label>
        ))}
      </fieldset>
      {failure && (
        <p role="alert" className="text-bad">
          {failure}
        </p>
      )}
      {key && (
        <p role="status" className="flex flex-wrap items-center gap-3 rounded-md bg-sunken p-3">
          <code className="font-mono text-sm break-all">{key}</code>
          <CopyButton text={key} what="the key" />
          <span className="text-sm text-quiet">Shown only now: keep it.</span>
        </p>
      )}
    </form>
  );
}
