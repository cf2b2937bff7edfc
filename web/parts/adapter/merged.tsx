/** Base and adapter as one checkpoint, for what knows no adapters. */
import { dataOf } from '../../api.ts';
import { browserApi } from '../../routes.tsx';
import { ActionButton } from '../action.tsx';
import { bytes, date } from '../format.ts';
import { Table } from '../table.tsx';
import { TaskProgress, useTask } from './task.tsx';

export function Merged({ reference }: { reference: string }) {
  const { task, start } = useTask();
  const files = task?.result && 'files' in task.result ? task.result.files : [];
  return (
    <section className="flex flex-col items-start gap-3">
      <h2>Merged weights</h2>
      <p className="max-w-prose text-quiet">
        Base and adapter as one Hugging Face checkpoint. It is made for you, which takes a while.
      </p>
      {!task && (
        <ActionButton
          act={() => start(dataOf(browserApi().POST('/api/tasks/merge', { body: { model: reference } })))}
        >
          Merge it
        </ActionButton>
      )}
      {task && (
        <TaskProgress task={task}>
          <p>{task.filesExpireAt && `To be had until ${date(task.filesExpireAt)}.`}</p>
          <Table head={['File', 'Size', 'sha256']} label="Merged files">
            {files.map(({ path, size, sha256 }) => (
              <tr key={path}>
                <th scope="row">
                  <a className="link" href={`/api/tasks/${task.id}/files/${path}`} download>
                    {path}
                  </a>
                </th>
                <td className="whitespace-nowrap">{bytes(size)}</td>
                <td className="font-mono text-xs break-all">{sha256}</td>
              </tr>
            ))}
          </Table>
        </TaskProgress>
      )}
    </section>
  );
}
