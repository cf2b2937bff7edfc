/** What is known of a job so far, asked again while it goes on. */
import type {
  FineTuningJob,
  FineTuningJobCheckpoint,
  FineTuningJobEvent,
} from 'openai/resources/fine-tuning/jobs';
import { useEffect, useState } from 'react';
import { patiently } from '../../failure.ts';
import { openai } from '../../openai.ts';

/** Each time it is asked three things: one a second. */
const ASK_AGAIN_MS = 3_000;
const EVENTS_AT_ONCE = 1_000;
const CHECKPOINTS_SHOWN = 100;

/** By step; several figures at once, null where there is none. */
export interface Series {
  readonly step: number[];
  readonly trainLoss: (number | null)[];
  readonly validLoss: (number | null)[];
  readonly learningRate: (number | null)[];
  readonly gradientNorm: (number | null)[];
  readonly tokensPerSecond: (number | null)[];
}

export interface History {
  readonly job: FineTuningJob;
  readonly series: Series;
  /** Oldest first; one a step is not among them. */
  readonly messages: readonly FineTuningJobEvent[];
  readonly totalSteps: number | undefined;
  readonly checkpoints: readonly FineTuningJobCheckpoint[];
}

interface Metrics {
  step?: number;
  total_steps?: number;
  train_loss?: number | null;
  valid_loss?: number | null;
  learning_rate?: number;
  gradient_norm?: number;
  tokens_per_second?: number;
}

export const isOver = ({ status }: { readonly status: string }): boolean =>
  ['succeeded', 'failed', 'cancelled'].includes(status);

/** What it trains, as owner/name; the version, once there is one. */
/** The version it made, by the name that pages have for versions: OpenAI's field says `owner/name@v1`. */
export const madeBy = (job: Pick<FineTuningJob, 'fine_tuned_model'>): string | undefined =>
  job.fine_tuned_model?.replace('@v', '@');

export function nameOf(
  job: Pick<FineTuningJob, 'id' | 'fine_tuned_model' | 'organization_id'> & { user_provided_suffix?: string },
): string {
  const { user_provided_suffix: suffix } = job;
  return madeBy(job) ?? (suffix ? `${job.organization_id}/${suffix}` : job.id);
}

interface Watched {
  readonly history?: History;
  /** Why it is being asked for again. */
  readonly trouble?: unknown;
  /** Why no more can be known of it. */
  readonly failure?: unknown;
}

/** What is known of a job; nothing at first. */
export function useHistory(id: string | undefined): Watched {
  const [state, setState] = useState<Watched>({});
  useEffect(() => {
    if (!id) return setState({});
    const stopped = new AbortController();
    void watch(id, stopped.signal, setState);
    return () => stopped.abort();
  }, [id]);
  return state;
}

type Tell = (change: (before: Watched) => Watched) => void;

async function watch(id: string, signal: AbortSignal, tell: Tell): Promise<void> {
  const events: FineTuningJobEvent[] = [];
  const ask = async (): Promise<History> => {
    // Before its events: those of a job that is over are all there.
    const job = await openai().fineTuning.jobs.retrieve(id, { signal });
    events.push(...(await eventsAfter(id, events.at(-1)?.id, signal)));
    const { data: checkpoints } = await openai().fineTuning.jobs.checkpoints.list(
      id,
      { limit: CHECKPOINTS_SHOWN },
      { signal },
    );
    return historyOf(job, events, checkpoints);
  };
  try {
    while (!signal.aborted) {
      const history = await patiently(ask, (trouble) => tell((before) => ({ ...before, trouble })), signal);
      tell(() => ({ history }));
      if (isOver(history.job)) return;
      await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN_MS));
    }
  } catch (failure) {
    if (!signal.aborted) tell(({ history }) => ({ ...(history ? { history } : {}), failure }));
  }
}

/** In the order in which they happened; the server lists the latest first. */
async function eventsAfter(
  id: string,
  last: string | undefined,
  signal: AbortSignal,
): Promise<FineTuningJobEvent[]> {
  const fresh: FineTuningJobEvent[] = [];
  for await (const event of openai().fineTuning.jobs.listEvents(id, { limit: EVENTS_AT_ONCE }, { signal })) {
    if (event.id === last) break;
    fresh.push(event);
  }
  return fresh.reverse();
}

function historyOf(
  job: FineTuningJob,
  events: readonly FineTuningJobEvent[],
  checkpoints: readonly FineTuningJobCheckpoint[],
): History {
  const points = new Map<number, Metrics>();
  for (const { data } of events) {
    const metrics = (data ?? {}) as Metrics;
    if (typeof metrics.step !== 'number') continue;
    // A job that goes back to a checkpoint repeats its steps with the same figures.
    points.set(metrics.step, { ...points.get(metrics.step), ...metrics });
  }
  const sorted = [...points.values()].sort((a, b) => a.step! - b.step!);
  const column = (name: keyof Metrics) => sorted.map((point) => point[name] ?? null);
  return {
    job,
    series: {
      step: sorted.map(({ step }) => step!),
      trainLoss: column('train_loss'),
      validLoss: column('valid_loss'),
      learningRate: column('learning_rate'),
      gradientNorm: column('gradient_norm'),
      tokensPerSecond: column('tokens_per_second'),
    },
    messages: events.filter(({ type }) => type !== 'metrics'),
    totalSteps: sorted.findLast(({ total_steps }) => total_steps !== undefined)?.total_steps,
    checkpoints,
  };
}
