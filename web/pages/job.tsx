/** One training job, live. */
import type { FineTuningJob, FineTuningJobEvent } from 'openai/resources/fine-tuning/jobs';
import { useEffect, useState } from 'react';
import { Link, useParams, useSearchParams } from 'react-router';
import { said } from '../failure.ts';
import { openai } from '../openai.ts';
import { ActionButton, Failure } from '../parts/action.tsx';
import { count } from '../parts/format.ts';
import { saveText } from '../parts/save-text.ts';
import { Scroll } from '../parts/scroll.tsx';
import { Checkpoints } from '../parts/train/checkpoints.tsx';
import { Curves } from '../parts/train/curves.tsx';
import { type History, isOver, madeBy, nameOf, useHistory } from '../parts/train/history.ts';
import { JobStatus } from '../parts/train/job-status.tsx';

const SHOWN_EVENTS = 200;

export const personal = true;

export function Component() {
  const { id } = useParams();
  const [params] = useSearchParams();
  const { history, trouble, failure } = useHistory(id);
  const other = useHistory(params.get('with') ?? undefined).history;
  return (
    <div className="flex flex-col gap-6">
      <title>{`${history ? nameOf(history.job) : id} · Patchbay`}</title>
      <p className="-mb-4 text-sm">
        <Link className="link" to="/jobs">
          Your work
        </Link>
      </p>
      {failure !== undefined && (
        <p className="panel border-bad p-3">
          <Failure of={failure} />
        </p>
      )}
      {trouble !== undefined && (
        <p role="status" className="panel border-warn p-3">
          {said(trouble)} It is being asked for again; what is shown is from before.
        </p>
      )}
      {!history && failure === undefined && trouble === undefined && <p role="status">Asking for the job…</p>}
      {history && <Headline {...history} />}
      {history && <Curves series={history.series} other={other} />}
      {history && <Compare id={history.job.id} />}
      {history && <Samples messages={history.messages} />}
      {history && history.checkpoints.length > 0 && <Checkpoints {...history} />}
      {history && <Events id={history.job.id} messages={history.messages} />}
    </div>
  );
}

function Headline({ job, series, totalSteps }: History) {
  const made = madeBy(job);
  const step = series.step.at(-1);
  const last = (values: readonly (number | null)[]) =>
    values.findLast((value) => value !== null) ?? undefined;
  const loss = last(series.trainLoss);
  const validation = last(series.validLoss);
  const rate = last(series.tokensPerSecond);
  const facts = [
    ['Step', step !== undefined && `${step}${totalSteps ? ` of ${totalSteps}` : ''}`],
    ['Loss', loss?.toFixed(3)],
    ['Validation loss', validation?.toFixed(3)],
    ['Tokens per second', !isOver(job) && rate !== undefined && count(rate)],
    ['Tokens trained', job.trained_tokens !== null && count(job.trained_tokens)],
    ['Left', !isOver(job) && job.estimated_finish && duration(job.estimated_finish * 1000 - Date.now())],
    ['Took', isOver(job) && job.finished_at && duration((job.finished_at - job.created_at) * 1000)],
  ] as const;
  return (
    <header className="flex flex-col gap-4">
      <div className="flex flex-wrap items-start gap-3">
        <div className="min-w-0 flex-1 basis-full sm:basis-0">
          <h1 className="break-words">{nameOf(job)}</h1>
          <p className="text-sm break-words text-quiet">
            {job.id}, on {job.model}
          </p>
        </div>
        <span role="status" className="mt-2">
          <JobStatus status={job.status} />
        </span>
        <Actions job={job} />
      </div>
      <dl className="panel flex flex-wrap gap-x-10 gap-y-3 p-4 empty:hidden">
        {facts.map(
          ([name, value]) =>
            value && (
              <div key={name}>
                <dt className="eyebrow">{name}</dt>
                <dd className="text-xl font-semibold tabular-nums">{value}</dd>
              </div>
            ),
        )}
      </dl>
      {totalSteps !== undefined && !isOver(job) && (
        <progress aria-label="Steps" max={totalSteps} value={step ?? 0} />
      )}
      {job.error?.message && (
        <p role="alert" className="break-words text-bad">
          {job.error.message}
        </p>
      )}
      {made && (
        <p className="panel flex flex-wrap items-center gap-3 p-4">
          <span className="min-w-0 flex-1 basis-40 break-words">
            It made <strong>{made}</strong>.
          </span>
          <Link className="button" to={`/adapters/${made.split('@')[0]}`}>
            Its page
          </Link>
          <Link
            className="button button-primary"
            to={`/playground?model=${encodeURIComponent(job.model)}&model=${encodeURIComponent(made)}`}
          >
            Beside its base
          </Link>
        </p>
      )}
    </header>
  );
}

