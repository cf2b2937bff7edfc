/** Bodies of tasks. */
import { z } from '@hono/zod-openapi';
import { TASK_STATUSES } from '../../db/schema.ts';
import { EvaluateResult } from '../../functions/evaluate.ts';
import { MergeResult } from '../../functions/merge.ts';
import { ReproduceResult } from '../../functions/reproduce.ts';
import { storable } from './schemas.ts';

const model = storable(1000).min(3).openapi({
  description: 'A base, `owner/name`, `owner/name@3`, or a mix such as `owner/a:0.7+owner/b:0.3`',
});

export const NewEvaluation = z
  .strictObject({
    model,
    file: storable(200)
      .min(1)
      .optional()
      .openapi({ description: 'An uploaded file of rows to measure with; without it, those of the base' }),
  })
  .openapi('NewEvaluation');

export const NewMerge = z.strictObject({ model }).openapi('NewMerge');

const receiptFile = storable(200).min(1).optional();
export const NewReproduction = z
  .strictObject({
    model: storable(1000).min(3).openapi({ description: 'A version with a receipt: `owner/name@3`' }),
    file: receiptFile.openapi({
      description:
        'An uploaded file with the bytes of the training file; without it, the one of the job, if it is yours',
    }),
    validationFile: receiptFile.openapi({
      description: 'The same for the validation file, where there was one',
    }),
  })
  .openapi('NewReproduction');

export const IdempotencyKey = z.object({
  'idempotency-key': z
    .string()
    .regex(/^[\x21-\x7e]{1,255}$/, 'must be 1 to 255 visible ASCII characters')
    .optional()
    .openapi({ description: 'A request that comes again with it is the same task' }),
});

export const TaskId = z.object({ task: storable(64) });

export const Task = z
  .object({
    id: z.string(),
    function: z.string(),
    /** As it was asked for. */
    model: z.string(),
    base: z.string(),
    versions: z
      .array(z.object({ version: z.string(), weight: z.number() }))
      .openapi({ description: 'What the name meant when the task was made' }),
    file: z.string().nullable(),
    status: z.enum(TASK_STATUSES),
    progress: z.object({ what: z.string(), done: z.number(), total: z.number() }).nullable(),
    result: z.union([EvaluateResult, ReproduceResult, MergeResult]).nullable(),
    filesExpireAt: z.string().nullable().openapi({ description: 'Until then its files can be fetched' }),
    error: z.object({ code: z.string(), message: z.string(), field: z.string().optional() }).nullable(),
    createdAt: z.string(),
    startedAt: z.string().nullable(),
    finishedAt: z.string().nullable(),
  })
  .openapi('Task');
