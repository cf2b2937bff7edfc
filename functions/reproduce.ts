/** A version that was trained here, trained again from its receipt: the same bytes come of it, or it is told what differs. */
import { z } from 'zod';
import { defineFunction } from './definition.ts';
import { Training } from './train.ts';

const sha256 = z.string().regex(/^[0-9a-f]{64}$/);
/** As a receipt has them. */
const Facts = z.record(z.string(), z.unknown());

export const ReproduceEvent = Training.extend({
  /** Of the version. */
  before: z.object({
    files: z.array(z.object({ path: z.string(), sha256 })).min(1),
    engine: Facts,
    decided: Facts,
  }),
});
export type ReproduceEvent = z.infer<typeof ReproduceEvent>;

export const ReproduceResult = z.object({
  /** Whether all that was compared has the bytes that it had. */
  same: z.boolean(),
  /** Of the files, sha256. */
  digests: z.array(z.object({ path: z.string(), before: sha256, again: sha256 })),
  /** Between the receipts, of what the bytes may depend on: an engine with other threads sums in another order. */
  differences: z.array(
    z.object({ what: z.string(), before: z.unknown().optional(), again: z.unknown().optional() }),
  ),
});
export type ReproduceResult = z.infer<typeof ReproduceResult>;

export interface ReproduceEngine {
  /** Keeps nothing of what it trains. @throws TaskRefusal where this runner cannot come to the same bytes, or nobody can */
  reproduce(event: ReproduceEvent): Promise<ReproduceResult>;
}

/** It keeps no checkpoints: one whose runner is lost begins anew. */
export const reproduce = defineFunction({
  name: 'reproduce',
  trigger: { kind: 'queue' },
  needs: { processor: 'gpu', memoryMiB: 6144, timeoutSeconds: 24 * 3600, retries: 2, concurrency: 1 },
  event: ReproduceEvent,
  result: ReproduceResult,
  handle: (event, engine: ReproduceEngine) => engine.reproduce(event),
});
