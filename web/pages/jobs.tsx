/** One's training jobs. */
import type { FineTuningJob } from 'openai/resources/fine-tuning/jobs';
import { useEffect, useState } from 'react';
import { Link } from 'react-router';
import { openai } from '../openai.ts';
import { date } from '../parts/format.ts';

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
      {jobs?.length === 0 && (
        <p className="panel p-6 text-center text-quiet">You have not trained anything yet.</p>
      )}
      {jobs && jobs.length > 0 && (
        <div className="overflow-x-auto">
          <table className="table">
            <thead>
              <tr>
                <th scope="col">Job</th>
                <th scope="col">Status</th>
                <th scope="col">Base</th>
                <th scope="col">Made</th>
                <th scope="col">Started</th>
              </tr>
            </thead>
            <tbody>
              {jobs.map(({ id, status, model, fine_tuned_model: made, created_at: at }) => (
                <tr key={id}>
                  <th scope="row">
                    <Link className="link" to={`/jobs/${id}`}>
                      {id}
                    </Link>
                  </th>
                  <td>{status}</td>
                  <td>{model}</td>
                  <td>
                    {made && (
                      <Link className="link" to={`/adapters/${made.split('@')[0]}`}>
                        {made}
                      </Link>
                    )}
                  </td>
                  <td>{date(new Date(at * 1000).toISOString())}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </div>
  );
}
