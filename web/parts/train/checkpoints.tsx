/** What a job was on its way: each can be asked, and become a version. */
import { useState } from 'react';
import { Link } from 'react-router';
import { openai } from '../../openai.ts';
import { ActionButton } from '../action.tsx';
import { Table } from '../table.tsx';
import type { History } from './history.ts';

/** What promoting answers, beyond OpenAI's protocol. */
interface Promoted {
  readonly model: string;
  readonly status: string;
}

export function Checkpoints({ job, checkpoints }: Pick<History, 'job' | 'checkpoints'>) {
  const [promoted, setPromoted] = useState<Readonly<Record<string, Promoted>>>({});
  const promote = async (id: string) => {
    const path = `/fine_tuning/jobs/${job.id}/checkpoints/${id}/promote`;
    const made = await openai().post<Promoted>(path);
    setPromoted((before) => ({ ...before, [id]: made }));
  };
  return (
    <section>
      <h2 className="mb-2">Checkpoints</h2>
      <Table
        head={['Step', 'Training loss', 'Validation loss', 'Kept at (UTC)', 'Actions']}
        label="Checkpoints"
      >
        {checkpoints.map(({ id, step_number: step, created_at: at, metrics, ...checkpoint }) => (
          <tr key={id}>
            <th scope="row">{step}</th>
            <td className="tabular-nums">{figure(metrics, 'train_loss')}</td>
            <td className="tabular-nums">{figure(metrics, 'full_valid_loss')}</td>
            <td className="tabular-nums">{new Date(at * 1000).toISOString().slice(11, 19)}</td>
            <td>
              <span className="flex flex-wrap items-center gap-2">
                <Link
                  className="button button-small"
                  aria-label={`Try step ${step}`}
                  to={`/playground?model=${encodeURIComponent(job.model)}&model=${encodeURIComponent(checkpoint.fine_tuned_model_checkpoint)}`}
                >
                  Try
                </Link>
                {promoted[id] ? (
                  <Made {...promoted[id]} />
                ) : (
                  <ActionButton
                    label={`Promote step ${step}`}
                    confirm={{
                      what: `Publish step ${step} as a version?`,
                      why: 'It goes through the publish gate, and is listed once it has passed. The job goes on.',
                      yes: 'Publish it',
                    }}
                    act={() => promote(id)}
                  >
                    Promote
                  </ActionButton>
                )}
              </span>
            </td>
          </tr>
        ))}
      </Table>
    </section>
  );
}

function Made({ model, status }: Promoted) {
  const [id, version = ''] = model.split('@v');
  return (
    <span role="status">
      <Link className="link" to={`/adapters/${id}?version=${version}`}>
        {id}@{version}
      </Link>{' '}
      {status === 'pending' && <span className="text-quiet">is being verified</span>}
    </span>
  );
}

function figure(metrics: object, name: string): string {
  const value = (metrics as Record<string, unknown>)[name];
  return typeof value === 'number' ? value.toFixed(4) : '';
}
