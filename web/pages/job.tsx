/** One training job, live. */
import type { FineTuningJob, FineTuningJobEvent } from 'openai/resources/fine-tuning/jobs';
import { lazy, Suspense, useEffect, useMemo, useState } from 'react';
import { Link, useParams, useSearchParams } from 'react-router';
import { openai } from '../openai.ts';
import { count } from '../parts/format.ts';
import type { Line } from '../parts/line-chart.tsx';
import { type History, isOver, type Series, useHistory } from '../parts/train/history.ts';

const LineChart = lazy(() => import('../parts/line-chart.tsx'));
const SHOWN_EVENTS = 200;

export const personal = true;

export function Component() {
  const { id } = useParams();
  const [params] = useSearchParams();
  const { history, failure } = useHistory(id);
  const other = useHistory(params.get('with') ?? undefined).history;
  return (
    <div className="flex flex-col gap-6">
      <title>{`${id} · Patchbay`}</title>
      {failure && (
        <p role="alert" className="panel border-bad p-3">
          {failure}
        </p>
      )}
      {!history && !failure && <p role="status">Asking for the job…</p>}
      {history && <Headline {...history} />}
      {history && <Curves series={history.series} other={other} />}
      {history && <Compare id={history.job.id} />}
      {history && <Samples messages={history.messages} />}
      {history && <Events messages={history.messages} />}
      {history && history.checkpoints.length > 0 && <Checkpoints checkpoints={history.checkpoints} />}
    </div>
  );
}

type Action = 'pause' | 'resume' | 'cancel';

function Headline({ job, series, totalSteps }: History) {
  const made = job.fine_tuned_model;
  const step = series.step.at(-1);
  const last = (values: readonly (number | null)[]) =>
    values.findLast((value) => value !== null) ?? undefined;
  const loss = last(series.trainLoss);
  const validation = last(series.validLoss);
  const rate = last(series.tokensPerSecond);
  const facts = [
    step !== undefined && totalSteps && `step ${step} of ${totalSteps}`,
    loss !== undefined && `loss ${loss.toFixed(3)}`,
    validation !== undefined && `validation ${validation.toFixed(3)}`,
    !isOver(job) && rate !== undefined && `${count(rate)} tokens/s`,
    job.trained_tokens !== null && `${count(job.trained_tokens)} tokens trained`,
    !isOver(job) && job.estimated_finish && `${duration(job.estimated_finish * 1000 - Date.now())} left`,
  ];
  return (
    <header className="flex flex-col gap-3">
      <div className="flex flex-wrap items-center gap-3">
        <h1 className="min-w-0 flex-1 break-all">{job.id}</h1>
        <Actions job={job} />
      </div>
      <p role="status" className="flex flex-wrap gap-x-3">
        <strong>{job.status.replaceAll('_', ' ')}</strong>
        <span className="text-quiet">{[job.model, ...facts].filter(Boolean).join(' · ')}</span>
      </p>
      {totalSteps !== undefined && !isOver(job) && (
        <progress className="w-full accent-accent" aria-label="Steps" max={totalSteps} value={step ?? 0} />
      )}
      {job.error?.message && (
        <p role="alert" className="break-words text-bad">
          {job.error.message}
        </p>
      )}
      {made && (
        <p className="panel flex flex-wrap items-center gap-3 p-4">
          <span className="flex-1">
            It made <strong>{made}</strong>.
          </span>
          <Link className="button" to={`/adapters/${made.split('@')[0]}`}>
            Its page
          </Link>
          <Link
            className="button button-primary"
            to={`/playground?model=${encodeURIComponent(job.model)}&model=${encodeURIComponent(made.replace('@v', '@'))}`}
          >
            Beside its base
          </Link>
        </p>
      )}
    </header>
  );
}

function Actions({ job }: { job: FineTuningJob }) {
  const [failure, setFailure] = useState<string>();
  if (isOver(job)) return null;
  const act = (action: Action) => () => {
    setFailure(undefined);
    openai()
      .fineTuning.jobs[action](job.id)
      .catch((error: Error) => setFailure(error.message));
  };
  const isPaused = job.status === ('paused' as string);
  return (
    <span className="flex flex-wrap items-center gap-2">
      {failure && (
        <span role="alert" className="text-bad">
          {failure}
        </span>
      )}
      <button type="button" className="button" onClick={act(isPaused ? 'resume' : 'pause')}>
        {isPaused ? 'Resume' : 'Pause'}
      </button>
      <button type="button" className="button text-bad" onClick={act('cancel')}>
        Cancel
      </button>
    </span>
  );
}

