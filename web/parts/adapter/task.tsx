/** Work that runners do when they are asked: measuring on a visitor's rows, merging into the base. */
import { type ReactNode, useEffect, useState } from 'react';
import { useSearchParams } from 'react-router';
import { dataOf, type Schemas } from '../../api.ts';
import { patiently, said } from '../../failure.ts';
import { browserApi } from '../../routes.tsx';
import { ActionButton, Failure } from '../action.tsx';

type Task = Schemas['Task'];

const ASK_AGAIN_MS = 1_000;
export const isOver = ({ status }: Task): boolean => status !== 'queued' && status !== 'running';

/** What is known of a task; nothing at first. */
export interface Followed {
  readonly task?: Task;
  /** Why it is being asked for again. */
  readonly trouble?: unknown;
  /** Why no more can be known of it. */
  readonly failure?: unknown;
}

/** Starts a task and follows it until it is over, or the page is left. It is in the URL: a reload finds it again. */
export function useTask() {
  const [params, setParams] = useSearchParams();
  const id = params.get('task');
  const [followed, setFollowed] = useState<Followed>();
  useEffect(() => {
    if (!id) return setFollowed(undefined);
    const left = new AbortController();
    setFollowed({});
    void follow(id, left.signal, setFollowed);
    return () => left.abort();
  }, [id]);
  const start = async (made: Promise<Task>): Promise<void> => {
    const { id: task } = await made;
    const next = new URLSearchParams(params);
    next.set('task', task);
    setParams(next, { replace: true, preventScrollReset: true });
  };
  return { followed, start };
}

type Tell = (change: (before: Followed | undefined) => Followed) => void;

async function follow(task: string, signal: AbortSignal, tell: Tell): Promise<void> {
  const ask = () => dataOf(browserApi().GET('/api/tasks/{task}', { params: { path: { task } }, signal }));
  try {
    while (!signal.aborted) {
      const known = await patiently(ask, (trouble) => tell((before) => ({ ...before, trouble })), signal);
      tell(() => ({ task: known }));
      if (isOver(known)) return;
      await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN_MS));
    }
  } catch (failure) {
    if (!signal.aborted) tell(() => ({ failure }));
  }
}

/** @param children what came of it */
export function TaskProgress({
  task,
  trouble,
  failure,
  children,
}: Followed & { children: (task: Task) => ReactNode }) {
  if (failure) return <Failure of={failure} />;
  if (task?.status === 'succeeded') return children(task);
  if (task && isOver(task))
    return (
      <p role="alert" className="text-bad">
        {task.error?.message ?? `It was ${task.status}.`}
      </p>
    );
  const progress = task?.progress;
  return (
    <div role="status" className="flex w-full flex-col gap-2">
      <p className="flex flex-wrap items-center gap-3">
        {!task && 'Asking how far it is.'}
        {task &&
          (progress ? `${progress.what}: ${progress.done} of ${progress.total}` : 'It waits for a runner.')}
        {task && (
          <ActionButton
            act={() => browserApi().POST('/api/tasks/{task}/cancel', { params: { path: { task: task.id } } })}
          >
            Cancel
          </ActionButton>
        )}
      </p>
      {trouble !== undefined && <p className="text-warn">{said(trouble)} It is being asked for again.</p>}
      <progress aria-label="Progress" {...(progress ? { value: progress.done, max: progress.total } : {})} />
    </div>
  );
}
