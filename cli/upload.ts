/**
 * Files to the object store by presigned URLs: several parts at once, each retried on its own. What has arrived is known
 * to the server, and the draft is remembered here, so running the same command again goes on where the last one stopped.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pLimit from 'p-limit';
import type { z } from 'zod';
import { type Client, Completed, Draft } from './client.ts';
import { CliError, Conflict, EXIT } from './errors.ts';
import { onInterrupt } from './interrupt.ts';
import { note, type Output, progress } from './output.ts';
import { persistently } from './patience.ts';
import { cacheFolder } from './settings.ts';

export const PARTS_AT_ONCE = 4;
const AGAIN = 'Run the same command again: it goes on from here.';
/** With Node's 64 KiB, asking for the next piece takes longer than reading and digesting it. */
const READ_AT_ONCE = 2 ** 20;

export interface LocalFile {
  readonly path: string;
  readonly size: number;
  readonly sha256: string;
}

/** Where the bytes of files are. */
export interface Source {
  readonly folder: string;
  /** By name, what is sent instead of what is in the folder. */
  readonly instead: Readonly<Record<string, Uint8Array<ArrayBuffer>>>;
}

/** @param look is shown what is read of the files that it names, so that they are read once */
export async function describe(
  { folder, instead }: Source,
  names: readonly string[],
  look: Readonly<Record<string, (chunk: Uint8Array) => void>> = {},
): Promise<LocalFile[]> {
  return Promise.all(
    names.map(async (path) => {
      const hash = createHash('sha256');
      let size = 0;
      const other = instead[path];
      const chunks: AsyncIterable<Uint8Array> | Uint8Array[] = other
        ? [other]
        : createReadStream(join(folder, path), { highWaterMark: READ_AT_ONCE });
      for await (const chunk of chunks) {
        hash.update(chunk);
        look[path]?.(chunk);
        size += chunk.length;
      }
      return { path, size, sha256: hash.digest('hex') };
    }),
  );
}

/** @param route where a draft is started; @param body its body but for the files */
export async function publishFiles(
  client: Client,
  output: Output,
  source: Source,
  route: string,
  body: object,
  files: readonly LocalFile[],
): Promise<z.infer<typeof Completed>> {
  const memory = draftFile(client, route, body, files);
  const draft =
    (await resume(client, memory)) ??
    (await persistently('the beginning of the upload', AGAIN, () =>
      client.post(Draft, route, { ...body, files }),
    ));
  await mkdir(join(memory, '..'), { recursive: true });
  await writeFile(memory, draft.id);
  using _ = onInterrupt(() => note(AGAIN));
  const completed = await sendAndComplete(client, output, source, draft, memory);
  await rm(memory, { force: true });
  return completed;
}

/** An object store that dies while it joins the parts may have lost them: then they are sent again. */
async function sendAndComplete(
  client: Client,
  output: Output,
  source: Source,
  draft: Draft,
  memory: string,
): Promise<z.infer<typeof Completed>> {
  await uploadParts(client, output, source, draft);
  try {
    return await complete(client, draft.id, memory);
  } catch (error) {
    if (!(error instanceof Conflict)) throw error;
    const now = await client.get(Draft, `/api/drafts/${draft.id}`);
    if (now.files.every(({ parts }) => parts.every(({ done }) => done))) throw error;
    await uploadParts(client, output, source, now);
    return complete(client, draft.id, memory);
  }
}

/** What was refused once is refused again: the draft is let go, and the next attempt starts anew. */
async function complete(client: Client, id: string, memory: string): Promise<z.infer<typeof Completed>> {
  try {
    return await persistently('the end of the upload', AGAIN, () =>
      client.post(Completed, `/api/drafts/${id}/complete`),
    );
  } catch (error) {
    if (error instanceof CliError && error.exitCode === EXIT.refused) {
      await rm(memory, { force: true });
      await client.delete(`/api/drafts/${id}`);
    }
    throw error;
  }
}

/** Named by what is published where: the same command finds it again. */
function draftFile(client: Client, route: string, body: object, files: readonly LocalFile[]): string {
  const key = createHash('sha256')
    .update(JSON.stringify([client.settings.url, route, body, files]))
    .digest('hex')
    .slice(0, 32);
  return join(cacheFolder(), 'drafts', key);
}

async function resume(client: Client, memory: string): Promise<Draft | undefined> {
  const id = await readFile(memory, 'utf8').catch(() => undefined);
  if (!id) return undefined;
  try {
    return await client.get(Draft, `/api/drafts/${id}`);
  } catch (error) {
    if (error instanceof CliError && error.exitCode === EXIT.notFound) return undefined;
    throw error;
  }
}

async function uploadParts(client: Client, output: Output, source: Source, draft: Draft): Promise<void> {
  const parts = draft.files.flatMap(({ path, partSize, parts }) =>
    parts.map((part) => ({ ...part, path, offset: (part.number - 1) * (partSize ?? 0) })),
  );
  const bar = progress(
    output,
    'uploading',
    parts.reduce((sum, { size }) => sum + size, 0),
  );
  for (const { done, size } of parts) if (done) bar.add(size);
  const limit = pLimit(PARTS_AT_ONCE);
  try {
    await Promise.all(
      parts
        .filter(({ done }) => !done)
        .map((part) =>
          limit(async () => {
            await uploadPart(client, draft.id, source, part);
            bar.add(part.size);
          }),
        ),
    );
  } finally {
    limit.clearQueue();
    bar.done();
  }
}

interface Part {
  readonly path: string;
  readonly number: number;
  readonly offset: number;
  readonly size: number;
  readonly url?: string | undefined;
}

async function uploadPart(client: Client, draftId: string, source: Source, part: Part): Promise<void> {
  await persistently(`part ${part.number} of ${part.path}`, AGAIN, async (attempt) => {
    const url = attempt === 1 ? part.url : await freshUrl(client, draftId, part); // the old one may have expired
    if (url !== undefined) await sendPart(url, await readPart(source, part));
  });
}

async function readPart({ folder, instead }: Source, { path, size, offset }: Part) {
  const other = instead[path];
  if (other) return other.subarray(offset, offset + size);
  await using handle = await open(join(folder, path));
  const { buffer, bytesRead } = await handle.read(new Uint8Array(size), 0, size, offset);
  if (bytesRead < size) throw new CliError(EXIT.failed, `${path} became shorter while it was sent`);
  return buffer;
}

async function sendPart(url: string, body: Uint8Array<ArrayBuffer>): Promise<void> {
  const response = await fetch(url, { method: 'PUT', body });
  await response.arrayBuffer();
  if (!response.ok) throw new Error(`the object store answered ${response.status}`);
}

/** @returns undefined: the part has arrived after all */
async function freshUrl(
  client: Client,
  draftId: string,
  { path, number }: Part,
): Promise<string | undefined> {
  const { files } = await client.get(Draft, `/api/drafts/${draftId}`);
  return files.find((file) => file.path === path)?.parts.find((part) => part.number === number)?.url;
}
