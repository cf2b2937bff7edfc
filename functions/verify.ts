/**
 * The publish gate, as the API and a runner see it. A runner pulls, as it does for training: it asks
 * `POST {api}/api/runner/verifications` for a version to verify and works under a lease that it renews by heartbeats.
 *
 *   POST verifications                 LeaseRequest -> 204 nothing to do | VerifyLease
 *   POST verifications/{id}/heartbeat  -            -> 204
 *   POST verifications/{id}/verdict    Verdict      -> 204   refused where there is a problem, passed where there is none
 *   POST verifications/{id}/release    Release      -> 204   given back to the queue
 *
 * The API has checked files, names and shapes before; what is left needs the base's weights: that the adapter runs, changes
 * what the base says, and by how much it is better or worse than the base.
 */
import { z } from 'zod';
import { defineFunction } from './definition.ts';
import { AdapterSource, BaseSource, FileSource } from './generate.ts';

/** Raised when the gate looks at more, or in another way: what is listed is then verified again. */
export const RULES = 1;

export const VerifyLease = z.object({
  /** Of the request that published the version: https://www.w3.org/TR/trace-context/ */
  traceparent: z.string().max(64).optional(),
  leaseId: z.uuid(),
  /** owner/name@number, for the log. */
  version: z.string(),
  base: BaseSource,
  adapter: AdapterSource,
  /** Rows that the publisher kept out of training, or the base's own. */
  evaluation: z.object({ file: FileSource, of: z.enum(['publisher', 'base']) }).optional(),
  heartbeatSeconds: z.number().positive(),
});
export type VerifyLease = z.infer<typeof VerifyLease>;

/** What the publish gate asks of a runner's engine. */
export interface VerifyEngine {
  /** @throws where the runner is at fault, not the adapter */
  verify(lease: VerifyLease): Promise<Verdict>;
}

/** `failed`: the runner could not do it. After some failures the version is refused. */
export const Release = z.object({ failed: z.boolean().default(false) });
export type Release = z.input<typeof Release>;

const figure = z.number();

/** Greedy answers of base and adapter to the same prompts. */
const Smoke = z.object({
  prompts: z.int(),
  /** Largest difference of a log-probability of the first token, over all prompts. */
  maxLogprobDifference: figure,
  /** Answers that were not the base's. */
  changedAnswers: z.int(),
  answers: z.array(z.object({ prompt: z.string(), base: z.string(), adapter: z.string() })),
});

export const Interval = z.object({ value: figure, low: figure, high: figure });

const Evaluation = z.object({
  of: z.enum(['publisher', 'base']),
  rows: z.int(),
  /** Mean loss of a token, in nats. */
  loss: z.object({ base: figure, adapter: figure }),
  /** Adapter minus base, mean over rows, with its 95% confidence interval: below 0 the adapter is better. */
  lossDifference: Interval,
  /** Rows whose whole answer is the most probable one; with its 95% confidence interval (Wilson). */
  accuracy: z.object({ base: Interval, adapter: Interval }),
});

export const ModuleSpectrum = z.object({
  module: z.string(),
  rank: z.int(),
  /** Of scale * B A, largest first, at most 64. */
  singularValues: z.array(figure),
  /** exp of the entropy of the normalised singular values. */
  effectiveRank: figure,
  /** Rank that keeps 99% of the energy. */
  rankFor99: z.int(),
  /** |dW| over |U^T W V|: how much stronger than in the base the adapter's directions become. */
  amplification: figure.nullable(),
});
export type ModuleSpectrum = z.infer<typeof ModuleSpectrum>;

export const Findings = z.object({
  smoke: Smoke.optional(),
  evaluation: Evaluation.optional(),
  /** Why something was not looked at. */
  notes: z.array(z.string()),
  spectrum: z.array(ModuleSpectrum),
  advice: z.array(z.string()),
});
export type Findings = z.infer<typeof Findings>;

export const GateProblem = z.object({
  code: z.string().min(1).max(64),
  detail: z.string().min(1).max(8192),
  field: z.string().max(200).optional(),
});
export type GateProblem = z.infer<typeof GateProblem>;

export const Verdict = z.object({ problems: z.array(GateProblem).max(100), findings: Findings });
export type Verdict = z.infer<typeof Verdict>;

export const verify = defineFunction({
  name: 'verify',
  trigger: { kind: 'queue' },
  needs: {
    processor: 'gpu',
    memoryMiB: 4096,
    timeoutSeconds: 3600,
    retries: 2,
    concurrency: 1,
    usualSeconds: 10,
  },
  event: VerifyLease,
  result: Verdict,
  handle: (lease, engine: VerifyEngine) => engine.verify(lease),
});
