/** One's training jobs. */
import { Link } from 'react-router';
import { dataOf } from '../api.ts';
import { useLoaded } from '../loaded.ts';
import { count, time } from '../parts/format.ts';
import { Table } from '../parts/table.tsx';
import { isOver, nameOf } from '../parts/train/history.ts';
import { JobStatus } from '../parts/train/job-status.tsx';
import { pageAfter, Work } from '../parts/work.tsx';
import type { Asked } from '../routes.tsx';

export const personal = true;

export const loader = ({ api, url, signal }: Asked) =>
  dataOf(api.GET('/v1/fine_tuning/jobs', { params: { query: pageAfter(url) }, signal }));

export function Component() {
  const { data: jobs, has_more, last_id } = useLoaded<typeof loader>();
  const another = (
    <Link className="button button-primary" to="/train">
      Train another
    </Link>
  );
  return (
    <Work
      list="/jobs"
      more={has_more ? last_id : null}
      isGoingOn={!jobs.every(isOver)}
      action={jobs.length > 0 && another}
    >
      {jobs.length === 0 ? (
        <div className="empty">
          <p>You have not trained anything yet.</p>
          <Link className="button" to="/train">
            Train one
          </Link>
        </div>
      ) : (
        <Table head={['Adapter', 'Status', 'From', 'Tokens trained', 'Started', 'Job']} label="Training jobs">
          {jobs.map((job) => (
            <tr key={job.id}>
              <th scope="row">
                <Link className="link" to={`/jobs/${job.id}`}>
                  {nameOf(job)}
                </Link>
              </th>
              <td>
                <JobStatus status={job.status} />
              </td>
              <td>{job.model}</td>
              <td className="tabular-nums">{job.trained_tokens === null ? '' : count(job.trained_tokens)}</td>
              <td className="whitespace-nowrap">{time(job.created_at)}</td>
              <td className="font-mono text-xs whitespace-nowrap text-quiet">{job.id.slice(0, 14)}…</td>
            </tr>
          ))}
        </Table>
      )}
    </Work>
  );
}
