/**
 * From a model name to a runner's answer: what is meant, whether it is there, and where its files can be fetched. All
 * protocols that generate text come through here.
 */

import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import { SpanKind } from '@opentelemetry/api';
import { parseReference, type Term } from '../adapter/reference.ts';
import { filesOfVersion, type Version } from '../db/adapters.ts';
import { type Base, filesOfBase, findBase, type StoredFile } from '../db/bases.ts';
import type { Database } from '../db/open.ts';
import type { CheckpointFile } from '../db/schema.ts';
import { findCheckpointOf, type Job, type JobCheckpoint } from '../db/training.ts';
import type { AnswerSchema } from '../functions/answer-schema.ts';
import type {
  AdapterSource,
  AnswerEvent,
  BaseSource,
  FileSource,
  Prompt,
  Sampling,
} from '../functions/generate.ts';
import { blobKey } from '../functions/object-keys.ts';
import { observe, secondsSince } from '../observe/metrics.ts';
import { inSpan, streamInSpan } from '../observe/trace.ts';
import { findVisible, requireAllowed, requireUse, worksOn } from './access.ts';
import type { Principal, Scope } from './auth.ts';
import type { BlobStore } from './blob-store.ts';
import { readJson } from './content.ts';
import { ApiError } from './errors.ts';
import { metered, requireBudget } from './metering.ts';
import type { Outlive } from './outlive.ts';
import type { RunnerClient } from './runner-client.ts';

export interface InvokeDeps {
  readonly db: Database;
  readonly blobs: BlobStore;
  readonly runner: RunnerClient;
  readonly now: () => Date;
  readonly outlive: Outlive;
  /** Ends answers that are under way, with its reason. */
  readonly ending?: AbortSignal | undefined;
}

type ModelDeps = Pick<InvokeDeps, 'db' | 'blobs'>;

export interface ResolvedModel {
  readonly base: BaseSource;
  readonly adapters: readonly AdapterSource[];
  readonly adapterIds: readonly string[];
}

export interface Invocation {
  /** Names the answer and its entry in the books. */
  readonly id: string;
  /** Of the log. */
  readonly requestId: string;
  readonly model: string;
  readonly prompt: Prompt;
  readonly sampling: Sampling;
  /** What the answer must be, as JSON. */
  readonly schema?: AnswerSchema | undefined;
  readonly n: number;
}

/** @throws ApiError model_not_found, and what the runner refuses */
export async function invoke(
  deps: InvokeDeps,
  principal: Principal,
  invocation: Invocation,
  signal: AbortSignal,
): Promise<AsyncGenerator<AnswerEvent>> {
  const began = performance.now();
  const { id, requestId, model, prompt, sampling, schema, n } = invocation;
  await requireBudget(deps.db, principal, deps.now());
  const { base, adapters, adapterIds } = await inSpan('resolve model', {}, () =>
    resolveModel(deps, principal, model),
  );
  const tenant = principal.owner;
  const request = { requestId, tenant, base, adapters: [...adapters], prompt, sampling, schema, n };
  const used = { requestId: id, payer: tenant, model, baseId: base.id, adapterIds };
  const events = await streamInSpan('runner generate', { 'patchbay.base': base.id }, SpanKind.CLIENT, () =>
    deps.runner.generate(request, deps.ending ? AbortSignal.any([signal, deps.ending]) : signal),
  );
  return metered(deps.db, used, deps.now, timed(events, began));
}

/** Passes events on, and notes when the first piece came. */
async function* timed(events: AsyncGenerator<AnswerEvent>, began: number): AsyncGenerator<AnswerEvent> {
  let isFirst = true;
  for await (const event of events) {
    if (event.type === 'delta' && isFirst) {
      observe('patchbay_time_to_first_token_seconds', secondsSince(began));
      isFirst = false;
    }
    yield event;
  }
}

/** @throws ApiError model_not_found, alike for what is missing and for what is private; forbidden for what is gated */
export async function resolveModel(
  deps: ModelDeps,
  principal: Principal,
  model: string,
): Promise<ResolvedModel> {
  const { base, terms } = await pinModel(deps.db, principal, model);
  const adapter = async ({ weight, ...pinned }: (typeof terms)[number]) => ({
    ...('version' in pinned
      ? await adapterSource(deps, pinned.version)
      : await checkpointSource(deps, pinned.checkpoint)),
    weight,
  });
  // All are awaited together: one that fails while another is waited for would be nobody's, and end the process.
  const [source, ...adapters] = await Promise.all([baseSource(deps, base), ...terms.map(adapter)]);
  const adapterIds = terms.map((term) => ('version' in term ? term.version.adapterId : term.job.target));
  return { base: source, adapterIds, adapters };
}

/** What one adapter of a name means. */
type Pinned = { readonly version: Version } | { readonly job: Job; readonly checkpoint: JobCheckpoint };

export interface PinnedModel {
  readonly base: Base;
  /** None: the base alone. */
  readonly terms: readonly (Pinned & { readonly weight: number })[];
}

