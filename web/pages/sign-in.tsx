/** Sign in, or make an account. */
import { type FormEvent, useState } from 'react';
import { useSearchParams } from 'react-router';
import { accounts } from '../accounts.ts';
import { dataOf } from '../api.ts';
import { useLoaded } from '../loaded.ts';
import { placeWithin } from '../own-path.ts';
import { Failure } from '../parts/action.tsx';
import { Field, NAME } from '../parts/field.tsx';
import { Submit } from '../parts/submit.tsx';
import { refusalOf } from '../refusals.ts';
import type { Asked } from '../routes.tsx';

export const loader = ({ api }: Asked) => dataOf(api.GET('/api/sign-in'));

const MIN_PASSWORD = 8;

/** By the library that keeps accounts. */
interface Answered {
  readonly error: { readonly message?: string | undefined; readonly status: number } | null;
}

export function Component() {
  const { signUp, github } = useLoaded<typeof loader>();
  const [params] = useSearchParams();
  const [isNew, setNew] = useState(params.has('new'));
  const refused = params.get('error');
  const [failure, setFailure] = useState<unknown>(refused === null ? undefined : refusalOf(refused));
  const [busy, setBusy] = useState(false);
  const to = () => placeWithin(location.origin, params.get('to') ?? '/');

  const attempt = async (act: () => Promise<Answered>): Promise<boolean> => {
    setBusy(true);
    setFailure(undefined);
    try {
      const { error } = await act();
      if (!error) return true; // another page is on its way
      setFailure(error.message ?? `The server answered ${error.status}.`);
    } catch (error) {
      setFailure(error);
    }
    setBusy(false);
    return false;
  };
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const { email, password, name } = Object.fromEntries(new FormData(event.currentTarget)) as Record<
      string,
      string
    >;
    const given = { email: email!, password: password! };
    const done = await attempt(() =>
      isNew ? accounts().signUp.email({ ...given, name: name! }) : accounts().signIn.email(given),
    );
    if (done) location.assign(to()); // as a new page: the server knows the session
  };

  return (
    <div className="mx-auto flex max-w-sm flex-col gap-4 py-8">
      <title>Sign in · Patchbay</title>
      <h1>{isNew ? 'Make an account' : 'Sign in'}</h1>
      <form method="post" onSubmit={submit} className="flex flex-col gap-3">
        {isNew && (
          <Field label="Name" hint={`You publish under it: ${NAME.title}`}>
            <input name="name" required {...NAME} autoComplete="username" />
          </Field>
        )}
        <Field label="E-mail">
          <input name="email" type="email" required autoComplete="email" />
        </Field>
        <Field label="Password" hint={isNew ? `At least ${MIN_PASSWORD} characters` : undefined}>
          <input
            name="password"
            type="password"
            required
            minLength={MIN_PASSWORD}
            autoComplete={isNew ? 'new-password' : 'current-password'}
          />
        </Field>
        <Failure of={failure} />
        <Submit className="button button-primary" disabled={busy}>
          {isNew ? 'Make the account' : 'Sign in'}
        </Submit>
      </form>
      {github && (
        <button
          type="button"
          className="button"
          disabled={busy}
          onClick={() => attempt(() => accounts().signIn.social({ provider: 'github', callbackURL: to() }))}
        >
          Sign in with GitHub
        </button>
      )}
      {signUp ? (
        <button type="button" className="link cursor-pointer self-start" onClick={() => setNew(!isNew)}>
          {isNew ? 'I have an account' : 'Make an account'}
        </button>
      ) : (
        <p className="text-quiet">Accounts are made by whoever runs this server: ask them for one.</p>
      )}
    </div>
  );
}
