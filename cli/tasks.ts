/** `patchbay evaluate`, `merge` and `tasks`, and what `reproduce` shares with them: work that a runner does for somebody. */
import { randomUUID } from 'node:crypto';
import { createLogUpdate } from 'log-update';
import { z } from 'zod';
import { type Client, File } from './client.ts';
import { downloadInto } from './download.ts';
import { CliError, EXIT } from './errors.ts';
import { onInterrupt } from './interrupt.ts';
import { bytes, note, type Output, result, table } from './output.ts';
import { NOT_REACHABLE, untilOver } from './patience.ts';
import { sendFile } from './send-file.ts';

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
const Reproduction = z.object({
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
  const file = data === undefined ? {} : { file: await sendFile(client, output, data) };
  tell(output, await finished(client, output, await startTask(client, 'evaluate', { model, ...file })));
}

export async function merge(
  client: Client,
  output: Output,
  model: string,
  folder: string | undefined,
): Promise<void> {
  await download(client, output, await startTask(client, 'merge', { model }), folder);
}

/** What a merge made, once it is there. */
export async function pullTask(
  client: Client,
  output: Output,
  id: string,
  folder: string | undefined,
): Promise<void> {
  const task = await client.get(Task, route(id));
  if (task.function !== 'merge')
    throw new CliError(
      EXIT.usage,
      `${id} is no merge, and has no files`,
      `Its result: patchbay tasks show ${id}`,
    );
  await download(client, output, task, folder);
}

async function download(
  client: Client,
  output: Output,
  begun: Task,
  folder: string | undefined,
): Promise<void> {
  const task = await finished(client, output, begun);
  using _ = onInterrupt(() => note(goOn(task)));
  const { files } = Merge.parse(task.result);
  const target = folder ?? `${task.versions[0]!.version.split(/[/@]/)[1]!}-merged`;
  await downloadInto(client, output, target, files, (path) => `${route(task.id)}/files/${path}`);
  result(output, { ...task, folder: target }, () =>
    [
      `${names(task)} on ${task.base} is in ${target}, and needs no adapter any more`,
      ...fileLines(files),
    ].join('\n'),
  );
}

/** The key makes a request that is sent again the same task. */
export async function startTask(client: Client, name: string, body: object): Promise<Task> {
  return client.post(Task, `/api/tasks/${name}`, body, { 'idempotency-key': randomUUID() });
}

/** Waits until it is over, and shows how far it is. @throws CliError where it failed */
export async function finished(client: Client, output: Output, begun: Task): Promise<Task> {
  const screen = output.isTerminal && !output.json ? createLogUpdate(process.stderr) : undefined;
  if (!screen && !output.json && !isOver(begun)) note(`${begun.id} waits for a runner`);
  using _ = onInterrupt(() => {
    screen?.clear();
    note(goOn(begun));
  });
  let shown = begun;
  const look = async () => {
    shown = await client.get(Task, route(begun.id));
    screen?.(describeProgress(shown));
    return shown;
  };
  const onAway = (isFirst: boolean) => {
    if (screen) screen(`${describeProgress(shown)}\n${NOT_REACHABLE}`);
    else if (isFirst) note(NOT_REACHABLE);
  };
  screen?.(describeProgress(begun));
  try {
    const task = await untilOver({ look, isOver, everyMs: ASK_EVERY_MS, onAway, again: goOn(begun) });
    if (task.status === 'succeeded') return task;
    throw new CliError(EXIT.failed, task.error?.message ?? `${task.id} was cancelled`);
  } finally {
    screen?.clear();
    screen?.done();
  }
}

const isOver = ({ status }: Task): boolean => status !== 'queued' && status !== 'running';

const goOn = ({ id, function: name }: Task): string =>
  `It goes on: patchbay tasks ${name === 'merge' ? 'pull' : 'wait'} ${id}`;

function describeProgress({ id, status, progress, model }: Task): string {
  const what = `${id}  ${model}`;
  if (status === 'queued') return `${what}: waits for a runner`;
  if (!progress || progress.total === 0) return `${what}: running`;
  const { what: step, done, total } = progress;
  return `${what}: ${step} ${Math.floor((100 * done) / total)}%`;
}

/** A version that is not the same when it is trained again is a failure, to a script. */
export function tell(output: Output, task: Task): void {
  result(output, task, () => describeResult(task));
  if (Reproduction.safeParse(task.result).data?.same === false) process.exitCode = EXIT.failed;
}

function describeResult({ result: made }: Task): string {
  const evaluation = Evaluation.safeParse(made).data;
  if (evaluation) return describeEvaluation(evaluation);
  const reproduction = Reproduction.safeParse(made).data;
  if (reproduction) return describeReproduction(reproduction);
  return fileLines(Merge.safeParse(made).data?.files ?? []).join('\n');
}

const fileLines = (files: z.infer<typeof Merge>['files']): string[] =>
  files.map(({ path, size, sha256 }) => `${sha256}  ${path}  ${bytes(size)}`);

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

function describeReproduction({ digests, differences }: Reproduction): string {
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
      : table(['TASK', 'WHAT', 'STATUS', 'MADE', 'MODEL'], tasks.map(row)),
  );
}

export async function showTask(client: Client, output: Output, id: string): Promise<void> {
  const task = await client.get(Task, route(id));
  result(output, task, () => {
    const line = `${task.id}  ${task.function}  ${task.status}  ${names(task)}`;
    return `${line}\n${task.error?.message ?? describeResult(task)}`.trimEnd();
  });
}

export async function waitForTask(client: Client, output: Output, id: string): Promise<void> {
  tell(output, await finished(client, output, await client.get(Task, route(id))));
}

export async function cancelTask(client: Client, output: Output, id: string): Promise<void> {
  const task = await client.post(Task, `${route(id)}/cancel`);
  result(output, task, () => `${task.id}  ${task.status}`);
}
