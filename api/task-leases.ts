/** Tasks, for runners: the use cases behind functions/tasks.ts. */
import { findSubmitted } from '../db/adapters.ts';
import { filesOfBase, findBase } from '../db/bases.ts';
import type { TaskFile } from '../db/schema.ts';
import {
  changeTask,
  endExpiredTasks,
  findByLease,
  leaseNextTask,
  lost,
  requeued,
  type Task,
  type TaskChange,
} from '../db/tasks.ts';
import { TASKS } from '../functions/object-keys.ts';
import { ON_RUNNERS, retriesOf } from '../functions/on-runners.ts';
import type { DeclaredFiles, Progress, TaskFailure, TaskLease, TaskRequest } from '../functions/tasks.ts';
import { HEARTBEAT_SECONDS, type ResultUploads } from '../functions/train.ts';
import { hashOf, toStorable } from './content.ts';
import { ApiError } from './errors.ts';
import { adapterSource, baseSource, fileSource } from './invoke.ts';
import { expiry, leaseOver, sameFiles } from './job-lease.ts';
import { userFile } from './leases.ts';
import { reproduction } from './reproduction.ts';
import { joinParts, missingParts, partSizeOf, viewFile } from './staged-files.ts';
import { EVALUATION_FILE, enterTask, ORDERS, type Order } from './tasks.ts';
import type { PublishDeps } from './versions.ts';

/** What a task made can be fetched for so long. */
const FILES_DAYS = 7;
const DAY_MS = 86_400_000;

const definitionOf = (name: string) => ON_RUNNERS.find((one) => one.name === name);

/** @returns undefined: nothing waits */
export async function takeTask(
  deps: PublishDeps,
  { runner, functions }: TaskRequest,
): Promise<TaskLease | undefined> {
  await endExpiredTasks(deps.db, retriesOf, deps.now());
  const lease = { id: crypto.randomUUID(), runner, expiresAt: expiry(deps) };
  const task = await leaseNextTask(deps.db, functions, lease, deps.now());
  if (!task) return undefined;
  return {
    leaseId: lease.id,
    taskId: task.id,
    function: task.function,
    ...(task.traceparent ? { traceparent: task.traceparent } : {}),
    event: await eventOf(deps, task),
    heartbeatSeconds: HEARTBEAT_SECONDS,
  };
}

function eventOf(deps: PublishDeps, task: Task): Promise<unknown> {
  switch (task.function) {
    case 'evaluate':
      return evaluation(deps, ORDERS.evaluate.parse(task.order));
    case 'merge':
      return modelOf(deps, ORDERS.merge.parse(task.order));
    case 'reproduce':
      return reproduction(deps, ORDERS.reproduce.parse(task.order));
    default:
      throw new Error(`${task.id} is for ${task.function}, which nobody can be asked for`);
  }
}

/** The adapters were the user's to use when the task was made. */
async function modelOf(deps: PublishDeps, { base, adapters }: Order<'merge'>) {
  const found = await findBase(deps.db, base);
  if (!found) throw new Error(`base ${base} of a task is missing`);
  const adapter = async ({ id, number, weight }: (typeof adapters)[number]) => {
    const version = await findSubmitted(deps.db, id, number);
    if (!version) throw new Error(`${id}@${number} of a task is missing`);
    return { ...(await adapterSource(deps, version)), weight };
  };
  const [source, ...sources] = await Promise.all([baseSource(deps, found), ...adapters.map(adapter)]);
  return { base: source, adapters: sources };
}

async function evaluation(deps: PublishDeps, order: Order<'evaluate'>) {
  const model = await modelOf(deps, order);
  if (order.file)
    return {
      ...model,
      rows: { file: await userFile(deps, order.file.id, order.file.sha256), of: 'user' },
    };
  const standard = (await filesOfBase(deps.db, order.base)).find(({ path }) => path === EVALUATION_FILE);
  return { ...model, rows: { file: await fileSource(deps.blobs, standard!), of: 'base' } };
}

/** @throws ApiError conflict: the lease is over */
export async function heartbeatTask(
  deps: PublishDeps,
  leaseId: string,
  progress: Progress | undefined,
): Promise<'continue' | 'cancel'> {
  const known = await findByLease(deps.db, leaseId);
  if (known?.status === 'cancelled') return 'cancel';
  await under(deps, leaseId, () => ({
    leaseExpiresAt: expiry(deps),
    ...(progress ? { progress: toStorable(progress) } : {}),
  }));
  return 'continue';
}

/**
 * Where the files that the task makes are sent to. Asked again with the same files, it joins what has arrived whole, and tells which parts
 * have not, or were lost by the store; with others, or under another lease, it begins anew.
 */
export async function startFiles(
  deps: PublishDeps,
  leaseId: string,
  { files }: DeclaredFiles,
): Promise<ResultUploads> {
  const task = await under(deps, leaseId, () => undefined);
  const prefix = `${TASKS}${task.id}/${leaseId}/`;
  const isKnown = sameFiles(task.files, files) && task.files.every(({ key }) => key.startsWith(prefix));
  const declared = isKnown
    ? await joinArrived(deps, leaseId, task.files)
    : await declare(deps, task, leaseId, prefix, files);
  const views = declared.map((file) => viewFile(deps.blobs, { ...file, upload: file }));
  return { files: await Promise.all(views) };
}

