/** Base and adapter as one checkpoint, for what knows no adapters. */
import { dataOf, type Schemas } from '../../api.ts';
import { browserApi } from '../../routes.tsx';
import { ActionButton } from '../action.tsx';
import { bytes, date } from '../format.ts';
import { Table } from '../table.tsx';
import { TaskProgress, useTask } from './task.tsx';

export function Merged({ reference }: { reference: string }) {
  const { followed, start } = useTask();
  return (
    <section className="flex flex-col items-start gap-3">
      <h2>Merged weights</h2>
      <p className="max-w-prose text-quiet">
        Base and adapter as one Hugging Face checkpoint. It is made for you, which takes a while.
      </p>
      {(!followed || followed.failure !== undefined) && (
        <ActionButton
          act={() => start(dataOf(browserApi().POST('/api/tasks/merge', { body: { model: reference } })))}
        >
          Merge it
        </ActionButton>
      )}
      {followed && <TaskProgress {...followed}>{(task) => <MergedFiles {...task} />}</TaskProgress>}
    </section>
  );
}

function MergedFiles({ id, result, filesExpireAt }: Schemas['Task']) {
  const files = result && 'files' in result ? result.files : [];
  return (
    <>
      <p>{filesExpireAt && `To be had until ${date(filesExpireAt)}.`}</p>
      <Table head={['File', 'Size', 'sha256']} label="Merged files">
        {files.map(({ path, size, sha256 }) => (
          <tr key={path}>
            <th scope="row">
              <a className="link" href={`/api/tasks/${id}/files/${path}`} download>
                {path}
              </a>
            </th>
            <td className="whitespace-nowrap">{bytes(size)}</td>
            <td className="min-w-56 font-mono text-xs break-all">{sha256}</td>
          </tr>
        ))}
      </Table>
    </>
  );
}
