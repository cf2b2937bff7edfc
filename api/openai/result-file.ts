/**
 * What OpenAI's jobs leave behind: a file of their metrics by step, as CSV. Here it is read from the job's events when it is asked
 * for, so there is nothing to store, and nothing that could differ.
 */
import { figuresOf, findJob, type Job } from '../../db/training.ts';
import type { Principal } from '../auth.ts';
import { ApiError } from '../errors.ts';
import type { PublishDeps } from '../versions.ts';
import { seconds } from './paging.ts';

const PREFIX = 'file-metrics-';

/** Column -> its name in events. */
const COLUMNS = {
  step: 'step',
  train_loss: 'train_loss',
  train_accuracy: 'train_mean_token_accuracy',
  valid_loss: 'valid_loss',
  valid_mean_token_accuracy: 'valid_mean_token_accuracy',
} as const;

/** @returns ids. Before a job is over its metrics go on changing */
export const resultFilesOf = ({ id, status }: Job): string[] =>
  status === 'succeeded' ? [`${PREFIX}${id}`] : [];

export const isResultFile = (id: string): boolean => id.startsWith(PREFIX);

/** @throws ApiError not_found */
export async function readResultFile({ db }: Pick<PublishDeps, 'db'>, principal: Principal, id: string) {
  const job = await findJob(db, id.slice(PREFIX.length));
  if (!job || job.userId !== principal.userId || !resultFilesOf(job).includes(id))
    throw new ApiError('not_found', `There is no file ${id}.`, { field: 'file_id' });
  const content = csvOf(await figuresOf(db, job.id));
  const view = {
    id,
    object: 'file',
    bytes: content.length, // all of it is ASCII
    created_at: seconds(job.finishedAt!),
    filename: 'step_metrics.csv',
    purpose: 'fine-tune-results',
    status: 'processed',
    status_details: null,
  };
  return { view, content };
}

/** Those of one step in one line, though several events told them. */
function csvOf(figures: readonly Readonly<Record<string, unknown>>[]): string {
  const steps = new Map<unknown, Readonly<Record<string, unknown>>>();
  for (const one of figures) steps.set(one['step'], { ...steps.get(one['step']), ...one });
  const names = Object.values(COLUMNS);
  const lines = [...steps.values()].map((step) => names.map((name) => step[name] ?? '').join());
  return `${[Object.keys(COLUMNS).join(), ...lines].join('\n')}\n`;
}