/** Which versions a name means at this moment. @param scope what is done with them. @throws as resolveModel */
export async function pinModel(
  db: Database,
  principal: Principal,
  model: string,
  scope: Scope = 'infer',
): Promise<PinnedModel> {
  const { terms } = parse(model);
  const [first] = terms;
  const single = terms.length === 1 && first && isBare(first);
  const bare = single ? await findBase(db, idOf(first)) : undefined;
  if (bare) return { base: bare, terms: [] };

  const found = await Promise.all(terms.map((term) => findTerm(db, principal, term, scope)));
  const bases = new Set(found.map((one) => ('version' in one ? one.version.baseId : one.job.baseId)));
  if (bases.size > 1) {
    throw new ApiError(
      'invalid_request',
      `A mix needs one base; these adapters have ${[...bases].join(' and ')}.`,
      { field: 'model' },
    );
  }
  const base = await findBase(db, [...bases][0]!);
  if (!base) throw new Error(`base ${[...bases][0]} of a listed version is missing`);
  return { base, terms: found.map((pinned, i) => ({ ...pinned, weight: terms[i]!.weight })) };
}

function parse(model: string) {
  try {
    return parseReference(model);
  } catch (error) {
    throw new ApiError('model_not_found', (error as Error).message, { field: 'model' });
  }
}

/** The one model that a name without a `+` means; a weight says nothing of which. @throws ApiError model_not_found */
export function parseSingle(model: string): Term {
  const { terms } = parse(model);
  if (terms.length > 1)
    throw new ApiError('model_not_found', `${model} is a mix: ask for its adapters one by one.`, {
      field: 'model',
    });
  return terms[0]!;
}

const idOf = ({ owner, name }: Term): string => `${owner}/${name}`;

/** Whether it may mean a base. */
const isBare = ({ version, checkpoint, weight }: Term): boolean =>
  version === undefined && checkpoint === undefined && weight === 1;

async function findTerm(db: Database, principal: Principal, term: Term, scope: Scope): Promise<Pinned> {
  const id = idOf(term);
  const { version: number, checkpoint } = term;
  const found = checkpoint
    ? await findCheckpoint(db, principal, { id, checkpoint, scope })
    : await findListed(db, principal, { id, number, scope });
  if (found) return found;
  const which = number ?? checkpoint;
  const name = which === undefined ? id : `${id}@${which}`;
  throw new ApiError('model_not_found', `There is no model ${name}; GET /v1/models lists those there are.`, {
    field: 'model',
  });
}

async function findListed(
  db: Database,
  principal: Principal,
  { id, number, scope }: { id: string; number: number | undefined; scope: Scope },
): Promise<Pinned | undefined> {
  const found = await findVisible(db, principal, id, number, [scope]);
  if (!found) return undefined;
  requireAllowed(principal, id, 'model');
  await requireUse(db, principal, found.adapter, scope);
  return { version: found.version };
}

/** A checkpoint is there for those who work on what its job trains, as a version is that is not listed. */
async function findCheckpoint(
  db: Database,
  principal: Principal,
  { id, checkpoint, scope }: { id: string; checkpoint: string; scope: Scope },
): Promise<Pinned | undefined> {
  return worksOn(principal, id, [scope]) ? findCheckpointOf(db, id, checkpoint) : undefined;
}

export async function baseSource(deps: ModelDeps, base: Base): Promise<BaseSource> {
  const files = await filesOfBase(deps.db, base.id);
  return {
    id: base.id,
    digest: base.digest,
    files: await Promise.all(files.map((file) => fileSource(deps.blobs, file))),
  };
}

export async function adapterSource(
  { db, blobs }: ModelDeps,
  { adapterId, number, digest, config }: Version,
): Promise<AdapterSource> {
  const files = await filesOfVersion(db, adapterId, number);
  const weights = files.find(({ path }) => path === 'adapter_model.safetensors')!;
  return { digest, weight: 1, config, weights: await fileSource(blobs, weights) };
}

/** A checkpoint that is kept does not change, so its files' digests name it. */
async function checkpointSource({ blobs }: ModelDeps, checkpoint: JobCheckpoint): Promise<AdapterSource> {
  const config = checkpointFile(checkpoint, 'adapter_config.json');
  const weights = checkpointFile(checkpoint, 'adapter_model.safetensors');
  const digests = new TextEncoder().encode(`${config.sha256} ${weights.sha256}`);
  return {
    digest: bytesToHex(sha256(digests)),
    weight: 1,
    config: (await readJson({ ...config, store: blobs })) as Record<string, unknown>,
    weights: await fileSource(blobs, weights, weights.key),
  };
}

/** @throws ApiError conflict where its files are gone: jobs that are long over keep none */
export function checkpointFile({ files, step }: JobCheckpoint, name: string): CheckpointFile {
  const file = files.find(({ path }) => path === name);
  if (file) return file;
  throw new ApiError(
    'conflict',
    `The checkpoint of step ${step} has no ${name}: files of checkpoints are kept for a week after their job is over.`,
  );
}

/** @param key where the bytes are, if not among the checked content */
export async function fileSource(
  blobs: BlobStore,
  { path, sha256, size }: StoredFile,
  key = blobKey(sha256),
): Promise<FileSource> {
  return { path, sha256, size, url: await blobs.readUrl(key) };
}
