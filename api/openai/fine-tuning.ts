/** OpenAI's fine-tuning jobs. */
import { Hono } from 'hono';
import { z } from 'zod';
import { ownerName } from '../../adapter/reference.ts';
import {
  findCheckpoint,
  type Job,
  type JobCheckpoint,
  type JobEvent,
  listCheckpoints,
  listEvents,
  listJobs,
} from '../../db/training.ts';
import { Hyperparameters } from '../../functions/train.ts';
import { promoteCheckpoint } from '../checkpoints.ts';
import { isStorable } from '../content.ts';
import { type AppEnv, requirePrincipal } from '../context.ts';
import { ApiError } from '../errors.ts';
import { cancelJob, createJob, ownJob, pauseJob, resumeJob, type TrainingDeps } from '../fine-tuning.ts';
import { parseInput, readJsonBody } from '../request.ts';
import { listOf, pageQuery, seconds } from './paging.ts';
import { resultFilesOf } from './result-file.ts';

/** OpenAI's limits on metadata. */
const Metadata = z
  .record(z.string().min(1).max(64), z.string().max(512))
  .refine((pairs) => Object.keys(pairs).length <= 16, 'must not have more than 16 keys');

const fileId = z.string().min(1).max(128);

export const JobBody = z
  .strictObject({
    model: z.string().min(1).max(256),
    training_file: fileId,
    validation_file: fileId.nullish(),
    /** The older form, which clients still send. */
    hyperparameters: Hyperparameters.nullish(),
    method: z
      .strictObject({
        type: z.literal('supervised', 'must be "supervised": other methods are not supported'),
        supervised: z.strictObject({ hyperparameters: Hyperparameters.nullish() }).nullish(),
      })
      .nullish(),
    suffix: ownerName.nullish(),
    /** Beyond OpenAI's: what the job makes begins private. */
    visibility: z.literal('private').nullish(),
    seed: z
      .int()
      .min(0)
      .max(2 ** 31 - 1)
      .nullish(),
    metadata: Metadata.nullish(),
    integrations: z.array(z.unknown()).max(0, 'are not supported; leave them out').nullish(),
  })
  .refine(isStorable, 'holds the character NUL or half a surrogate pair, which is no text');

export const JobsQuery = z.looseObject(pageQuery(20));
/** A job has an event for each step. */
const MAX_EVENTS = 1000;
export const EventsQuery = z.object(pageQuery(20, MAX_EVENTS));
export const CheckpointsQuery = z.object(pageQuery(10));

export function fineTuningRoutes(deps: TrainingDeps) {
  const app = new Hono<AppEnv>();
  const jobs = '/fine_tuning/jobs';

  app.post(jobs, async (c) => {
    const principal = requirePrincipal(c, 'train');
    const body = parseInput(JobBody, await readJsonBody(c.req.raw));
    const order = {
      model: body.model,
      trainingFile: body.training_file,
      validationFile: body.validation_file ?? undefined,
      hyperparameters: hyperparametersOf(body),
      suffix: body.suffix ?? undefined,
      visibility: body.visibility ?? undefined,
      seed: body.seed ?? undefined,
      metadata: body.metadata ?? {},
    };
    return c.json(viewJob(await createJob(deps, principal, order)));
  });

  app.get(jobs, async (c) => {
    const principal = requirePrincipal(c, 'train');
    const query = c.req.query();
    const { after, limit } = parseInput(JobsQuery, query);
    const last = after === undefined ? undefined : await ownJob(deps, principal, after, 'after');
    const metadata = parseInput(Metadata, metadataOf(query));
    const found = await listJobs(deps.db, principal.userId, { limit, after: last, metadata });
    return c.json(listOf(found, limit, viewJob));
  });

  app.get(`${jobs}/:id`, async (c) =>
    c.json(viewJob(await ownJob(deps, requirePrincipal(c, 'train'), c.req.param('id')))),
  );

  for (const [action, act] of [
    ['cancel', cancelJob],
    ['pause', pauseJob],
    ['resume', resumeJob],
  ] as const) {
    app.post(`${jobs}/:id/${action}`, async (c) =>
      c.json(viewJob(await act(deps, requirePrincipal(c, 'train'), c.req.param('id')))),
    );
  }

  app.get(`${jobs}/:id/events`, async (c) => {
    const job = await ownJob(deps, requirePrincipal(c, 'train'), c.req.param('id'));
    const { after, limit } = parseInput(EventsQuery, c.req.query());
    const before = after === undefined ? undefined : eventNumber(after);
    return c.json(listOf(await listEvents(deps.db, job.id, limit, before), limit, viewEvent));
  });

  app.get(`${jobs}/:id/checkpoints`, async (c) => {
    const job = await ownJob(deps, requirePrincipal(c, 'train'), c.req.param('id'));
    const { after, limit } = parseInput(CheckpointsQuery, c.req.query());
    const last = after === undefined ? undefined : await findCheckpoint(deps.db, job.id, after);
    if (after !== undefined && !last) throw unknownAfter(after);
    const found = await listCheckpoints(deps.db, job.id, limit, last?.step);
    return c.json(listOf(found, limit, (checkpoint) => viewCheckpoint(job, checkpoint)));
  });

  // OpenAI deploys checkpoints by their names alone; here they become versions, which the publish gate has looked at.
  app.post(`${jobs}/:id/checkpoints/:checkpoint/promote`, async (c) => {
    const principal = requirePrincipal(c, 'publish');
    const { id, checkpoint } = c.req.param();
    const { adapterId, number, status } = await promoteCheckpoint(deps, principal, id, checkpoint);
    return c.json({ object: 'model.version', model: `${adapterId}@v${number}`, status });
  });

  return app;
}

