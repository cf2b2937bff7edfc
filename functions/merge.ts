/** Adapters merged into their base: a checkpoint as Hugging Face has them, that needs no adapter any more, byte for byte the same each time. */
import { z } from 'zod';
import { defineFunction } from './definition.ts';
import { AdapterSource, BaseSource } from './generate.ts';
import { DeclaredFile } from './train.ts';

export const MergeEvent = z.object({
  base: BaseSource,
  adapters: z.array(AdapterSource).min(1).max(8),
});
export type MergeEvent = z.infer<typeof MergeEvent>;

export const MergeResult = z.object({ files: z.array(DeclaredFile).min(1) });
export type MergeResult = z.infer<typeof MergeResult>;

export interface MergeEngine {
  /** Writes the checkpoint, and hands its files in. @throws TaskRefusal for adapters that cannot be merged */
  merge(event: MergeEvent): Promise<MergeResult>;
}

export const merge = defineFunction({
  name: 'merge',
  trigger: { kind: 'queue' },
  needs: {
    processor: 'gpu',
    memoryMiB: 4096,
    timeoutSeconds: 6 * 3600,
    retries: 2,
    concurrency: 1,
    usualSeconds: 60,
  },
  event: MergeEvent,
  result: MergeResult,
  handle: (event, engine: MergeEngine) => engine.merge(event),
});
