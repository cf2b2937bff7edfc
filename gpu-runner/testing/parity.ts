/** The parity fixtures (test/fixtures/parity): checkpoints and adapters, and what transformers and PEFT compute with them. */
import { cp, mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { decodeFloat32, parseHeader } from '../../adapter/safetensors.ts';
import { type Checkpoint, openCheckpoint } from '../model/checkpoint.ts';
import { openPrepared } from '../model/prepared.ts';
import { AdapterCache } from '../serve/adapter-cache.ts';
import type { WeightedAdapter } from '../serve/composition.ts';
import { loadAdapter } from '../serve/load-adapter.ts';
import { SessionStepper } from '../serve/stepper.ts';

const fixtures = fileURLToPath(new URL('../../test/fixtures/parity', import.meta.url));
const CACHE_BYTES = 2 ** 30;

export const PARITY_NAMES = [
  'llama2',
  'llama3',
  'llama-linear',
  'mistral',
  'qwen2',
  'qwen3',
  'smollm2',
] as const;

const PromptCase = z.object({
  prompt: z.array(z.int()),
  greedy: z.array(z.int()),
  positions: z.enum(['all', 'last']),
  promptLogits: z.string(),
  lastStepLogits: z.string(),
});
const Reference = z.object({
  cases: z.array(
    z.object({
      name: z.string(),
      adapters: z.record(z.string(), z.number()),
      prompts: z.array(PromptCase),
      mergedPrompts: z.array(PromptCase).optional(),
    }),
  ),
});
export type PromptCase = z.infer<typeof PromptCase>;
export type ParityCase = z.infer<typeof Reference>['cases'][number];

export interface ParityModel {
  readonly checkpoint: Checkpoint;
  readonly stepper: SessionStepper;
  readonly cases: readonly ParityCase[];
  /** Reference values by their key. */
  logits(key: string): Float32Array;
  adapters(weights: Readonly<Record<string, number>>): Promise<WeightedAdapter[]>;
}

/** Opens a fixture in a copy of its folder: the engine writes files beside a checkpoint. */
export async function openParity(name: (typeof PARITY_NAMES)[number]): Promise<ParityModel> {
  const folder = join(await mkdtemp(join(tmpdir(), 'patchbay-parity-')), name);
  await cp(join(fixtures, name), folder, { recursive: true });
  const checkpoint = await openCheckpoint(folder);
  const stepper = await openStepper(checkpoint);
  const cache = new AdapterCache(CACHE_BYTES, (adapter) => loadAdapter(adapter, checkpoint));
  const { cases } = Reference.parse(
    JSON.parse(await readFile(join(folder, 'reference/reference.json'), 'utf8')),
  );
  const file = await readFile(join(folder, 'reference/logits.safetensors'));
  const length = Number(file.readBigUInt64LE(0));
  const header = parseHeader(file.subarray(8, 8 + length), file.length);
  return {
    checkpoint,
    stepper,
    cases,
    logits(key) {
      const { begin, end, dtype } = header.byName.get(key)!;
      return decodeFloat32(file.subarray(header.dataOffset + begin, header.dataOffset + end), dtype);
    },
    adapters: (weights) =>
      Promise.all(
        Object.entries(weights).map(async ([adapter, weight]) => {
          const from = join(folder, 'adapters', adapter);
          const config = JSON.parse(await readFile(join(from, 'adapter_config.json'), 'utf8'));
          return { adapter: await cache.get({ digest: adapter, folder: from, config }), weight };
        }),
      ),
  };
}

export async function openStepper(checkpoint: Checkpoint): Promise<SessionStepper> {
  return new SessionStepper(await openPrepared(checkpoint, 1), checkpoint.config, CACHE_BYTES);
}

export function largestDifference(a: Float32Array, b: Float32Array): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  let worst = 0;
  for (let i = 0; i < a.length; i++) worst = Math.max(worst, Math.abs(a[i]! - b[i]!));
  return worst;
}
