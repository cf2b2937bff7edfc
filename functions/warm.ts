/**
 * A base into a runner's memory before anybody asks it: at the start of a server, and onto a second runner while the first one has more
 * to do than it can (api/fleet). Adapters come with the first request that names them.
 */
import { z } from 'zod';
import { defineFunction } from './definition.ts';
import { BaseSource } from './generate.ts';

export const WARM_PATH = '/bases';

export const WarmResult = z.object({ contextLength: z.int().positive() });
export type WarmResult = z.infer<typeof WarmResult>;

export interface WarmEngine {
  /** Loads a base, or waits for its load. */
  open(base: BaseSource): Promise<WarmResult>;
}

/** Nothing is lost where it fails: the first request loads what it needs. */
export const warm = defineFunction({
  name: 'warm',
  trigger: { kind: 'http', path: WARM_PATH },
  needs: { processor: 'gpu', memoryMiB: 4096, timeoutSeconds: 900, retries: 0, concurrency: 1 },
  event: BaseSource,
  result: WarmResult,
  handle: (base, engine: WarmEngine) => engine.open(base),
});
