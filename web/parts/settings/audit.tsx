/** What was done under one's name, by whom. */
import { Link } from 'react-router';
import type { Schemas } from '../../api.ts';
import { Table } from '../table.tsx';

export function Audit({ events, next }: { events: readonly Schemas['AuditEvent'][]; next: number | null }) {
  return (
    <section className="flex flex-col gap-4">
      {events.length === 0 && <p className="text-quiet">Nothing was done yet.</p>}
      {events.length > 0 && (
        <Table head={['When', 'What', 'About', 'More']} label="Audit log">
          {events.map(({ id, at, kind, subject, data }) => (
            <tr key={id}>
              <td className="whitespace-nowrap tabular-nums">
                <time dateTime={at}>{at.slice(0, 19).replace('T', ' ')}</time>
              </td>
              <th scope="row">{kind}</th>
              <td className="min-w-40 break-words">{subject}</td>
              <td className="min-w-80 font-mono text-xs break-all">{JSON.stringify(data)}</td>
            </tr>
          ))}
        </Table>
      )}
      {next !== null && (
        <Link className="button self-start" to={`/settings/audit?before=${next}`}>
          Earlier
        </Link>
      )}
    </section>
  );
}
