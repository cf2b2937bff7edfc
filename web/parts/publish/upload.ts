/**
 * Files to the object store by presigned URLs, several parts at once, each retried on its own. Which parts have arrived the
 * server knows, and the draft is remembered here: after a reload the same folder goes on where it stopped.
 */
import { sha256 } from '@noble/hashes/sha2.js';
import { bytesToHex } from '@noble/hashes/utils.js';
import pLimit from 'p-limit';
import { type Api, dataOf, Problem, type Schemas } from '../../api.ts';
import { patiently, said } from '../../failure.ts';

const PARTS_AT_ONCE = 4;
/** With doubling delays from the first one on, 16 seconds: longer than a server takes to start again. */
const ATTEMPTS = 7;
const FIRST_RETRY_MS = 250;
const READ_BYTES = 4 * 2 ** 20;
/** Each account's own: several may use one browser. */
const memoryOf = (account: string): string => `patchbay.upload.${account}`;

export interface Target {
  readonly owner: string;
  readonly name: string;
  readonly base: string;
  /** Absent: what is there stays as it is, and what is new everybody may see. */
  readonly visibility?: 'private';
}

export interface Doing {
  readonly what: 'reading' | 'uploading' | 'verifying';
  /** Bytes. */
  readonly done: number;
  readonly of: number;
  /** Why it is being tried again. */
  readonly trouble?: unknown;
}

type Draft = Schemas['Draft'];
interface DeclaredFile {
  readonly path: string;
  readonly size: number;
  readonly sha256: string;
}

interface Remembered {
  readonly draft: string;
  readonly target: Target;
  readonly files: readonly DeclaredFile[];
}

/** An upload that was interrupted, as this browser remembers it. */
export function interrupted(account: string): Target | undefined {
  return recall(account)?.target;
}

function recall(account: string): Remembered | undefined {
  try {
    return JSON.parse(localStorage.getItem(memoryOf(account)) ?? 'null') ?? undefined;
  } catch {
    return undefined;
  }
}

export const forget = (account: string): void => localStorage.removeItem(memoryOf(account));

/**
 * @param account who publishes
 * @returns the version, decided on or not yet. @throws Problem with all reasons, where the server refuses it
 */
export async function publish(
  api: Api,
  account: string,
  target: Target,
  files: ReadonlyMap<string, File>,
  tell: (doing: Doing) => void,
): Promise<Schemas['Version']> {
  const declared = await declare(files, tell);
  const draft =
    (await resumed(api, account, target, declared)) ?? (await started(api, account, target, declared));
  try {
    const version = await sendAndComplete(api, draft, files, tell);
    forget(account);
    return version;
  } catch (error) {
    // What was refused once is refused again: the next attempt starts anew.
    if (error instanceof Problem && error.status === 422) {
      forget(account);
      await api.DELETE('/api/drafts/{id}', { params: { path: { id: draft.id } } }).catch(() => undefined);
    }
    throw error;
  }
}

/** An object store that dies while it joins the parts may have lost them: then they are sent again. */
async function sendAndComplete(
  api: Api,
  draft: Draft,
  files: ReadonlyMap<string, File>,
  tell: (doing: Doing) => void,
): Promise<Schemas['Version']> {
  await send(api, draft, files, tell);
  try {
    return await complete(api, draft.id, tell);
  } catch (error) {
    if (!(error instanceof Problem && error.status === 409)) throw error;
    const now = await dataOf(api.GET('/api/drafts/{id}', { params: { path: { id: draft.id } } }));
    if (now.files.every(({ parts = [] }) => parts.every(({ done }) => done))) throw error;
    await send(api, now, files, tell);
    return complete(api, draft.id, tell);
  }
}

/** All of it was sent, and whether it was taken cannot be told. */
export class AnswerLost extends Error {}

/**
 * However often it is asked, it is done once: an answer that was lost on its way is asked for again.
 * @throws AnswerLost where then it is another one, which says nothing of the first
 */
async function complete(api: Api, id: string, tell: (doing: Doing) => void): Promise<Schemas['Version']> {
  const verifying = { what: 'verifying', done: 0, of: 0 } as const;
  let isLost = false;
  tell(verifying);
  const completed = await patiently(
    () => dataOf(api.POST('/api/drafts/{id}/complete', { params: { path: { id } } })),
    (trouble) => {
      isLost = true;
      tell({ ...verifying, trouble });
    },
  ).catch((error: unknown) => {
    const isDecided = error instanceof Problem && [409, 422].includes(error.status);
    throw isLost && !isDecided ? new AnswerLost(said(error), { cause: error }) : error;
  });
  if (completed.kind !== 'adapter') throw new Error('The server listed something else.');
  return completed.version;
}

