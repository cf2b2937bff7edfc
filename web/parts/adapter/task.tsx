/** Work that runners do when they are asked: measuring on a visitor's rows, merging into the base. */
import { type ReactNode, useEffect, useRef, useState } from 'react';
import { dataOf, type Schemas } from '../../api.ts';
import { browserApi } from '../../routes.tsx';
import { ActionButton } from '../action.tsx';

type Task = Schemas['Task'];

const ASK_AGAIN_MS = 1_000;
const isOver = ({ status }: Task): boolean => status !== 'queued' && status !== 'running';

/** Starts a task and follows it until it is over, or the page is left. */
export function useTask() {
  const [task, setTask] = useState<Task>();
  const left = useRef(new AbortController());
  useEffect(() => {
    left.current = new AbortController();
    return () => left.current.abort();
  }, []);
  const start = async (made: Promise<Task>): Promise<void> => {
    const { signal } = left.current;
    let known = await made;
    while (!signal.aborted) {
      setTask(known);
      if (isOver(known)) return;
      await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN_MS));
      const params = { path: { task: known.id } };
      known = await dataOf(browserApi().GET('/api/tasks/{task}', { params, signal }));
    }
  };
  return { task, start };
}

export function TaskProgress({ task, children }: { task: Task; children: ReactNode }) {
  if (task.status === 'succeeded') return children;
  if (isOver(task))
    return (
      <p role="alert" className="text-bad">
        {task.error?.message ?? `It was ${task.status}.`}
      </p>
    );
  const { progress } = task;
  return (
    <div role="status" className="flex flex-col gap-2">
      <p className="flex flex-wrap items-center gap-3">
        {progress ? `${progress.what}: ${progress.done} of ${progress.total}` : 'It waits for a runner.'}
        <ActionButton
          act={() => browserApi().POST('/api/tasks/{task}/cancel', { params: { path: { task: task.id } } })}
        >
          Cancel
        </ActionButton>
      </p>
      <progress aria-label="Progress" {...(progress ? { value: progress.done, max: progress.total } : {})} />
    </div>
  );
}
