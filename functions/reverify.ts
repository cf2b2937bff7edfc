/** Every ten minutes: has what is listed, but was never verified by the gate's rules of today, verified. */
import { z } from 'zod';
import { requestVerification, unverifiedVersions } from '../db/verifications.ts';
import { defineFunction, Tick } from './definition.ts';
import type { Ports } from './ports.ts';
import { RULES } from './verify.ts';

/** The gate stays free for what is published meanwhile. */
const AT_ONCE = 100;

export const reverify = defineFunction({
  name: 'reverify',
  trigger: { kind: 'schedule', everySeconds: 600 },
  needs: { processor: 'cpu', memoryMiB: 256, timeoutSeconds: 60, retries: 0, concurrency: 1 },
  event: Tick,
  result: z.object({ requested: z.int() }),
  handle: async (_tick, { db }: Pick<Ports, 'db'>) => {
    const versions = await unverifiedVersions(db, RULES, AT_ONCE);
    for (const version of versions) await requestVerification(db, version, RULES);
    return { requested: versions.length };
  },
});
