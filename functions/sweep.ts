/** Every minute: takes back what somebody left behind who will not come again. What it looks for, it finds by its row. */
import { z } from 'zod';
import { type DraftFile, deleteDraft, expiredDrafts, findDraft } from '../db/drafts.ts';
import { abandonedFiles, type FileRow, isAbandoned, removeUnfinished } from '../db/files.ts';
import { endExpiredLeases } from '../db/leases.ts';
import { forgetFullBuckets } from '../db/rate-buckets.ts';
import { endExpiredTasks, forgetTaskFiles, spentTasks } from '../db/tasks.ts';
import { keepCheckpointFiles, passedCheckpoints, spentCheckpoints } from '../db/training.ts';
import { closedUploads, forgetParts, forgetUploads } from '../db/uploads.ts';
import { defineFunction, Tick } from './definition.ts';
import { CHECKPOINTS, FILES, fileKey, PARTS, partsKey, TASKS, UPLOADS } from './object-keys.ts';
import { retriesOf } from './on-runners.ts';
import { eachPart } from './parts.ts';
import type { Ports } from './ports.ts';
import { STATE_FILES, train } from './train.ts';

type SweepPorts = Pick<Ports, 'db' | 'queue' | 'blobs' | 'now'>;
type Storage = Pick<Ports, 'db' | 'blobs'>;

const AT_ONCE = 100;
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
/** An upload that is not over by then was left behind. */
const UPLOAD_HOURS = 24;
/** Nothing that is at work when an upload in parts is closed reads its parts for longer: no Lambda lives so long. */
const CLOSED_MINUTES = 15;
/** For so long it is told what became of an upload in parts. */
const TOLD_HOURS = 24;
/** What a job was is kept for a while when it is over, for whoever asks what happened, or promotes a checkpoint. */
const CHECKPOINT_HOURS = 7 * 24;
/** What only serves to go on from a checkpoint, once nobody will: a database that is restored from yesterday may. */
const STATE_HOURS = 24;

export const sweep = defineFunction({
  name: 'sweep',
  trigger: { kind: 'schedule', everySeconds: 60 },
  needs: {
    processor: 'cpu',
    memoryMiB: 256,
    timeoutSeconds: 300,
    retries: 0,
    concurrency: 1,
    removes: [UPLOADS, FILES, PARTS, CHECKPOINTS, TASKS], // what was published is not for it
  },
  event: Tick,
  result: z.object({
    leases: z.int(),
    tasks: z.int(),
    drafts: z.int(),
    uploads: z.int(),
    parts: z.int(),
    checkpoints: z.int(),
    states: z.int(),
    files: z.int(),
    buckets: z.int(),
  }),
  handle: (_tick, ports: SweepPorts) =>
    eachPart({
      leases: () => endExpiredLeases(ports.db, ports.queue, train.needs.retries, ports.now()),
      tasks: () => endExpiredTasks(ports.db, retriesOf, ports.now()),
      drafts: () => sweepDrafts(ports),
      uploads: () => sweepUploads(ports),
      parts: () => sweepParts(ports),
      checkpoints: () => sweepCheckpoints(ports),
      states: () => sweepStates(ports),
      files: () => sweepTaskFiles(ports),
      buckets: () => forgetFullBuckets(ports.db),
    }),
});

/** Drafts that nobody completed. */
function sweepDrafts(ports: SweepPorts): Promise<number> {
  return inBatches(
    () => expiredDrafts(ports.db, ports.now(), AT_ONCE),
    async (id) => {
      const found = await findDraft(ports.db, id);
      if (found) await removeDraft(ports, id, found.files);
    },
  );
}

/** The bytes go first: a draft without bytes is swept again, bytes without a draft would be found by nobody. */
export async function removeDraft(ports: Storage, id: string, files: readonly DraftFile[]): Promise<void> {
  await removeStaged(ports, files);
  await deleteDraft(ports.db, id);
}

export async function removeStaged(
  { blobs }: Pick<Storage, 'blobs'>,
  files: readonly Pick<DraftFile, 'upload'>[],
): Promise<void> {
  for (const { upload } of files) if (upload) await blobs.abortUpload(upload.key, upload.uploadId);
}

/** Uploads that broke off together with the server. */
async function sweepUploads(ports: SweepPorts): Promise<number> {
  const abandoned = await abandonedFiles(ports.db, hoursAgo(ports, UPLOAD_HOURS));
  for (const upload of abandoned) await removeAbandoned(ports, upload);
  return abandoned.length;
}

/** Not one that was finished after all: of a commit, the answer may be lost with the connection. */
export async function removeAbandoned(
  { db, blobs }: Storage,
  { id, uploadId }: Pick<FileRow, 'id' | 'uploadId'>,
): Promise<void> {
  if (!(await isAbandoned(db, id))) return;
  if (uploadId) await blobs.abortUpload(fileKey(id), uploadId);
  await removeUnfinished(db, id);
}

/** Of uploads that were completed, cancelled, or have expired: all that lies under their names, whether it has a row or not. */
async function sweepParts({ db, blobs, now }: SweepPorts): Promise<number> {
  const before = new Date(now().getTime() - CLOSED_MINUTES * MINUTE_MS);
  const swept = await inBatches(
    () => closedUploads(db, before, AT_ONCE),
    async (id) => {
      for await (const page of blobs.list(partsKey(id))) for (const { key } of page) await blobs.remove(key);
      await forgetParts(db, id);
    },
  );
  await forgetUploads(db, hoursAgo({ now }, TOLD_HOURS));
  return swept;
}

/** Of jobs that have been over for long; what they measured stays. */
function sweepCheckpoints({ db, blobs, now }: SweepPorts): Promise<number> {
  const before = hoursAgo({ now }, CHECKPOINT_HOURS);
  return inBatches(
    () => spentCheckpoints(db, before, AT_ONCE),
    async ({ id, files }) => {
      for (const { key } of files) await blobs.remove(key);
      await keepCheckpointFiles(db, id, []);
    },
  );
}

/** Of checkpoints that a job has left behind, which are adapters all the same. */
function sweepStates({ db, blobs, now }: SweepPorts): Promise<number> {
  const before = hoursAgo({ now }, STATE_HOURS);
  return inBatches(
    () => passedCheckpoints(db, before, AT_ONCE),
    async ({ id, files }) => {
      const isState = ({ path }: { path: string }) => STATE_FILES.includes(path);
      for (const { key } of files.filter(isState)) await blobs.remove(key);
      await keepCheckpointFiles(
        db,
        id,
        files.filter((file) => !isState(file)),
      );
    },
  );
}

/** What tasks made, once it has expired; and what those had begun to send that came to nothing. */
function sweepTaskFiles({ db, blobs, now }: SweepPorts): Promise<number> {
  return inBatches(
    () => spentTasks(db, now(), AT_ONCE),
    async ({ id, files }) => {
      for (const { key, uploadId } of files) await blobs.abortUpload(key, uploadId);
      await forgetTaskFiles(db, id);
    },
  );
}

const hoursAgo = ({ now }: Pick<Ports, 'now'>, hours: number) => new Date(now().getTime() - hours * HOUR_MS);

/** @returns how many there were */
async function inBatches<T>(find: () => Promise<T[]>, remove: (one: T) => Promise<void>): Promise<number> {
  for (let removed = 0; ; ) {
    const found = await find();
    for (const one of found) await remove(one);
    removed += found.length;
    if (found.length < AT_ONCE) return removed;
  }
}