/** @throws ApiError where both forms are used: one of them would be ignored */
function hyperparametersOf({ hyperparameters, method }: z.infer<typeof JobBody>): Hyperparameters {
  const inMethod = method?.supervised?.hyperparameters;
  if (hyperparameters && inMethod) {
    throw new ApiError(
      'invalid_request',
      'hyperparameters: give them once, in method.supervised.hyperparameters.',
      { field: 'hyperparameters' },
    );
  }
  return inMethod ?? hyperparameters ?? {};
}

/** `metadata[team]=a` -> { team: 'a' } */
function metadataOf(query: Record<string, string>): Record<string, string> {
  const pairs = Object.entries(query).map(([name, value]) => [/^metadata\[(.+)\]$/.exec(name)?.[1], value]);
  return Object.fromEntries(pairs.filter(([key]) => key !== undefined));
}

const unknownAfter = (after: string) =>
  new ApiError('invalid_request', `after: there is no ${after} in this list.`, { field: 'after' });

const EVENT_PREFIX = 'ftevent-';

function eventNumber(id: string): number {
  const number = id.startsWith(EVENT_PREFIX) ? Number(id.slice(EVENT_PREFIX.length)) : Number.NaN;
  if (!Number.isSafeInteger(number)) throw unknownAfter(id);
  return number;
}

function viewJob(job: Job) {
  const asked = Hyperparameters.parse(job.hyperparameters);
  const known = { ...asked, ...job.decided };
  const { n_epochs = 'auto', batch_size = 'auto', learning_rate_multiplier = 'auto' } = known;
  const hyperparameters = { n_epochs, batch_size, learning_rate_multiplier };
  return {
    id: job.id,
    object: 'fine_tuning.job',
    created_at: seconds(job.createdAt),
    finished_at: job.finishedAt && seconds(job.finishedAt),
    estimated_finish: job.estimatedFinish && seconds(job.estimatedFinish),
    status: job.pausing ? 'pausing' : job.status,
    model: job.model,
    fine_tuned_model: job.fineTunedModel,
    organization_id: job.target.split('/')[0],
    // As OpenAI's: here it is the adapter's name, decided too where none was given.
    user_provided_suffix: job.target.split('/')[1],
    training_file: job.trainingFile,
    validation_file: job.validationFile,
    result_files: resultFilesOf(job),
    trained_tokens: job.trainedTokens,
    seed: job.seed,
    hyperparameters,
    method: {
      type: 'supervised',
      supervised: { hyperparameters: { ...known, ...hyperparameters } },
    },
    error: job.error ?? null,
    integrations: [],
    metadata: job.metadata,
  };
}

function viewEvent({ id, createdAt, level, message, type, data, step }: JobEvent) {
  return {
    id: `${EVENT_PREFIX}${id}`,
    object: 'fine_tuning.job.event',
    created_at: seconds(createdAt),
    level,
    message,
    type,
    data: step === null ? data : { step, ...data },
  };
}

function viewCheckpoint(job: Job, { id, createdAt, step, metrics }: JobCheckpoint) {
  const figures = Object.entries(metrics ?? {}).filter(([, value]) => value !== null);
  return {
    id,
    object: 'fine_tuning.job.checkpoint',
    created_at: seconds(createdAt),
    fine_tuning_job_id: job.id,
    fine_tuned_model_checkpoint: `${job.target}@${id}`,
    step_number: step,
    metrics: { step, ...Object.fromEntries(figures) },
  };
}