function duration(ms: number): string {
  const seconds = Math.max(1, Math.round(ms / 1000));
  if (seconds < 90) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? `${minutes} min` : `${(minutes / 60).toFixed(1)} h`;
}

function Curves({ series, other }: { series: Series; other: History | undefined }) {
  const loss = useMemo(
    () => (other ? joined(series, other.series) : { x: series.step, lines: lossLines(series) }),
    [series, other],
  );
  const rest = useMemo(
    () =>
      [
        ['Learning rate', series.learningRate],
        ['Gradient norm', series.gradientNorm],
        ['Tokens per second', series.tokensPerSecond],
      ] as const,
    [series],
  );
  if (series.step.length === 0) return null;
  return (
    <Suspense fallback={<div className="h-80" />}>
      <div className="grid grid-cols-1 gap-4">
        <LineChart title={other ? `Loss, beside ${other.job.id}` : 'Loss'} x={loss.x} lines={loss.lines} />
        <div className="grid grid-cols-1 gap-4 lg:grid-cols-3">
          {rest.map(([title, values]) => (
            <Small key={title} title={title} x={series.step} values={values} />
          ))}
        </div>
      </div>
    </Suspense>
  );
}

function Small({
  title,
  x,
  values,
}: {
  title: string;
  x: readonly number[];
  values: readonly (number | null)[];
}) {
  const lines = useMemo<Line[]>(
    () => [{ label: title.toLowerCase(), colour: 'accent', values }],
    [title, values],
  );
  return <LineChart title={title} x={x} lines={lines} />;
}

const lossLines = ({ trainLoss, validLoss }: Series): Line[] => [
  { label: 'training', colour: 'accent', values: trainLoss },
  ...(validLoss.some((value) => value !== null)
    ? [{ label: 'validation', colour: 'warn' as const, values: validLoss, sparse: true }]
    : []),
];

/** Two runs over the steps of both. */
function joined(a: Series, b: Series): { x: number[]; lines: Line[] } {
  const x = [...new Set([...a.step, ...b.step])].sort((m, n) => m - n);
  const over = (from: Series, values: readonly (number | null)[]) => {
    const known = new Map(from.step.map((step, i) => [step, values[i] ?? null]));
    return x.map((step) => known.get(step) ?? null);
  };
  const own = lossLines(a).map((line) => ({ ...line, values: over(a, line.values) }));
  return {
    x,
    lines: [...own, { label: 'training, the other', colour: 'quiet', values: over(b, b.trainLoss) }],
  };
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
    <label className="flex items-center gap-3 text-sm">
      Compare with
      <select
        value={params.get('with') ?? ''}
        onChange={(event) =>
          setParams(event.target.value ? { with: event.target.value } : {}, { preventScrollReset: true })
        }
      >
        <option value="">no other run</option>
        {others.map((job) => (
          <option key={job.id} value={job.id}>
            {job.fine_tuned_model ?? job.id} ({job.status})
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

function Events({ messages }: { messages: readonly FineTuningJobEvent[] }) {
  return (
    <section>
      <h2 className="mb-2">Events</h2>
      <ol className="panel flex max-h-96 flex-col gap-1 overflow-auto p-3 text-sm">
        {messages.slice(-SHOWN_EVENTS).map(({ id, created_at: at, level, message }) => (
          <li key={id} className={`flex gap-3 ${LOOKS[level]}`}>
            <time className="text-quiet tabular-nums" dateTime={new Date(at * 1000).toISOString()}>
              {new Date(at * 1000).toISOString().slice(11, 19)}
            </time>
            <span className="min-w-0 break-words">{message}</span>
          </li>
        ))}
      </ol>
    </section>
  );
}

function Checkpoints({ checkpoints }: Pick<History, 'checkpoints'>) {
  const figure = (metrics: object, name: string) => {
    const value = (metrics as Record<string, unknown>)[name];
    return typeof value === 'number' ? value.toFixed(4) : '';
  };
  return (
    <section>
      <h2 className="mb-2">Checkpoints</h2>
      <div className="overflow-x-auto">
        <table className="table">
          <thead>
            <tr>
              <th scope="col">Step</th>
              <th scope="col">Training loss</th>
              <th scope="col">Validation loss</th>
              <th scope="col">Kept at</th>
            </tr>
          </thead>
          <tbody>
            {checkpoints.map(({ id, step_number: step, created_at: at, metrics }) => (
              <tr key={id}>
                <th scope="row">{step}</th>
                <td>{figure(metrics, 'train_loss')}</td>
                <td>{figure(metrics, 'full_valid_loss')}</td>
                <td>{new Date(at * 1000).toISOString().slice(11, 19)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}
