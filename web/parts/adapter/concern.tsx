/** What a visitor may ask of an adapter's owner: to be let in, or to look at what is wrong. */
import { type FormEvent, useState } from 'react';
import { dataOf, type Schemas } from '../../api.ts';
import { browserApi } from '../../routes.tsx';
import { Failure, useAction } from '../action.tsx';
import { Field } from '../field.tsx';
import { Submit } from '../submit.tsx';

type Name = Pick<Schemas['Adapter'], 'owner' | 'name'>;

export function AskForAccess({ adapter: { owner, name } }: { adapter: Name }) {
  const [status, setStatus] = useState<string>();
  const { busy, failure, run } = useAction();
  const submit = (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const message = String(new FormData(event.currentTarget).get('message'));
    const asked = { params: { path: { owner, name } }, body: { message } };
    void run(async () =>
      setStatus((await dataOf(browserApi().POST('/api/adapters/{owner}/{name}/access', asked))).status),
    );
  };
  const said: Readonly<Record<string, string>> = {
    accepted: 'You were let in.',
    pending: 'Its owner will decide.',
    rejected: 'Its owner has rejected it.',
  };
  return (
    <form onSubmit={submit} className="panel flex flex-wrap items-end gap-3 p-4">
      <Field label="It is gated: ask for its weights and answers" className="min-w-60 flex-1">
        <input name="message" maxLength={1000} placeholder="What for?" />
      </Field>
      <Submit disabled={busy}>Ask</Submit>
      <Failure of={failure} />
      <span role="status">{status && said[status]}</span>
    </form>
  );
}

const REASONS = {
  broken: 'It does not work',
  misleading: 'It is not what it says',
  harmful: 'It does harm',
  licence: 'It breaks a licence',
  other: 'Something else',
} as const;

export function Report({ adapter: { owner, name } }: { adapter: Name }) {
  const [isSent, setSent] = useState(false);
  const { busy, failure, run } = useAction();
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    const body = { reason: form.get('reason') as keyof typeof REASONS, message: String(form.get('message')) };
    setSent(
      await run(() =>
        browserApi().POST('/api/adapters/{owner}/{name}/reports', {
          params: { path: { owner, name } },
          body,
        }),
      ),
    );
  };
  if (isSent) return <p role="status">Thank you. Whoever runs this server can see it.</p>;
  return (
    <details>
      <summary className="cursor-pointer text-quiet">Report it</summary>
      <form onSubmit={submit} className="flex flex-col gap-3 pt-3">
        <Field label="What is wrong">
          <select name="reason">
            {Object.entries(REASONS).map(([value, label]) => (
              <option key={value} value={value}>
                {label}
              </option>
            ))}
          </select>
        </Field>
        <Field label="More">
          <textarea name="message" rows={3} maxLength={2000} />
        </Field>
        <Submit className="button self-start" disabled={busy}>
          Report
        </Submit>
        <Failure of={failure} />
      </form>
    </details>
  );
}