/** @returns them with the uploads that they come by now */
async function joinArrived(
  deps: PublishDeps,
  leaseId: string,
  files: readonly TaskFile[],
): Promise<readonly TaskFile[]> {
  for (const file of files)
    if ((await missingParts(deps.blobs, file.size, file)) === 0) await joined(deps, leaseId, file);
  return (await under(deps, leaseId, () => undefined)).files;
}

function joined(deps: PublishDeps, leaseId: string, file: TaskFile): Promise<number | undefined> {
  return joinParts(deps.blobs, file, async (uploadId) => {
    let isNoted = false;
    await under(deps, leaseId, ({ files }) => {
      isNoted = files.some((one) => one.uploadId === file.uploadId);
      return { files: files.map((one) => (one.uploadId === file.uploadId ? { ...one, uploadId } : one)) };
    });
    return isNoted;
  });
}

async function declare(
  deps: PublishDeps,
  task: Task,
  leaseId: string,
  prefix: string,
  files: DeclaredFiles['files'],
): Promise<TaskFile[]> {
  const { blobs } = deps;
  for (const { key, uploadId } of task.files) await blobs.abortUpload(key, uploadId);
  const declared = await Promise.all(
    files.map(async ({ path, size, sha256 }) => {
      const key = `${prefix}${path}`;
      return {
        path,
        size,
        sha256,
        key,
        uploadId: await blobs.startUpload(key),
        partSize: partSizeOf(size),
      };
    }),
  );
  await under(deps, leaseId, () => ({ files: declared }));
  return declared;
}

/** @throws ApiError refused where a file has not arrived, or is not what was declared */
export async function finishTask(deps: PublishDeps, leaseId: string, result: unknown): Promise<void> {
  const known = await findByLease(deps.db, leaseId);
  if (known?.status === 'succeeded') return; // the answer was lost on its way
  const task = await under(deps, leaseId, () => undefined);
  const checked = definitionOf(task.function)?.result.safeParse(result);
  if (!checked?.success)
    throw new ApiError('invalid_request', `result: is not what ${task.function} ends in.`, {
      field: 'result',
    });
  const { files } = checked.data as { files?: DeclaredFiles['files'] };
  if (files && !sameFiles(files, task.files))
    throw new ApiError('refused', 'files: others were declared.', { field: 'files' });
  for (const file of task.files) await arrived(deps, leaseId, file);
  await under(deps, leaseId, async (current, tx) => {
    const now = deps.now();
    await enterTask(tx, current, checked.data, now);
    return {
      status: 'succeeded',
      result: toStorable(checked.data),
      finishedAt: now,
      leaseExpiresAt: null,
      progress: null,
      ...(task.files.length > 0 ? { filesExpireAt: new Date(now.getTime() + FILES_DAYS * DAY_MS) } : {}),
    };
  });
}

async function arrived(deps: PublishDeps, leaseId: string, file: TaskFile): Promise<void> {
  const { blobs, createHasher } = deps;
  const missing = await missingParts(blobs, file.size, file);
  if (missing > 0)
    throw new ApiError('refused', `${file.path}: ${missing} of its parts have not arrived.`, {
      field: file.path,
    });
  const stored = await joined(deps, leaseId, file);
  const actual = stored === file.size ? await hashOf(await blobs.read(file.key), createHasher()) : undefined;
  if (actual !== file.sha256)
    throw new ApiError('refused', `${file.path} is not there, or not as it was declared.`, {
      field: file.path,
    });
}

export async function failTask(deps: PublishDeps, leaseId: string, failure: TaskFailure): Promise<void> {
  await under(deps, leaseId, async (task, tx) => {
    const now = deps.now();
    await enterTask(tx, task, undefined, now);
    return {
      status: 'failed',
      error: toStorable(failure),
      finishedAt: now,
      filesExpireAt: now, // what it had begun to send
      leaseExpiresAt: null,
    };
  });
}

/** Gives it back. @param failed the runner could not do it */
export async function releaseTask(deps: PublishDeps, leaseId: string, failed: boolean): Promise<void> {
  await under(deps, leaseId, (task) => {
    if (failed) return lost(task, retriesOf(task.function), deps.now());
    return requeued(deps.now());
  });
}

/** @throws ApiError conflict: the lease is over */
async function under(
  deps: PublishDeps,
  leaseId: string,
  work: (task: Task, transaction: PublishDeps['db']) => TaskChange | undefined | Promise<TaskChange>,
): Promise<Task> {
  const now = deps.now();
  const task = await changeTask(deps.db, { leaseId }, async (found, tx) => {
    if (found.status !== 'running' || found.leaseExpiresAt! <= now) throw leaseOver(leaseId);
    return work(found, tx);
  });
  if (!task) throw leaseOver(leaseId);
  return task;
}
