/** Every ten minutes: brings up to date what is counted now and then, and the books. */
import { z } from 'zod';
import { recountLabels } from '../db/catalog.ts';
import type { Database } from '../db/open.ts';
import { DOWNLOAD_DAYS, forgetDownloads } from '../db/popularity.ts';
import { storedByOwner } from '../db/storage.ts';
import { closeMonths, recordUsage } from '../db/usage.ts';
import { defineFunction, Tick } from './definition.ts';
import { eachPart } from './parts.ts';
import type { Ports } from './ports.ts';

const DAY_MS = 86_400_000;

export const rollup = defineFunction({
  name: 'rollup',
  trigger: { kind: 'schedule', everySeconds: 600 },
  needs: { processor: 'cpu', memoryMiB: 256, timeoutSeconds: 300, retries: 0, concurrency: 1 },
  event: Tick,
  result: z.object({ labels: z.int(), downloads: z.int(), months: z.int(), storage: z.int() }),
  handle: (_tick, { db, now }: Pick<Ports, 'db' | 'now'>) =>
    eachPart({
      labels: () => recountLabels(db),
      downloads: () => forgetOldDownloads(db, now()),
      months: () => closeMonths(db, now()),
      storage: () => meterStorage(db, now()),
    }),
});

/** Takes off what is older than thirty days. @returns how many days of adapters */
async function forgetOldDownloads(db: Database, now: Date): Promise<number> {
  const oldest = dayOf(new Date(now.getTime() - (DOWNLOAD_DAYS - 1) * DAY_MS));
  for (let forgotten = 0; ; ) {
    const more = await forgetDownloads(db, oldest);
    if (more === 0) return forgotten;
    forgotten += more;
  }
}

/** Enters what is stored today, once a day. @returns how many entries are new */
async function meterStorage(db: Database, now: Date): Promise<number> {
  let entered = 0;
  for (const { owner, baseId, bytes } of await storedByOwner(db)) {
    const isNew = await recordUsage(db, {
      requestId: `storage ${owner} ${baseId} ${dayOf(now)}`,
      kind: 'storage',
      at: now,
      payer: owner,
      model: baseId,
      baseId,
      adapterIds: [],
      quantity: bytes,
    });
    if (isNew) entered++;
  }
  return entered;
}

const dayOf = (time: Date): string => time.toISOString().slice(0, 'YYYY-MM-DD'.length);
