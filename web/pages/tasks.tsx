/** One's tasks: what was measured, merged and trained again. */
import { Link } from 'react-router';
import { dataOf, type Schemas } from '../api.ts';
import { useLoaded } from '../loaded.ts';
import { ActionButton } from '../parts/action.tsx';
import { isOver } from '../parts/adapter/task.tsx';
import { bytes, date, signed, time } from '../parts/format.ts';
import { Table } from '../parts/table.tsx';
import { JobStatus } from '../parts/train/job-status.tsx';
import { pageAfter, Work } from '../parts/work.tsx';
import { type Asked, browserApi } from '../routes.tsx';

type Task = Schemas['Task'];

export const personal = true;

export const loader = ({ api, url, signal }: Asked) =>
  dataOf(api.GET('/api/tasks', { params: { query: pageAfter(url) }, signal }));

/** By what is asked for, and the page of an adapter that asks for it and shows all of it. */
const KINDS: Readonly<Record<string, readonly [label: string, tab?: string]>> = {
  evaluate: ['Measured', 'verification'],
  merge: ['Merged', 'files'],
  reproduce: ['Trained again'],
};

export function Component() {
  const { tasks, next } = useLoaded<typeof loader>();
  return (
    <Work list="/tasks" more={next} isGoingOn={!tasks.every(isOver)}>
      {tasks.length === 0 ? (
        <div className="empty">
          <p>
            Nothing was measured, merged or trained again for you yet. The page of an adapter offers to
            measure it on rows of yours, under Verification, and to merge it, under Files.
          </p>
          <Link className="button" to="/">
            Browse
          </Link>
        </div>
      ) : (
        <Table head={['Model', 'What', 'Status', 'Result', 'Asked for', 'Actions']} label="Tasks">
          {tasks.map((task) => (
            <tr key={task.id}>
              <th scope="row" className="break-words">
                <Model {...task} />
              </th>
              <td className="whitespace-nowrap">{KINDS[task.function]?.[0] ?? task.function}</td>
              <td>
                <JobStatus status={task.status} />
              </td>
              <td className="min-w-56">
                <Result {...task} />
              </td>
              <td className="whitespace-nowrap">{time(Date.parse(task.createdAt) / 1000)}</td>
              <td>{!isOver(task) && <Cancel {...task} />}</td>
            </tr>
          ))}
        </Table>
      )}
    </Work>
  );
}

/** To where all of it is shown, where that is the page of one adapter. */
function Model({ id, function: name, model, versions }: Task) {
  const tab = KINDS[name]?.[1];
  const [only, other] = versions;
  if (!only || other || !tab) return only && !other ? only.version : model;
  const [adapter, number] = only.version.split('@');
  return (
    <Link className="link" to={`/adapters/${adapter}/${tab}?version=${number}&task=${id}`}>
      {only.version}
    </Link>
  );
}

function Cancel({ id, model }: Task) {
  return (
    <ActionButton
      className="text-bad"
      label={`Cancel the task about ${model}`}
      act={() => browserApi().POST('/api/tasks/{task}/cancel', { params: { path: { task: id } } })}
    >
      Cancel
    </ActionButton>
  );
}

function Result({ id, status, progress, result, error, filesExpireAt }: Task) {
  if (error) return <span className="break-words text-bad">{error.message}</span>;
  if (status === 'queued') return <span className="text-quiet">It waits for a runner.</span>;
  if (progress)
    return (
      <>
        {progress.what}: {progress.done} of {progress.total}
        <progress aria-label="Progress" max={progress.total} value={progress.done} />
      </>
    );
  if (!result) return null;
  if ('files' in result)
    return filesExpireAt === null ? (
      <span className="text-quiet">Its files are no longer there.</span>
    ) : (
      <Files id={id} files={result.files} until={filesExpireAt} />
    );
  if ('same' in result) return result.same ? 'The same bytes' : <span className="text-bad">Other bytes</span>;
  const { rows, gain, base } = result;
  return gain
    ? `Gain ${signed(gain.value)} (${signed(gain.low)} to ${signed(gain.high)}) nats per token, on ${rows.toLocaleString('en')} rows`
    : `Loss ${base.loss.toFixed(2)} nats per token, on ${rows.toLocaleString('en')} rows`;
}

function Files({
  id,
  files,
  until,
}: {
  id: string;
  files: readonly { readonly path: string; readonly size: number }[];
  until: string;
}) {
  const all = files.reduce((sum, { size }) => sum + size, 0);
  return (
    <details>
      <summary className="cursor-pointer">
        {files.length} files, {bytes(all)}, until {date(until)}
      </summary>
      <ul>
        {files.map(({ path, size }) => (
          <li key={path}>
            <a className="link break-all" href={`/api/tasks/${id}/files/${path}`} download>
              {path}
            </a>{' '}
            <span className="text-quiet">{bytes(size)}</span>
          </li>
        ))}
      </ul>
    </details>
  );
}
