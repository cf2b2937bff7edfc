/** Who is told of what happens, and how it was answered. */
import { type FormEvent, useState } from 'react';
import { dataOf, type Schemas } from '../../api.ts';
import { browserApi } from '../../routes.tsx';
import { ActionButton, Failure, useAction } from '../action.tsx';
import { CopyButton } from '../copy-button.tsx';
import { Field } from '../field.tsx';
import { date } from '../format.ts';
import { Submit } from '../submit.tsx';
import { Table } from '../table.tsx';

export interface WebhookLog {
  readonly webhook: Schemas['Webhook'];
  readonly deliveries: readonly Schemas['Delivery'][];
}

export function Webhooks({ webhooks }: { webhooks: readonly WebhookLog[] }) {
  return (
    <section className="flex flex-col gap-6">
      <p className="max-w-prose text-quiet">
        An address of yours is told what becomes of versions, jobs and requests for access, and when a month’s
        statement is closed. That is signed as{' '}
        <a className="link" href="https://www.standardwebhooks.com" rel="noopener">
          Standard Webhooks
        </a>{' '}
        are, and told again until it is answered with 2xx.
      </p>
      <NewWebhook />
      {webhooks.map(({ webhook, deliveries }) => (
        <section key={webhook.id} className="panel flex flex-col gap-3 p-4">
          <header className="flex flex-wrap items-center gap-3">
            <h2 className="min-w-0 flex-1 basis-60 text-base break-all">{webhook.url}</h2>
            {webhook.disabled && <span className="chip border-bad text-bad">answered 410: told no more</span>}
            <span className="text-sm text-quiet">since {date(webhook.createdAt)}</span>
            <ActionButton
              className="text-bad"
              confirm={{ what: `Tell ${webhook.url} no more?`, yes: 'Remove it' }}
              act={() => browserApi().DELETE('/api/webhooks/{id}', { params: { path: { id: webhook.id } } })}
            >
              Remove
            </ActionButton>
          </header>
          <p className="text-sm text-quiet">{webhook.kinds.join(', ')}</p>
          {deliveries.length === 0 ? (
            <p className="text-quiet">Nothing was told yet.</p>
          ) : (
            <Table head={['What', 'About', 'Status', 'Attempts', 'Answer', 'Actions']} label="Deliveries">
              {deliveries.map(({ id, kind, subject, status, attempts, answer }) => (
                <tr key={id}>
                  <th scope="row">{kind}</th>
                  <td>{subject}</td>
                  <td className={status === 'failed' ? 'text-bad' : ''}>{status}</td>
                  <td>{attempts}</td>
                  <td className="min-w-48 break-words">{answer}</td>
                  <td>
                    <ActionButton
                      label={`Tell ${kind} of ${subject} again`}
                      act={() =>
                        browserApi().POST('/api/webhooks/{id}/deliveries/{delivery}/replay', {
                          params: { path: { id: webhook.id, delivery: id } },
                        })
                      }
                    >
                      Replay
                    </ActionButton>
                  </td>
                </tr>
              ))}
            </Table>
          )}
        </section>
      ))}
    </section>
  );
}

function NewWebhook() {
  const [secret, setSecret] = useState<string>();
  const { busy, failure, run } = useAction();
  const submit = async (event: FormEvent<HTMLFormElement>) => {
    event.preventDefault();
    const form = event.currentTarget;
    const url = String(new FormData(form).get('url'));
    const made = await run(async () =>
      setSecret((await dataOf(browserApi().POST('/api/webhooks', { body: { url } }))).secret),
    );
    if (made) form.reset();
  };
  return (
    <form onSubmit={submit} className="panel flex flex-col gap-3 p-4">
      <div className="flex flex-wrap items-end gap-3">
        <Field label="URL" className="min-w-60 flex-1">
          <input type="url" name="url" required maxLength={2000} placeholder="https://example.org/hook" />
        </Field>
        <Submit className="button button-primary" disabled={busy}>
          Tell it
        </Submit>
      </div>
      <Failure of={failure} />
      {secret && (
        <p role="status" className="flex flex-wrap items-center gap-3 rounded-md bg-sunken p-3">
          <code className="font-mono text-sm break-all">{secret}</code>
          <CopyButton text={secret} what="the secret" />
          <span className="text-sm text-quiet">Shown only now: signatures are checked with it.</span>
        </p>
      )}
    </form>
  );
}
