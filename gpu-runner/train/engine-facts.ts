/** What decides the bits of a trained adapter beside its data and what was asked for: the engine, and how its passes are run. */
import { isDeepStrictEqual } from 'node:util';
import { z } from 'zod';
import { chosenProvider } from '../provider.ts';
import { ORT_VERSION } from '../session.ts';

/** Goes up with every change of the graph, the optimiser or the data's order. */
const ENGINE_VERSION = 1;

/** Whoever goes on with a job, or trains one again, keeps to what it began with, as far as its machine can. */
export interface Conditions {
  readonly threads: number;
  /** Tokens of a micro-batch. */
  readonly maxTokens: number;
  /** See TrainingSettings. */
  readonly packedWeights: boolean;
}

/** As receipts and checkpoints have them. */
export const EngineFacts = z.looseObject({
  version: z.int(),
  provider: z.string(),
  threads: z.int().min(1),
  maxTokens: z.int().min(1),
  packedWeights: z.boolean().optional(),
});
export type EngineFacts = z.infer<typeof EngineFacts>;

export const engineOf = ({ threads, maxTokens, packedWeights }: Conditions): EngineFacts => ({
  version: ENGINE_VERSION,
  onnxruntime: ORT_VERSION,
  provider: chosenProvider(),
  threads,
  maxTokens,
  // Receipts from before it could be say nothing of it.
  ...(packedWeights ? { packedWeights } : {}),
});

export const conditionsOf = ({ threads, maxTokens, packedWeights }: EngineFacts): Conditions => ({
  threads,
  maxTokens,
  packedWeights: packedWeights ?? false,
});

export interface Difference {
  readonly what: string;
  readonly before?: unknown;
  readonly again?: unknown;
}

/** Between two lists of facts, of which one may lack what the other has. */
export function differencesOf(
  before: Readonly<Record<string, unknown>>,
  again: Readonly<Record<string, unknown>>,
): Difference[] {
  return Object.keys({ ...before, ...again })
    .filter((name) => !isDeepStrictEqual(before[name], again[name]))
    .map((name) => ({
      what: name,
      ...(before[name] === undefined ? {} : { before: before[name] }),
      ...(again[name] === undefined ? {} : { again: again[name] }),
    }));
}
