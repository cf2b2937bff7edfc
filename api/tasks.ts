/** Tasks, for whoever asks for them. What it takes to train again is in reproduction.ts; what a runner does with them is in task-leases.ts. */
import { z } from 'zod';
import { filesOfBase } from '../db/bases.ts';
import type { Database } from '../db/open.ts';
import { nameOf } from '../db/people.ts';
import { changeTask, countOpen, findByKey, findTask, insertTask, isOver, type Task } from '../db/tasks.ts';
import { recordUsage, type Used } from '../db/usage.ts';
import { EvaluateResult } from '../functions/evaluate.ts';
import { count } from '../observe/metrics.ts';
import { traceparent } from '../observe/trace.ts';
import type { Principal, Scope } from './auth.ts';
import { ApiError } from './errors.ts';
import { pinModel } from './invoke.ts';
import { requireBudget } from './metering.ts';
import { takeRoom } from './room.ts';
import { ownFile } from './user-files.ts';
import type { PublishDeps } from './versions.ts';

/** Of one user, that wait or run: nobody keeps the runners from everybody else's. */
export const MAX_OPEN = 16;
export const EVALUATION_FILE = 'eval.jsonl';

/** A version, or the base of `base` alone, as it was when the task was made. */
const Model = z.object({
  /** As the user named it. */
  model: z.string(),
  base: z.string(),
  adapters: z.array(z.object({ id: z.string(), number: z.int(), weight: z.number() })),
});

const OwnFile = z.object({ id: z.string(), sha256: z.string() });

/** By function: what is kept of what was asked. */
export const ORDERS = {
  evaluate: Model.extend({
    /** Null: the base's own rows. */
    file: OwnFile.nullable(),
  }),
  merge: Model,
  reproduce: Model.extend({
    file: OwnFile,
    validationFile: OwnFile.nullable(),
    /** What it was trained from, if not from the base alone. */
    parent: z.object({ id: z.string(), number: z.int() }).nullable(),
    /** In all, as the receipt says; what orders of before do not say costs nothing. */
    trainedTokens: z.int().min(0).default(0),
  }),
};
export type Order<F extends keyof typeof ORDERS> = z.infer<(typeof ORDERS)[F]>;

export interface EvaluationOrder {
  readonly model: string;
  readonly file?: string | undefined;
}

/** @throws ApiError naming the field */
export async function orderEvaluation(
  deps: PublishDeps,
  principal: Principal,
  { model, file }: EvaluationOrder,
): Promise<Order<'evaluate'>> {
  const pinned = await pin(deps, principal, model, 'infer');
  if (file !== undefined) {
    const { id, sha256 } = await ownFile(deps, principal, file, 'file');
    return { ...pinned, file: { id, sha256 } };
  }
  const standard = await filesOfBase(deps.db, pinned.base);
  if (!standard.some(({ path }) => path === EVALUATION_FILE))
    throw new ApiError(
      'invalid_request',
      `${pinned.base} has no rows of its own: name an uploaded file of rows to measure with.`,
      { field: 'file' },
    );
  return { ...pinned, file: null };
}

/** What it makes holds the weights, so to ask for it is to read them. @throws ApiError naming the field */
export async function orderMerge(
  deps: PublishDeps,
  principal: Principal,
  model: string,
): Promise<Order<'merge'>> {
  const pinned = await pin(deps, principal, model, 'read');
  if (pinned.adapters.length === 0)
    throw new ApiError('invalid_request', `${model} is a base: there is nothing to merge into it.`, {
      field: 'model',
    });
  return pinned;
}

/** What a name means now. @param scope what is done with it. @throws ApiError naming the field */
export async function pin(
  deps: PublishDeps,
  principal: Principal,
  model: string,
  scope: Scope,
): Promise<z.infer<typeof Model>> {
  const { base, terms } = await pinModel(deps.db, principal, model, scope);
  const adapters = terms.map((term) => {
    if (!('version' in term))
      throw new ApiError(
        'invalid_request',
        'model: promote the checkpoint first; tasks are about versions.',
        {
          field: 'model',
        },
      );
    return { id: term.version.adapterId, number: term.version.number, weight: term.weight };
  });
  return { model, base: base.id, adapters };
}

/**
 * @param idempotencyKey a request that comes again with it is answered with the task that it made the first time
 * @throws ApiError conflict: the key was used for something else; busy
 */
export async function createTask<F extends keyof typeof ORDERS>(
  deps: PublishDeps,
  principal: Principal,
  name: F,
  order: Order<F>,
  idempotencyKey: string | undefined,
): Promise<Task> {
  const before = idempotencyKey && (await findByKey(deps.db, principal.userId, idempotencyKey));
  if (before) return same(before, name, order);
  await requireBudget(deps.db, principal, deps.now());
  const wanted = {
    id: `task-${crypto.randomUUID()}`,
    function: name,
    userId: principal.userId,
    order,
    idempotencyKey: idempotencyKey ?? null,
    status: 'queued' as const,
    createdAt: deps.now(),
    traceparent: traceparent() ?? null,
  };
  const task = await takeRoom(deps, principal.owner, await bytesMade(deps, name, order), async (tx) => {
    if ((await countOpen(tx, principal.userId)) >= MAX_OPEN)
      throw new ApiError('busy', `${MAX_OPEN} of your tasks wait or run already: wait for one of them.`, {
        retryAfterSeconds: 10,
      });
    return insertTask(tx, wanted, filesOf(order));
  });
  if (!task) throw new ApiError('not_found', 'A file was deleted meanwhile.', { field: 'file' });
  return same(task, name, order);
}