function Actions({ job }: { job: FineTuningJob }) {
  if (isOver(job)) return null;
  const isPaused = job.status === ('paused' as string);
  return (
    <span className="flex flex-wrap items-center gap-2">
      <ActionButton act={() => openai().fineTuning.jobs[isPaused ? 'resume' : 'pause'](job.id)}>
        {isPaused ? 'Resume' : 'Pause'}
      </ActionButton>
      <ActionButton
        className="text-bad"
        confirm={{
          what: `Cancel ${nameOf(job)}?`,
          why: 'It does not go on after that, and makes no adapter. Its checkpoints stay.',
          yes: 'Cancel it',
        }}
        act={() => openai().fineTuning.jobs.cancel(job.id)}
      >
        Cancel
      </ActionButton>
    </span>
  );
}

function duration(ms: number): string {
  const seconds = Math.max(1, Math.round(ms / 1000));
  if (seconds < 90) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? `${minutes} min` : `${(minutes / 60).toFixed(1)} h`;
}

/** Another run beside this one. */
function Compare({ id }: { id: string }) {
  const [params, setParams] = useSearchParams();
  const [jobs, setJobs] = useState<readonly FineTuningJob[]>([]);
  useEffect(() => {
    openai()
      .fineTuning.jobs.list({ limit: 50 })
      .then(({ data }) => setJobs(data))
      .catch(() => undefined); // then there is nothing to compare with
  }, []);
  const others = jobs.filter((job) => job.id !== id);
  if (others.length === 0) return null;
  return (
    <label className="flex flex-wrap items-center gap-3 text-sm">
      Compare with
      <select
        className="max-w-full min-w-0"
        value={params.get('with') ?? ''}
        onChange={(event) =>
          setParams(event.target.value ? { with: event.target.value } : {}, { preventScrollReset: true })
        }
      >
        <option value="">no other run</option>
        {others.map((job) => (
          <option key={job.id} value={job.id}>
            {nameOf(job)} ({job.status})
          </option>
        ))}
      </select>
    </label>
  );
}

interface Sample {
  readonly step: number;
  readonly prompt: string;
  readonly answer: string;
}

/** The same prompts, answered again and again: one sees it learn. */
function Samples({ messages }: { messages: readonly FineTuningJobEvent[] }) {
  const samples = messages
    .map(({ data }) => data as Partial<Sample> | undefined)
    .filter((data): data is Sample => typeof data?.prompt === 'string' && typeof data.answer === 'string');
  if (samples.length === 0) return null;
  const prompts = [...new Set(samples.map(({ prompt }) => prompt))];
  return (
    <section>
      <h2 className="mb-2">What it says as it learns</h2>
      <div className="grid gap-4 lg:grid-cols-2">
        {prompts.map((prompt) => (
          <div key={prompt} className="panel p-3">
            <p className="mb-2 font-medium break-words">{prompt}</p>
            <dl className="grid grid-cols-[auto_minmax(0,1fr)] gap-x-3 gap-y-1 text-sm">
              {samples
                .filter((sample) => sample.prompt === prompt)
                .map(({ step, answer }) => (
                  <div key={step} className="contents">
                    <dt className="text-quiet">step {step}</dt>
                    <dd className="break-words whitespace-pre-wrap">{answer}</dd>
                  </div>
                ))}
            </dl>
          </div>
        ))}
      </div>
    </section>
  );
}

const LOOKS = { info: '', warn: 'text-warn', error: 'text-bad' } as const;

function Events({ id, messages }: { id: string; messages: readonly FineTuningJobEvent[] }) {
  const lines = () =>
    messages.map(
      ({ created_at: at, level, message }) => `${new Date(at * 1000).toISOString()} ${level} ${message}\n`,
    );
  return (
    <section>
      <header className="mb-2 flex flex-wrap items-center gap-3">
        <h2 className="flex-1">Events</h2>
        <button
          type="button"
          className="button button-small"
          onClick={() => saveText(`${id}.log`, lines().join(''))}
        >
          Download the log
        </button>
      </header>
      <Scroll label="Events" className="panel max-h-96">
        <ol className="flex flex-col gap-1 p-3 text-sm">
          {messages.slice(-SHOWN_EVENTS).map(({ id, created_at: at, level, message }) => (
            <li key={id} className={`flex gap-3 ${LOOKS[level]}`}>
              <time className="text-quiet tabular-nums" dateTime={new Date(at * 1000).toISOString()}>
                {new Date(at * 1000).toISOString().slice(11, 19)}
              </time>
              <span className="min-w-0 flex-1 break-words">{message}</span>
            </li>
          ))}
        </ol>
      </Scroll>
    </section>
  );
}
