/** Keys: for programs. */
import { type FormEvent, useState } from 'react';
import { dataOf, type Schemas } from '../../api.ts';
import { browserApi } from '../../routes.tsx';
import { ActionButton, Failure, useAction } from '../action.tsx';
import { CopyButton } from '../copy-button.tsx';
import { Field } from '../field.tsx';
import { date } from '../format.ts';
import { Submit } from '../submit.tsx';
import { Table } from '../table.tsx';

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

export function Keys({ keys }: { keys: readonly Schemas['Key'][] }) {
  return (
    <section className="flex flex-col gap-4">
      <h2>Keys</h2>
      <p className="max-w-prose text-quiet">
        For programs: OpenAI’s and Hugging Face’s clients, and the command line. Send one as{' '}
        <code>Authorization: Bearer …</code>.
      </p>
      <NewKey />
      {keys.length > 0 && (
        <Table head={['Name', 'Begins with', 'May', 'Made', 'Ends', 'Actions']} label="Keys">
          {keys.map(({ id, name, start, scopes, adapters, createdAt, expiresAt }) => (
            <tr key={id}>
              <th scope="row">{name}</th>
              <td className="font-mono text-xs">{start}…</td>
              <td>
                {scopes.join(', ')}
                {adapters && <span className="block text-quiet">for {adapters.join(', ')} alone</span>}
              </td>
              <td className="whitespace-nowrap">{date(createdAt)}</td>
              <td>{expiresAt ? date(expiresAt) : 'never'}</td>
              <td>
                <ActionButton
                  className="text-bad"
                  label={`Revoke ${name}`}
                  confirm={{
                    what: `Revoke ${name}?`,
                    why: 'Programs that use it will be refused at once.',
                    yes: 'Revoke it',
                  }}
                  act={() => browserApi().DELETE('/api/keys/{id}', { params: { path: { id } } })}
                >
                  Revoke
                </ActionButton>
              </td>
            </tr>
          ))}
        </Table>
      )}
    </section>
  );
}

function NewKey() {
  const [key, setKey] = useState<string>();
  const { busy, failure, run } = useAction();
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = event.currentTarget;
    const given = new FormData(form);
    const days = LIFETIMES[given.get('lifetime') as keyof typeof LIFETIMES];
    const body = {
      name: String(given.get('name')),
      scopes: given.getAll('scope') as Scope[],
      ...(days ? { expiresInSeconds: days * DAY_SECONDS } : {}),
    };
    const made = await run(async () => setKey((await dataOf(browserApi().POST('/api/keys', { body }))).key));
    if (made) form.reset();
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
        <Submit className="button button-primary" disabled={busy}>
          Make a key
        </Submit>
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
      <Failure of={failure} />
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
