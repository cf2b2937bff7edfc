/** Watching a training job: a curve that grows on a terminal, elsewhere a line for each event. */
import { createLogUpdate } from 'log-update';
import { z } from 'zod';
import type { Client } from './client.ts';
import { CliError, EXIT } from './errors.ts';
import { onInterrupt } from './interrupt.ts';
import { type Event, eventLine, eventsAfter, getJob, isOver, type Job, printEvent } from './jobs.ts';
import { type LossPoint, lossCurve } from './loss-curve.ts';
import { asOption } from './options.ts';
import { note, type Output, printable } from './output.ts';
import { NOT_REACHABLE, untilOver } from './patience.ts';

const POLL_MS = 1_000;
/** Messages under the curve. */
const SHOWN = 6;
const CURVE_HEIGHT = 12;

const Metrics = z.looseObject({
  step: z.number(),
  total_steps: z.number().optional(),
  train_loss: z.number().nullish(),
  valid_loss: z.number().nullish(),
  learning_rate: z.number().optional(),
  tokens_per_second: z.number().optional(),
});
type Metrics = z.infer<typeof Metrics>;

/** What was seen of a job so far. */
export class JobHistory {
  readonly train: LossPoint[] = [];
  readonly valid: LossPoint[] = [];
  last: Metrics | undefined;
  /** Everything but the steps. */
  readonly messages: string[] = [];

  add(event: Event): void {
    const metrics = Metrics.safeParse(event.data ?? {}).data;
    if (event.type !== 'metrics') this.messages.push(eventLine(event));
    if (!metrics) return;
    if (typeof metrics.valid_loss === 'number') this.valid.push([metrics.step, metrics.valid_loss]);
    if (event.type !== 'metrics') return;
    if (typeof metrics.train_loss === 'number') this.train.push([metrics.step, metrics.train_loss]);
    this.last = metrics;
  }
}

/** @returns the job once it is over. @throws CliError when it did not succeed, or the server stays away */
export async function follow(client: Client, output: Output, id: string): Promise<Job> {
  const screen = output.isTerminal && !output.json ? createLogUpdate(process.stderr) : undefined;
  const again = `The job goes on. Follow it again: patchbay jobs follow ${id}`;
  using _ = onInterrupt(() => {
    screen?.done();
    note(again);
  });
  const history = new JobHistory();
  let shown = '';
  let last: string | undefined;
  const look = async (): Promise<Job> => {
    const job = await getJob(client, id); // before its events: those of a job that is over are all there
    const events = await eventsAfter(client, id, last);
    last = events.at(-1)?.id ?? last;
    for (const event of events) {
      history.add(event);
      if (!screen && !output.json) printEvent(event);
    }
    shown = frame(job, history, process.stderr.columns ?? 80);
    screen?.(shown);
    return job;
  };
  const onAway = (isFirst: boolean) => {
    if (screen) screen(`${shown}\n${NOT_REACHABLE}`.trimStart());
    else if (isFirst) note(NOT_REACHABLE);
  };
  try {
    return succeeded(await untilOver({ look, isOver, everyMs: POLL_MS, onAway, again }));
  } finally {
    screen?.done();
  }
}

function succeeded(job: Job): Job {
  if (job.status === 'succeeded') return job;
  const { error } = job;
  if (!error) throw new CliError(EXIT.failed, `the job ${job.id} was ${job.status}`);
  throw new CliError(EXIT.failed, printable(asOption(error.message, error.param)));
}

/** @param columns of the terminal */
export function frame(job: Job, history: JobHistory, columns: number): string {
  const { train, valid, messages } = history;
  const cut = (line: string) => (line.length > columns - 1 ? `${line.slice(0, columns - 2)}…` : line);
  const curve = lossCurve(train, valid, { width: Math.max(20, columns - 12), height: CURVE_HEIGHT });
  return [
    cut(headline(job, history)),
    curve,
    curve && valid.length > 0
      ? '\u001b[36m━\u001b[0m training loss   \u001b[33m●\u001b[0m validation loss'
      : '',
    ...messages.slice(-SHOWN).map(cut),
  ]
    .filter(Boolean)
    .join('\n');
}

function headline(job: Job, { last, train, valid }: JobHistory): string {
  const facts = [`${job.model}: ${job.status}`];
  if (last?.total_steps) facts.push(`step ${last.step} of ${last.total_steps}`);
  if (train.length > 0) facts.push(`loss ${train.at(-1)![1].toFixed(3)}`);
  if (valid.length > 0) facts.push(`validation ${valid.at(-1)![1].toFixed(3)}`);
  if (last?.tokens_per_second)
    facts.push(`${Math.round(last.tokens_per_second).toLocaleString('en')} tokens/s`);
  if (last?.learning_rate) facts.push(`rate ${Number(last.learning_rate.toPrecision(2))}`);
  if (job.estimated_finish && !isOver(job))
    facts.push(`${duration(job.estimated_finish * 1000 - Date.now())} left`);
  return facts.join(' · ');
}

function duration(ms: number): string {
  const seconds = Math.max(1, Math.round(ms / 1000));
  if (seconds < 90) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 90 ? `${minutes} min` : `${(minutes / 60).toFixed(1)} h`;
}
