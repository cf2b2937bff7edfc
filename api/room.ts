/** How much each name may store: the operator's quota (PATCHBAY_STORAGE_QUOTA). */
import type { Database } from '../db/open.ts';
import { lockStorage, storedBytes } from '../db/storage.ts';
import { ApiError } from './errors.ts';
import type { PublishDeps } from './versions.ts';

type RoomDeps = Pick<PublishDeps, 'db' | 'storageQuota' | 'now'>;

/** @returns bytes that fit under a name beside what is there */
export async function roomOf({ db, storageQuota, now }: RoomDeps, owner: string): Promise<number> {
  if (storageQuota === undefined) return Number.POSITIVE_INFINITY;
  return Math.max(0, storageQuota - (await storedBytes(db, owner, now())));
}

/** @throws ApiError too_large */
export async function requireRoom(deps: RoomDeps, owner: string, more: number): Promise<void> {
  const room = await roomOf(deps, owner);
  if (more > room) throw noRoom(owner, room, more);
}

/**
 * Does what takes room, one at a time under a name: two at once would both find the room that there is for one.
 * @param take writes down what counts from then on
 * @throws ApiError too_large, and what `take` throws; then nothing is written down
 */
export function takeRoom<T>(
  deps: RoomDeps,
  owner: string,
  more: number,
  take: (tx: Database) => Promise<T>,
): Promise<T> {
  return deps.db.transaction(async (tx) => {
    await lockStorage(tx, owner);
    await requireRoom({ ...deps, db: tx }, owner, more);
    return take(tx);
  });
}

export const noRoom = (owner: string, room: number, more: number) =>
  new ApiError(
    'too_large',
    `There is room for ${room} bytes more under ${owner}, not for ${more}: withdraw versions, delete files, or discard what was not completed.`,
  );