async function declare(
  files: ReadonlyMap<string, File>,
  tell: (doing: Doing) => void,
): Promise<DeclaredFile[]> {
  const of = [...files.values()].reduce((sum, { size }) => sum + size, 0);
  let done = 0;
  const declared: DeclaredFile[] = [];
  for (const [path, file] of files) {
    const hash = sha256.create();
    for (let offset = 0; offset < file.size; offset += READ_BYTES) {
      hash.update(new Uint8Array(await file.slice(offset, offset + READ_BYTES).arrayBuffer()));
      done = Math.min(of, done + READ_BYTES);
      tell({ what: 'reading', done, of });
    }
    declared.push({ path, size: file.size, sha256: bytesToHex(hash.digest()) });
  }
  return declared;
}

async function resumed(
  api: Api,
  account: string,
  target: Target,
  files: readonly DeclaredFile[],
): Promise<Draft | undefined> {
  const before = recall(account);
  if (!before || JSON.stringify([before.target, before.files]) !== JSON.stringify([target, files]))
    return undefined;
  try {
    return await dataOf(api.GET('/api/drafts/{id}', { params: { path: { id: before.draft } } }));
  } catch (error) {
    if (error instanceof Problem && error.status === 404) return undefined; // it has expired
    throw error;
  }
}

async function started(api: Api, account: string, target: Target, files: DeclaredFile[]): Promise<Draft> {
  const { owner, name, ...how } = target;
  const asked = { params: { path: { owner, name } }, body: { ...how, files } };
  const draft = await dataOf(api.POST('/api/adapters/{owner}/{name}/versions', asked));
  const remembered: Remembered = { draft: draft.id, target, files };
  localStorage.setItem(memoryOf(account), JSON.stringify(remembered));
  return draft;
}

async function send(
  api: Api,
  draft: Draft,
  files: ReadonlyMap<string, File>,
  tell: (doing: Doing) => void,
): Promise<void> {
  const parts = draft.files.flatMap(({ path, partSize = 0, parts = [] }) =>
    parts.map((part) => {
      const offset = (part.number - 1) * partSize;
      return { ...part, path, bytes: files.get(path)!.slice(offset, offset + part.size) };
    }),
  );
  const of = parts.reduce((sum, { size }) => sum + size, 0);
  let done = parts.reduce((sum, part) => sum + (part.done ? part.size : 0), 0);
  tell({ what: 'uploading', done, of });
  const limit = pLimit(PARTS_AT_ONCE);
  const waiting = parts.filter((part) => !part.done);
  try {
    await Promise.all(
      waiting.map((part) =>
        limit(async () => {
          await sendPart(api, draft.id, part);
          done += part.size;
          tell({ what: 'uploading', done, of });
        }),
      ),
    );
  } finally {
    limit.clearQueue();
  }
}

interface Part {
  readonly path: string;
  readonly number: number;
  readonly bytes: Blob;
  readonly url?: string | undefined;
}

async function sendPart(api: Api, draft: string, part: Part): Promise<void> {
  let { url } = part;
  for (let attempt = 1; ; attempt++) {
    try {
      if (attempt > 1) url = await freshUrl(api, draft, part); // the old one may have expired
      if (url === undefined) return; // it has arrived after all
      const response = await fetch(url, { method: 'PUT', body: part.bytes });
      if (!response.ok) throw new Error(`the object store answered ${response.status}`);
      return;
    } catch (error) {
      if (error instanceof Problem && error.status < 500) throw error;
      if (attempt === ATTEMPTS)
        throw new Error(
          `Part ${part.number} of ${part.path} did not get through (${(error as Error).message}). Publish the same folder again: it goes on from here.`,
        );
      await new Promise((resolve) => setTimeout(resolve, FIRST_RETRY_MS * 2 ** (attempt - 1)));
    }
  }
}

async function freshUrl(api: Api, id: string, { path, number }: Part): Promise<string | undefined> {
  const { files } = await dataOf(api.GET('/api/drafts/{id}', { params: { path: { id } } }));
  return files.find((file) => file.path === path)?.parts?.find((part) => part.number === number)?.url;
}
