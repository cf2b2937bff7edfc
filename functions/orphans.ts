/**
 * Every hour: walks the object store and removes what no row names. Such objects are left by servers that died between the store
 * and the database, and by a database that was restored from an older day. None that is younger than the grace period is touched.
 *
 * Staged uploads, users' files, their parts and checkpoints lie under keys that are used once: what no row has named by then, nobody ever will.
 * Checked content lies under its digest: an orphan of last month may be the very content that somebody publishes at this moment. So
 * whoever puts content in place announces it first (db/blobs.ts), and it is removed with its announcement locked: one of the two
 * waits for the other.
 */
import { z } from 'zod';
import { removeUnnamed, unnamedBlobs } from '../db/blobs.ts';
import { draftsOf } from '../db/drafts.ts';
import { uploadedFiles } from '../db/files.ts';
import type { Database } from '../db/open.ts';
import { taskFilesOf } from '../db/tasks.ts';
import { checkpointsOf } from '../db/training.ts';
import { uploadsOf } from '../db/uploads.ts';
import { defineFunction, Tick } from './definition.ts';
import { BLOBS, CHECKPOINTS, FILES, PARTS, PREFIXES, TASKS, UPLOADS } from './object-keys.ts';
import { eachPart } from './parts.ts';
import type { ListedObject, Ports } from './ports.ts';

type OrphanPorts = Pick<Ports, 'db' | 'blobs' | 'now'>;

/** Nothing takes so long between the store and the database: no presigned URL lives for so long, and no draft. */
export const GRACE_HOURS = 24;

export const orphans = defineFunction({
  name: 'orphans',
  trigger: { kind: 'schedule', everySeconds: 3600 },
  needs: {
    processor: 'cpu',
    memoryMiB: 256,
    timeoutSeconds: 900,
    retries: 0,
    concurrency: 1,
    removes: PREFIXES,
  },
  event: Tick,
  result: z.object({
    blobs: z.int(),
    uploads: z.int(),
    files: z.int(),
    parts: z.int(),
    checkpoints: z.int(),
    tasks: z.int(),
  }),
  handle: (_tick, ports: OrphanPorts) =>
    eachPart({
      blobs: () => removeOrphanBlobs(ports),
      uploads: () => removeOrphans(ports, UPLOADS, draftsOf),
      files: () => removeOrphans(ports, FILES, uploadedFiles),
      parts: () => removeOrphans(ports, PARTS, uploadsOf),
      checkpoints: () => removeOrphans(ports, CHECKPOINTS, checkpointsOf),
      tasks: () => removeOrphans(ports, TASKS, taskFilesOf),
    }),
});

/** @param named of these keys, those that have a row */
async function removeOrphans(
  ports: OrphanPorts,
  prefix: string,
  named: (db: Database, keys: readonly string[]) => Promise<ReadonlySet<string>>,
): Promise<number> {
  let removed = 0;
  for await (const old of oldObjects(ports, prefix)) {
    const known = await named(
      ports.db,
      old.map(({ key }) => key),
    );
    for (const { key } of old) {
      if (known.has(key)) continue;
      await ports.blobs.remove(key);
      removed++;
    }
  }
  return removed;
}

async function removeOrphanBlobs(ports: OrphanPorts): Promise<number> {
  const { db, blobs } = ports;
  const before = graceBegan(ports);
  let removed = 0;
  for await (const old of oldObjects(ports, BLOBS)) {
    const objects = new Map(old.map((object) => [object.key.slice(BLOBS.length), object]));
    for (const sha256 of await unnamedBlobs(db, [...objects.keys()], before)) {
      const { key, size } = objects.get(sha256)!;
      if (await removeUnnamed(db, { sha256, size }, before, () => blobs.remove(key))) removed++;
    }
  }
  return removed;
}

async function* oldObjects(ports: OrphanPorts, prefix: string): AsyncGenerator<readonly ListedObject[]> {
  const before = graceBegan(ports);
  for await (const page of ports.blobs.list(prefix)) {
    const old = page.filter(({ modifiedAt }) => modifiedAt < before);
    if (old.length > 0) yield old;
  }
}

const graceBegan = ({ now }: Pick<Ports, 'now'>) => new Date(now().getTime() - GRACE_HOURS * 3_600_000);
