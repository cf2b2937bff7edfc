/** Names that several people publish under. */
import type { FormEvent } from 'react';
import { Link } from 'react-router';
import type { Schemas } from '../../api.ts';
import { browserApi } from '../../routes.tsx';
import { Failure, useAction } from '../action.tsx';
import { Field, NAME } from '../field.tsx';
import { Submit } from '../submit.tsx';

export function Organisations({ organisations }: Pick<Schemas['Whoami'], 'organisations'>) {
  const { busy, failure, run } = useAction();
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = event.currentTarget;
    const name = String(new FormData(form).get('name'));
    if (await run(() => browserApi().POST('/api/organisations', { body: { name } }))) form.reset();
  };
  return (
    <section className="flex flex-col gap-4">
      <ul className="flex flex-col gap-1">
        {organisations.map(({ name, role }) => (
          <li key={name}>
            <Link className="link" to={`/people/${name}`}>
              {name}
            </Link>{' '}
            <span className="text-quiet">{role}</span>
          </li>
        ))}
      </ul>
      {organisations.length === 0 && <p className="text-quiet">You belong to none.</p>}
      <form onSubmit={submit} className="panel fields p-4">
        <Field label="Make an organisation" hint="You are its first admin" className="min-w-40 flex-1">
          <input name="name" required {...NAME} />
        </Field>
        <Submit className="button button-primary" disabled={busy}>
          Make it
        </Submit>
        <Failure of={failure} />
      </form>
    </section>
  );
}
