/** `patchbay evaluate`, `merge` and `tasks`, and what `reproduce` shares with them: work that a runner does for somebody. */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { logUpdateStderr } from 'log-update';
import { z } from 'zod';
import { type Client, File } from './client.ts';
import { downloadInto } from './download.ts';
import { CliError, EXIT } from './errors.ts';
import { bytes, note, type Output, result, table } from './output.ts';
import { uploadFile } from './train.ts';

const ASK_EVERY_MS = 500;
const SHOWN = 50;

const Share = z.object({ value: z.number(), low: z.number(), high: z.number() });
const Measure = z.object({ loss: z.number(), accuracy: Share });
const Evaluation = z.looseObject({
  rows: z.int(),
  tokens: z.int(),
  base: Measure,
  model: Measure.nullable(),
  gain: Share.nullable(),
});
const Merge = z.object({ files: z.array(File) });
export const Reproduction = z.object({
  same: z.boolean(),
  digests: z.array(z.object({ path: z.string(), before: z.string(), again: z.string() })),
  differences: z.array(
    z.object({ what: z.string(), before: z.unknown().optional(), again: z.unknown().optional() }),
  ),
});
type Reproduction = z.infer<typeof Reproduction>;
const Task = z.looseObject({
  id: z.string(),
  function: z.string(),
  model: z.string(),
  base: z.string(),
  versions: z.array(z.looseObject({ version: z.string(), weight: z.number() })),
  status: z.enum(['queued', 'running', 'succeeded', 'failed', 'cancelled']),
  progress: z.object({ what: z.string(), done: z.number(), total: z.number() }).nullable(),
  result: z.unknown(),
  error: z.looseObject({ message: z.string() }).nullable(),
  createdAt: z.string(),
});
type Task = z.infer<typeof Task>;

const route = (id: string) => `/api/tasks/${encodeURIComponent(id)}`;

export async function evaluate(
  client: Client,
  output: Output,
  model: string,
  data: string | undefined,
): Promise<void> {
  const file = data === undefined ? {} : { file: await uploadFile(client, output, data) };
  const task = await finished(client, output, await startTask(client, 'evaluate', { model, ...file }));
  result(output, task, () => describeEvaluation(Evaluation.parse(task.result)));
}

export async function merge(
  client: Client,
  output: Output,
  model: string,
  folder: string | undefined,
): Promise<void> {
  const task = await finished(client, output, await startTask(client, 'merge', { model }));
  const { files } = Merge.parse(task.result);
  const target = folder ?? `${task.versions[0]!.version.split(/[/@]/)[1]!}-merged`;
  await downloadInto(client, output, target, files, (path) => `${route(task.id)}/files/${path}`);
  result(output, { ...task, folder: target }, () =>
    [
      `${names(task)} on ${task.base} is in ${target}, and needs no adapter any more`,
      ...files.map(({ path, size, sha256 }) => `${sha256}  ${path}  ${bytes(size)}`),
    ].join('\n'),
  );
}

/** The key makes a request that is sent again the same task. */
export async function startTask(client: Client, name: string, body: object): Promise<Task> {
  return client.post(Task, `/api/tasks/${name}`, body, { 'idempotency-key': randomUUID() });
}

/** Waits until it is over, and shows how far it is. @throws CliError where it failed */
export async function finished(client: Client, output: Output, begun: Task): Promise<Task> {
  const shows = output.isTerminal && !output.json;
  if (!shows && !output.json) note(`${begun.id} waits for a runner`);
  let task = begun;
  while (task.status === 'queued' || task.status === 'running') {
    if (shows) logUpdateStderr(describeProgress(task));
    await sleep(ASK_EVERY_MS);
    task = await client.get(Task, route(task.id));
  }
  if (shows) logUpdateStderr.clear();
  if (task.status === 'succeeded') return task;
  throw new CliError(EXIT.failed, task.error?.message ?? `${task.id} was cancelled`);
}

function describeProgress({ status, progress, model }: Task): string {
  if (status === 'queued') return `${model}: waits for a runner`;
  if (!progress || progress.total === 0) return `${model}: running`;
  const { what, done, total } = progress;
  return `${model}: ${what} ${Math.floor((100 * done) / total)}%`;
}

function describeEvaluation({ rows, tokens, base, model, gain }: z.infer<typeof Evaluation>): string {
  const share = ({ value, low, high }: z.infer<typeof Share>, digits: number) =>
    `${value.toFixed(digits)} (95%: ${low.toFixed(digits)} to ${high.toFixed(digits)})`;
  const row = (who: string, { loss, accuracy }: z.infer<typeof Measure>) => [
    who,
    loss.toFixed(4),
    share(accuracy, 3),
  ];
  return [
    table(['', 'LOSS', 'EXACT ANSWERS'], [row('base', base), ...(model ? [row('model', model)] : [])]),
    ...(gain ? [`gain  ${share(gain, 4)} nats per token`] : []),
    `on ${rows} rows, ${tokens} tokens`,
  ].join('\n');
}

export function describeReproduction({ digests, differences }: Reproduction): string {
  const shown = (value: unknown) => (value === undefined ? 'not told' : JSON.stringify(value));
  return [
    ...digests.map(({ path, before, again }) =>
      before === again
        ? `The same bytes: ${path} has sha256 ${again}`
        : `Other bytes: ${path} has sha256 ${again}, not ${before}`,
    ),
    ...differences.map(({ what, before, again }) => `${what} was ${shown(before)} and is ${shown(again)}`),
  ].join('\n');
}

const names = ({ versions, base }: Task): string =>
  versions.map(({ version, weight }) => (weight === 1 ? version : `${version}:${weight}`)).join(' + ') ||
  base;

export async function listTasks(client: Client, output: Output): Promise<void> {
  const { tasks } = await client.get(z.object({ tasks: z.array(Task) }), `/api/tasks?limit=${SHOWN}`);
  const row = (task: Task) => [
    task.id,
    task.function,
    task.status,
    task.createdAt.slice(0, 16).replace('T', ' '),
    names(task),
  ];
  result(output, { tasks }, () =>
    tasks.length === 0
      ? 'No tasks yet: patchbay evaluate, patchbay merge, patchbay reproduce'
      : table(['task', 'what', 'status', 'made', 'model'], tasks.map(row)),
  );
}

export async function showTask(client: Client, output: Output, id: string): Promise<void> {
  const task = await client.get(Task, route(id));
  result(output, task, () => {
    const line = `${task.id}  ${task.function}  ${task.status}  ${names(task)}`;
    if (task.error) return `${line}\n${task.error.message}`;
    const evaluation = Evaluation.safeParse(task.result).data;
    if (evaluation) return `${line}\n${describeEvaluation(evaluation)}`;
    const reproduction = Reproduction.safeParse(task.result).data;
    if (reproduction) return `${line}\n${describeReproduction(reproduction)}`;
    const files = Merge.safeParse(task.result).data?.files ?? [];
    return [line, ...files.map(({ path, size, sha256 }) => `${sha256}  ${path}  ${bytes(size)}`)].join('\n');
  });
}

export async function cancelTask(client: Client, output: Output, id: string): Promise<void> {
  const task = await client.post(Task, `${route(id)}/cancel`);
  result(output, task, () => `${task.id}  ${task.status}`);
}
