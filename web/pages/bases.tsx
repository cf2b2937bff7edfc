/** Base models. */
import { Link } from 'react-router';
import { dataOf } from '../api.ts';
import { useLoaded } from '../loaded.ts';
import { count } from '../parts/format.ts';
import { Table } from '../parts/table.tsx';
import type { Asked } from '../routes.tsx';

export const loader = ({ api }: Asked) => dataOf(api.GET('/api/bases'));

export function Component() {
  const { bases } = useLoaded<typeof loader>();
  return (
    <div className="flex flex-col gap-4">
      <title>Bases · Patchbay</title>
      <h1>Base models</h1>
      <p className="max-w-prose text-quiet">
        Each is loaded once and stays as it is; adapters are plugged into it, many in one batch.
      </p>
      <Table
        head={['Base', 'Architecture', 'Parameters', 'Context', 'Layers', 'Actions']}
        label="Base models"
      >
        {bases.map(({ id, architecture, parameters, contextLength, layers }) => (
          <tr key={id}>
            <th scope="row">
              <Link className="link" to={`/bases/${id}`}>
                {id}
              </Link>
            </th>
            <td>{architecture}</td>
            <td>{count(parameters)}</td>
            <td>{contextLength.toLocaleString('en')}</td>
            <td>{layers}</td>
            <td>
              <Link className="link" to={`/?base=${encodeURIComponent(id)}`}>
                Its adapters
              </Link>
            </td>
          </tr>
        ))}
      </Table>
    </div>
  );
}
