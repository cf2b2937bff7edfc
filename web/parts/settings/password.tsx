/** Another password. */
import { type FormEvent, useState } from 'react';
import { accounts } from '../../accounts.ts';
import { Failure, useAction } from '../action.tsx';
import { Field } from '../field.tsx';
import { Submit } from '../submit.tsx';

const MIN_PASSWORD = 8;

export function Password() {
  const [isChanged, setChanged] = useState(false);
  const { busy, failure, run } = useAction();
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = event.currentTarget;
    const given = new FormData(form);
    const passwords = {
      currentPassword: String(given.get('current')),
      newPassword: String(given.get('new')),
      revokeOtherSessions: true,
    };
    setChanged(false);
    const changed = await run(async () => {
      const { error } = await accounts().changePassword(passwords);
      if (error) throw new Error(error.message ?? `The server answered ${error.status}.`);
    });
    setChanged(changed);
    if (changed) form.reset();
  };
  return (
    <section className="flex flex-col gap-4">
      <h2>Password</h2>
      <form method="post" onSubmit={submit} className="panel flex max-w-sm flex-col gap-3 p-4">
        <Field label="Password until now">
          <input name="current" type="password" required autoComplete="current-password" />
        </Field>
        <Field label="New password" hint={`At least ${MIN_PASSWORD} characters`}>
          <input name="new" type="password" required minLength={MIN_PASSWORD} autoComplete="new-password" />
        </Field>
        <Submit className="button button-primary self-start" disabled={busy}>
          Change it
        </Submit>
        <Failure of={failure} />
        <p role="status" className="empty:hidden">
          {isChanged && 'It is changed. Other browsers are signed out.'}
        </p>
      </form>
    </section>
  );
}
