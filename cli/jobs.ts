/** `patchbay jobs`: training jobs, as the server has them. */
import { z } from 'zod';
import type { Client } from './client.ts';
import { type Output, print, printable, result, table } from './output.ts';

const OVER = ['succeeded', 'failed', 'cancelled'];

export const Job = z.looseObject({
  id: z.string(),
  status: z.string(),
  model: z.string(),
  created_at: z.number(),
  estimated_finish: z.number().nullish(),
  fine_tuned_model: z.string().nullable(),
  trained_tokens: z.number().nullable(),
  error: z.object({ code: z.string(), message: z.string(), param: z.string().nullish() }).nullish(),
});
export type Job = z.infer<typeof Job>;

const Event = z.looseObject({
  id: z.string(),
  level: z.string(),
  message: z.string(),
  type: z.string(),
  data: z.record(z.string(), z.unknown()).nullish(),
});
export type Event = z.infer<typeof Event>;

const page = <T extends z.ZodType>(item: T) => z.object({ data: z.array(item), has_more: z.boolean() });

const route = (id: string) => `/v1/fine_tuning/jobs/${encodeURIComponent(id)}`;

/** As every command takes it: OpenAI's field says `owner/name@v1`. */
export const versionMade = ({ fine_tuned_model: made }: Job): string | undefined => made?.replace('@v', '@');

export const isOver = ({ status }: Job): boolean => OVER.includes(status);
export const getJob = (client: Client, id: string): Promise<Job> => client.get(Job, route(id));

/** In the order in which they happened. @param after the last one that is known already */
export async function eventsAfter(client: Client, id: string, after: string | undefined): Promise<Event[]> {
  const events: Event[] = [];
  for (let cursor = ''; ; ) {
    const { data, has_more: more } = await client.get(page(Event), `${route(id)}/events?limit=100${cursor}`);
    for (const event of data) {
      if (event.id === after) return events.reverse();
      events.push(event);
    }
    if (!more || data.length === 0) return events.reverse();
    cursor = `&after=${encodeURIComponent(data.at(-1)!.id)}`;
  }
}

export async function listJobs(client: Client, output: Output): Promise<void> {
  const { data } = await client.get(page(Job), '/v1/fine_tuning/jobs?limit=50');
  const row = (job: Job) => [
    job.id,
    job.status,
    new Date(job.created_at * 1000).toISOString().slice(0, 16).replace('T', ' '),
    whatOf(job),
  ];
  result(output, { jobs: data }, () =>
    data.length === 0
      ? 'No jobs yet: patchbay train'
      : table(['JOB', 'STATUS', 'MADE', 'MODEL'], data.map(row)),
  );
}

export async function showJob(client: Client, output: Output, id: string): Promise<void> {
  const job = await getJob(client, id);
  const events = await eventsAfter(client, id, undefined);
  result(output, { job, events }, () => [described(job), '', ...events.map(eventLine)].join('\n'));
}

export async function changeJob(
  client: Client,
  output: Output,
  action: 'cancel' | 'pause' | 'resume',
  id: string,
): Promise<void> {
  const job = await client.post(Job, `${route(id)}/${action}`);
  result(output, job, () => described(job));
}

export function described(job: Job): string {
  const { id, status, error } = job;
  return `${id}  ${status}  ${whatOf(job)}${error ? `\n${error.message}` : ''}`;
}

function whatOf(job: Job): string {
  const made = versionMade(job);
  return made === undefined ? job.model : `${job.model} -> ${made}`;
}

/** Strangers write samples and errors: one line each, and nothing that steers the terminal. */
export function eventLine({ level, message }: Event): string {
  const text = printable(message).replace(/\s+/g, ' ');
  return level === 'info' ? text : `${level}: ${text}`;
}

export function printEvent(event: Event): void {
  print(eventLine(event));
}