/** A merged model is as large as its base; the others make none. */
async function bytesMade({ db }: PublishDeps, name: keyof typeof ORDERS, { base }: Order<'merge'>) {
  if (name !== 'merge') return 0;
  return (await filesOfBase(db, base)).reduce((sum, { size }) => sum + size, 0);
}

const Files = z.object({ file: OwnFile.nullish(), validationFile: OwnFile.nullish() });
function filesOf(order: object): string[] {
  const { file, validationFile } = Files.parse(order);
  return [file, validationFile].flatMap((one) => one?.id ?? []);
}

/** What a name means may have changed since: the words of the request are compared. */
function same(task: Task, name: string, order: Order<'merge'>): Task {
  const { model } = task.order;
  const hasSameFiles = String(filesOf(task.order)) === String(filesOf(order));
  if (task.function === name && model === order.model && hasSameFiles) return task;
  throw new ApiError('conflict', `This Idempotency-Key was used for ${task.id}, which is something else.`, {
    field: 'idempotency-key',
  });
}

/** A task of somebody else is as good as none. @throws ApiError not_found */
export async function ownTask(
  { db }: Pick<PublishDeps, 'db'>,
  principal: Principal,
  id: string,
): Promise<Task> {
  const task = await findTask(db, id);
  if (task && (task.userId === principal.userId || principal.scopes.has('admin'))) return task;
  throw new ApiError('not_found', `There is no task ${id}.`);
}

/**
 * What a task has used once it is over. Rows that are measured are read: by the base, and again by the model. Training again keeps nothing
 * on its way: what a runner loses begins anew, and is not counted. To merge costs nothing.
 * @param result as the function says; undefined: it came to none
 */
function usedBy(task: Task, result: unknown): Pick<Used, 'kind' | 'quantity' | 'adapterIds'> | undefined {
  if (task.function === 'evaluate' && result !== undefined) {
    const { tokens, model } = EvaluateResult.parse(result);
    const { adapters } = ORDERS.evaluate.parse(task.order);
    return {
      kind: 'prompt',
      quantity: model ? 2 * tokens : tokens,
      adapterIds: adapters.map(({ id }) => id),
    };
  }
  if (task.function === 'reproduce') {
    const { parent, trainedTokens } = ORDERS.reproduce.parse(task.order);
    const { what, done, total } = task.progress ?? { what: '', done: 0, total: 1 };
    const part = result !== undefined ? 1 : what === 'steps' ? done / total : 0;
    const quantity = Math.round(trainedTokens * part);
    return { kind: 'training', quantity, adapterIds: parent ? [parent.id] : [] };
  }
  return undefined;
}

/** @param result undefined: it came to none */
export async function enterTask(tx: Database, task: Task, result: unknown, at: Date): Promise<void> {
  const used = usedBy(task, result);
  if (!used || used.quantity === 0) return;
  const { model, base } = Model.parse(task.order);
  const payer = await nameOf(tx, task.userId);
  await recordUsage(tx, { ...used, requestId: task.id, at, payer, model, baseId: base });
  if (used.kind === 'training') count('patchbay_trained_tokens_total', used.quantity);
}

/** A runner at work on it learns so from its next call. @throws ApiError not_found, conflict */
export async function cancelTask(deps: PublishDeps, principal: Principal, id: string): Promise<Task> {
  await ownTask(deps, principal, id);
  const changed = await changeTask(deps.db, { id }, async (task, tx) => {
    if (task.status === 'cancelled') return undefined;
    if (isOver(task)) throw new ApiError('conflict', `The task ${id} is over: it ${task.status}.`);
    const now = deps.now();
    await enterTask(tx, task, undefined, now);
    return { status: 'cancelled', finishedAt: now, leaseExpiresAt: null, filesExpireAt: now };
  });
  return changed!;
}

/** Where a file that it made can be fetched. @throws ApiError not_found, conflict, gone */
export async function taskFileUrl(
  deps: PublishDeps,
  principal: Principal,
  id: string,
  path: string,
): Promise<string> {
  const task = await ownTask(deps, principal, id);
  if (task.status !== 'succeeded')
    throw new ApiError('conflict', `The task ${id} is ${task.status}: it has no files.`);
  const file = task.files.find((one) => one.path === path);
  if (file) return deps.blobs.readUrl(file.key, path);
  const made = task.result as { files?: { path: string }[] } | null;
  if (made?.files?.some((one) => one.path === path))
    throw new ApiError('gone', `The files of ${id} have expired: ask for them anew.`);
  throw new ApiError('not_found', `The task ${id} made no file ${path}.`);
}
