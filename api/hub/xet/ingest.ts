/**
 * Takes in what clients send by Xet, and makes plain files of it: xorbs are kept as they come, and the shard that follows says
 * how files are put together from them. Nothing of it outlives the commit. Every upload has an address of its own, so no client
 * believes that a xorb is still there from another time.
 */
import { type DraftFile, findContentDraft, findStaged, insertDraft } from '../../../db/drafts.ts';
import { UPLOADS } from '../../../functions/object-keys.ts';
import type { Principal } from '../../auth.ts';
import { ADAPTER_FILES } from '../../declared-files.ts';
import { ApiError } from '../../errors.ts';
import { DRAFT_HOURS } from '../../publish.ts';
import { noRoom, roomOf, takeRoom } from '../../room.ts';
import { PART_SIZE } from '../../staged-files.ts';
import { storeStream } from '../../store-stream.ts';
import type { PublishDeps } from '../../versions.ts';
import { readShard, type ShardFile, XetError, XORB_PREFIX, Xorb } from './formats.ts';

/** 64 MiB of chunks, and their list. */
export const MAX_XORB = 72 * 2 ** 20;
export const MAX_SHARD = 64 * 2 ** 20;
/** Of all files of an adapter together: a few bytes of a xorb can be asked for again and again. */
const LARGEST = Object.values(ADAPTER_FILES).reduce((sum, { maxSize }) => sum + maxSize, 0);

/** One upload of one user for one adapter. */
export interface Session {
  readonly principal: Principal;
  /** owner/name */
  readonly target: string;
  readonly id: string;
}

const pathOf = (session: Session, hash: string): string => `${XORB_PREFIX}${session.id} ${hash}`;

/** @throws ApiError too_large */
export async function keepXorb(
  deps: PublishDeps,
  session: Session,
  hash: string,
  body: AsyncIterable<Uint8Array>,
): Promise<void> {
  const path = pathOf(session, hash);
  await stage(deps, session, path, body, MAX_XORB);
}

/** Makes the files that a shard describes. @throws ApiError refused, invalid_request, too_large */
export async function takeShard(deps: PublishDeps, session: Session, shard: Uint8Array): Promise<void> {
  const files = told(() => readShard(shard), 'The shard');
  const size = files.reduce((sum, file) => sum + file.size, 0);
  if (size > LARGEST)
    throw new ApiError(
      'too_large',
      `The files of this upload have ${size} bytes, more than an adapter may have: ${LARGEST}.`,
    );
  const xorbs = new Map<string, Xorb>();
  for (const file of files) {
    const key = { userId: session.principal.userId, target: session.target, sha256: file.sha256 };
    if (await findContentDraft(deps.db, key)) continue;
    const content = contentOf(deps, session, file, xorbs);
    const { sha256 } = await stage(deps, session, file.sha256, content, file.size);
    if (sha256 !== file.sha256)
      throw new ApiError(
        'refused',
        `The file ${file.sha256} has the sha256 ${sha256}: something was lost on its way.`,
      );
  }
}

/** @param xorbs those that were opened already; each is read through once */
async function* contentOf(
  deps: PublishDeps,
  session: Session,
  { terms }: ShardFile,
  xorbs: Map<string, Xorb>,
): AsyncGenerator<Uint8Array> {
  for (const term of terms) {
    try {
      const xorb = xorbs.get(term.xorb) ?? (await openXorb(deps, session, term.xorb));
      xorbs.set(term.xorb, xorb);
      yield* xorb.read(term);
    } catch (error) {
      throw asTold(error, `The xorb ${term.xorb}`);
    }
  }
}

async function openXorb({ db, blobs }: PublishDeps, session: Session, hash: string): Promise<Xorb> {
  const staged = await findStaged(db, session.principal.userId, pathOf(session, hash));
  const key = staged?.upload?.key;
  if (!key)
    throw new ApiError('invalid_request', `The xorb ${hash} was not sent in this upload: send it again.`);
  return Xorb.open((range) => blobs.read(key, range));
}

function told<T>(work: () => T, what: string): T {
  try {
    return work();
  } catch (error) {
    throw asTold(error, what);
  }
}

/** What strangers sent is told to them as what it is. */
const asTold = (error: unknown, what: string): unknown =>
  error instanceof XetError ? new ApiError('refused', `${what} ${error.message}.`) : error;

/** Streams content into the store, as the upload of a draft. @throws ApiError too_large: more than `limit` bytes */
async function stage(
  deps: PublishDeps,
  { principal, target }: Session,
  path: string,
  content: AsyncIterable<Uint8Array>,
  limit: number,
): Promise<Pick<DraftFile, 'size' | 'sha256'>> {
  const owner = target.split('/')[0]!;
  const room = await roomOf(deps, owner);
  const id = crypto.randomUUID();
  const key = `${UPLOADS}${id}/content`;
  const uploadId = await deps.blobs.startUpload(key);
  try {
    const written = await storeStream(deps, { key, uploadId }, content, (size) => {
      if (size > limit) throw new ApiError('too_large', `More than ${limit} bytes came.`);
      if (size > room) throw noRoom(owner, room, size);
    });
    if (written.size === 0) throw new ApiError('invalid_request', 'The body is empty.');
    await deps.blobs.finishUpload(key, uploadId);
    const expiresAt = new Date(deps.now().getTime() + DRAFT_HOURS * 3_600_000);
    const draft = {
      id,
      kind: 'content' as const,
      target,
      baseId: null,
      createdBy: principal.userId,
      expiresAt,
    };
    const file = { path, ...written, upload: { key, uploadId, partSize: PART_SIZE } };
    // Asked again, because others may have come meanwhile.
    await takeRoom(deps, owner, written.size, (tx) => insertDraft(tx, draft, [file]));
    return written;
  } catch (error) {
    await deps.blobs.abortUpload(key, uploadId);
    throw error;
  }
}
