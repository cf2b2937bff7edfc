/**
 * What lies in the object store once a run is a day old: `sweep` and `orphans` are run as if it were, by the very functions that a
 * server runs. What is left then is named by a row, and every row finds what it names.
 */
import { openTrainingQueue } from '../../db/queue.ts';
import { BLOBS, CHECKPOINTS, FILES, PARTS, UPLOADS } from '../../functions/object-keys.ts';
import { GRACE_HOURS, orphans } from '../../functions/orphans.ts';
import { sweep } from '../../functions/sweep.ts';
import type { Deployment } from './deployment.ts';

const HOUR_MS = 3_600_000;

/** @returns a line for each object without a row, and each row without its object */
export async function leftOver(deployment: Deployment): Promise<string[]> {
  const { open, store } = deployment;
  const queue = await openTrainingQueue(open, () => undefined);
  try {
    const now = () => new Date(Date.now() + (GRACE_HOURS + 1) * HOUR_MS);
    const ports = { db: open.db, queue, blobs: store, now };
    await sweep.handle({}, ports);
    await orphans.handle({}, ports);
  } finally {
    await queue.close();
  }
  return compare(deployment);
}

async function compare({ database, store }: Deployment): Promise<string[]> {
  const there = new Map<string, number>();
  for await (const page of store.list('')) for (const { key, size } of page) there.set(key, size);
  const { rows } = await database.query<{ key: string; size: string; of: string }>(
    `select '${BLOBS}' || sha256 as key, size, adapter_id || '@' || number as of from version_files
     union all select '${BLOBS}' || sha256, size, base_id from base_files
     union all select '${FILES}' || id, size, filename from files where size is not null
     union all select f->>'key', (f->>'size')::bigint, job_id from training_checkpoints, jsonb_array_elements(files) f
       where metrics is not null`,
  );
  const found = rows.flatMap(({ key, size, of }) =>
    there.get(key) === Number(size)
      ? []
      : [`${key} of ${of} is ${there.get(key) ?? 'no'} bytes instead of ${size}`],
  );
  // Checkpoints that were declared, and whose runner died: perhaps there, and swept with their job.
  const { rows: declared } = await database.query<{ key: string }>(
    `select f->>'key' as key from training_checkpoints, jsonb_array_elements(files) f where metrics is null`,
  );
  const named = new Set([...rows, ...declared].map(({ key }) => key));
  for (const key of there.keys())
    if (
      !named.has(key) &&
      [BLOBS, UPLOADS, FILES, PARTS, CHECKPOINTS].some((prefix) => key.startsWith(prefix))
    )
      found.push(`${key} belongs to nothing`);
  return found;
}
