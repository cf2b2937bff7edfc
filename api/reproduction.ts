/** Training a version again from its receipt: what it takes, where it is, and whose it is. */
import { z } from 'zod';
import { filesOfVersion, findSubmitted, type Version } from '../db/adapters.ts';
import { findBase } from '../db/bases.ts';
import { findFile, type UserFile } from '../db/files.ts';
import type { ReproduceEvent } from '../functions/reproduce.ts';
import { Hyperparameters } from '../functions/train.ts';
import type { Principal } from './auth.ts';
import { ApiError } from './errors.ts';
import { adapterSource, baseSource } from './invoke.ts';
import { userFile } from './leases.ts';
import { type Order, pin } from './tasks.ts';
import { ownFile } from './user-files.ts';
import type { PublishDeps } from './versions.ts';

/** What training makes; a card says nothing of how well it was repeated. */
const COMPARED = ['adapter_config.json', 'adapter_model.safetensors'];

const Facts = z.record(z.string(), z.unknown());
const ReceiptFile = z.object({ id: z.string(), sha256: z.string() });
/** Of a receipt, what is needed: gpu-runner/train/result.ts writes it. */
const Receipt = z.object({
  base: z.object({ id: z.string(), digest: z.string() }),
  parent: z.object({ digest: z.string() }).optional(),
  training_file: ReceiptFile,
  validation_file: ReceiptFile.optional(),
  hyperparameters: Hyperparameters,
  decided: Facts,
  seed: z.int(),
  engine: Facts,
  trained_tokens: z.int().min(0),
  /** Where the job went on with another one. */
  engine_changes: z.array(z.object({ after_step: z.int() })).optional(),
});
type Receipt = z.infer<typeof Receipt>;

export interface ReproductionOrder {
  readonly model: string;
  /** Absent: those that the receipt names. */
  readonly file?: string | undefined;
  readonly validationFile?: string | undefined;
}

/** @throws ApiError naming the field */
export async function orderReproduction(
  deps: PublishDeps,
  principal: Principal,
  { model, file, validationFile }: ReproductionOrder,
): Promise<Order<'reproduce'>> {
  const pinned = await pin(deps, principal, model, 'train');
  const [only, ...more] = pinned.adapters;
  if (!only || more.length > 0 || only.weight !== 1)
    throw wrong('model', `${model} is no single version: name one, such as owner/name@3.`);
  const version = await submitted(deps, only);
  const receipt = receiptOf(version);
  const base = await findBase(deps.db, receipt.base.id);
  if (base?.digest !== receipt.base.digest)
    throw new ApiError('conflict', `The base ${receipt.base.id} is not what it was trained on.`, {
      field: 'model',
    });
  const [change] = receipt.engine_changes ?? [];
  if (change)
    throw new ApiError(
      'conflict',
      `${model} was trained by one engine until step ${change.after_step} and by another one from there: no single one comes to its bytes.`,
      { field: 'model' },
    );
  const validation = receipt.validation_file;
  if (!validation && validationFile !== undefined)
    throw wrong('validationFile', 'It was trained without a validation file: leave it out.');
  return {
    ...pinned,
    parent: await parentOf(deps, principal, version, receipt),
    trainedTokens: receipt.trained_tokens,
    file: await dataFile(deps, principal, receipt.training_file, file, 'file'),
    validationFile: validation
      ? await dataFile(deps, principal, validation, validationFile, 'validationFile')
      : null,
  };
}

/** What a runner is told. The receipt is that of the version, which does not change. */
export async function reproduction(deps: PublishDeps, order: Order<'reproduce'>): Promise<ReproduceEvent> {
  const { parent, file, validationFile } = order;
  const version = await submitted(deps, order.adapters[0]!);
  const { hyperparameters, seed, engine, decided } = receiptOf(version);
  const base = await findBase(deps.db, order.base);
  if (!base) throw new Error(`base ${order.base} of a task is missing`);
  const files = await filesOfVersion(deps.db, version.adapterId, version.number);
  return {
    base: await baseSource(deps, base),
    ...(parent ? { parent: await adapterSource(deps, await submitted(deps, parent)) } : {}),
    trainingFile: await userFile(deps, file.id, file.sha256),
    ...(validationFile
      ? { validationFile: await userFile(deps, validationFile.id, validationFile.sha256) }
      : {}),
    hyperparameters,
    seed,
    before: { files: files.filter(({ path }) => COMPARED.includes(path)), engine, decided },
  };
}

async function submitted(
  { db }: PublishDeps,
  { id, number }: { readonly id: string; readonly number: number },
): Promise<Version> {
  const version = await findSubmitted(db, id, number);
  if (!version) throw new Error(`${id}@${number} of a task is missing`);
  return version;
}

/** @throws ApiError invalid_request */
function receiptOf({ adapterId, number, receipt }: Version): Receipt {
  const name = `${adapterId}@${number}`;
  if (!receipt)
    throw wrong('model', `${name} has no receipt: it was not trained here, so nobody knows how it was.`);
  const { data } = Receipt.safeParse(receipt);
  if (data) return data;
  throw wrong('model', `The receipt of ${name} does not say all that training takes.`);
}

/** What training went on from; whoever trains again must be allowed to use it, too. @throws ApiError forbidden, conflict */
async function parentOf(
  deps: PublishDeps,
  principal: Principal,
  { lineage }: Version,
  { parent }: Receipt,
): Promise<Order<'reproduce'>['parent']> {
  if (!parent) return null;
  const found = lineage?.parent
    ? await pin(deps, principal, lineage.parent, 'train').catch((error: unknown) => {
        // Its own words name what is private.
        if (!(error instanceof ApiError && error.code === 'model_not_found')) throw error;
      })
    : undefined;
  const adapter = found?.adapters[0];
  if (!adapter || (await submitted(deps, adapter)).digest !== parent.digest)
    throw new ApiError('conflict', 'Training went on from an adapter that is not here as it was.', {
      field: 'model',
    });
  return { id: adapter.id, number: adapter.number };
}

/** @throws ApiError not_found, invalid_request for other bytes than the receipt's */
async function dataFile(
  deps: PublishDeps,
  principal: Principal,
  { id, sha256 }: z.infer<typeof ReceiptFile>,
  given: string | undefined,
  field: string,
): Promise<{ id: string; sha256: string }> {
  const file: UserFile | undefined =
    given === undefined
      ? await findFile(deps.db, principal.userId, id)
      : await ownFile(deps, principal, given, field);
  if (!file)
    throw new ApiError(
      'not_found',
      `${field}: ${id}, which the receipt names, is not yours, or no more. Upload the file with the sha256 ${sha256}, and name that.`,
      { field },
    );
  if (file.sha256 !== sha256)
    throw wrong(
      field,
      `${field}: ${file.id} is not the file of the receipt. Its sha256 is ${file.sha256}, not ${sha256}.`,
    );
  return { id: file.id, sha256 };
}

const wrong = (field: string, message: string) => new ApiError('invalid_request', message, { field });
