/** One's files: rows to train with, and to measure with. */
import { Link } from 'react-router';
import { dataOf } from '../api.ts';
import { useLoaded } from '../loaded.ts';
import { ActionButton } from '../parts/action.tsx';
import { CopyButton } from '../parts/copy-button.tsx';
import { bytes, time } from '../parts/format.ts';
import { Table } from '../parts/table.tsx';
import { pageAfter, Work } from '../parts/work.tsx';
import { type Asked, browserApi } from '../routes.tsx';

export const personal = true;

export const loader = ({ api, url, signal }: Asked) =>
  dataOf(api.GET('/v1/files', { params: { query: pageAfter(url) }, signal }));

export function Component() {
  const { data: files, has_more, last_id } = useLoaded<typeof loader>();
  return (
    <Work list="/files" more={has_more ? last_id : null}>
      {files.length === 0 ? (
        <div className="empty">
          <p>No rows of yours are here: those that you train or measure with will be.</p>
          <Link className="button" to="/train">
            Train one
          </Link>
        </div>
      ) : (
        <Table head={['File', 'Size', 'Sent', 'Id', 'Actions']} label="Files">
          {files.map(({ id, filename, bytes: size, created_at: at }) => (
            <tr key={id}>
              <th scope="row" className="min-w-48">
                <a className="link break-all" href={`/v1/files/${id}/content`} download={filename}>
                  {filename}
                </a>
              </th>
              <td className="whitespace-nowrap">{bytes(size)}</td>
              <td className="whitespace-nowrap">{time(at)}</td>
              <td className="font-mono text-xs whitespace-nowrap text-quiet">
                {id.slice(0, 14)}… <CopyButton text={id} what={`the id of ${filename}`} />
              </td>
              <td>
                <ActionButton
                  className="text-bad"
                  label={`Delete ${filename}`}
                  confirm={{
                    what: `Delete ${filename}?`,
                    why: 'What was trained with it stays. To train it again from its receipt, the same rows must be sent again.',
                    yes: 'Delete it',
                  }}
                  act={() => browserApi().DELETE('/v1/files/{id}', { params: { path: { id } } })}
                >
                  Delete
                </ActionButton>
              </td>
            </tr>
          ))}
        </Table>
      )}
    </Work>
  );
}
