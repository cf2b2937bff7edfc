/** One's training jobs. */
import type { FineTuningJob } from 'openai/resources/fine-tuning/jobs';
import { useEffect, useState } from 'react';
import { Link } from 'react-router';
import { openai } from '../openai.ts';
import { count, time } from '../parts/format.ts';
import { Table } from '../parts/table.tsx';
import { nameOf } from '../parts/train/history.ts';
import { JobStatus } from '../parts/train/job-status.tsx';

const SHOWN = 100;

export const personal = true;

export function Component() {
  const [jobs, setJobs] = useState<readonly FineTuningJob[]>();
  const [failure, setFailure] = useState<string>();
  useEffect(() => {
    openai()
      .fineTuning.jobs.list({ limit: SHOWN })
      .then(({ data }) => setJobs(data))
      .catch((error: Error) => setFailure(error.message));
  }, []);
  return (
    <div className="flex flex-col gap-4">
      <title>Jobs · Patchbay</title>
      <header className="flex items-center gap-3">
        <h1 className="flex-1">Training jobs</h1>
        <Link className="button button-primary" to="/train">
          Train another
        </Link>
      </header>
      {failure && (
        <p role="alert" className="text-bad">
          {failure}
        </p>
      )}
      {jobs?.length === 0 && <p className="empty">You have not trained anything yet.</p>}
      {jobs && jobs.length > 0 && (
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
              <td className="font-mono text-xs text-quiet">{job.id.slice(0, 14)}…</td>
            </tr>
          ))}
        </Table>
      )}
    </div>
  );
}
