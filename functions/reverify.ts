/** Every ten minutes: has what is listed, but was never verified by the gate's rules of today, verified. */
import { z } from 'zod';
import { openWork } from '../db/open-work.ts';
import { requestVerification, unverifiedVersions } from '../db/verifications.ts';
import { defineFunction, Tick } from './definition.ts';
import { doneByOne } from './lanes.ts';
import type { Ports } from './ports.ts';
import { RULES, verify } from './verify.ts';

/** The gate stays free for what is published meanwhile, and one runner is enough. */
const OPEN = doneByOne(verify.needs);

export const reverify = defineFunction({
  name: 'reverify',
  trigger: { kind: 'schedule', everySeconds: 600 },
  needs: { processor: 'cpu', memoryMiB: 256, timeoutSeconds: 60, retries: 0, concurrency: 1 },
  event: Tick,
  result: z.object({ requested: z.int() }),
  handle: async (_tick, { db }: Pick<Ports, 'db'>) => {
    const { verify: open = 0 } = await openWork(db);
    const versions = open < OPEN ? await unverifiedVersions(db, RULES, OPEN - open) : [];
    for (const version of versions) await requestVerification(db, version, RULES);
    return { requested: versions.length };
  },
});
