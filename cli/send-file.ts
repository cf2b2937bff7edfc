/** Rows for the server: in one request, or in parts where they are more than every server takes in one. */
import { openAsBlob } from 'node:fs';
import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import pLimit from 'p-limit';
import { z } from 'zod';
import type { Client } from './client.ts';
import { CliError, EXIT } from './errors.ts';
import { type Output, type Progress, progress } from './output.ts';
import { persistently } from './patience.ts';
import { PARTS_AT_ONCE } from './upload.ts';

/** What a server in AWS Lambda takes. */
const PART_SIZE = 4 * 2 ** 20;
const AGAIN = 'Run the same command again in a moment.';

const Named = z.looseObject({ id: z.string() });
const CompletedUpload = z.looseObject({ file: Named });

interface Rows {
  readonly name: string;
  readonly content: Blob;
}

/** @returns the id of the file on the server */
export async function sendFile(client: Client, output: Output, path: string): Promise<string> {
  const size = await sizeOf(path);
  const rows = { name: basename(path), content: await openAsBlob(path) };
  const bar = progress(output, `uploading ${rows.name}`, size);
  try {
    return await (size > PART_SIZE ? sendInParts : sendWhole)(client, rows, bar);
  } finally {
    bar.done();
  }
}

export async function sizeOf(path: string): Promise<number> {
  const info = await stat(path).catch(() => undefined);
  if (!info?.isFile()) throw new CliError(EXIT.usage, `there is no file ${path}`);
  return info.size;
}

async function sendWhole(client: Client, { name, content }: Rows, bar: Progress): Promise<string> {
  const form = new FormData();
  form.set('purpose', 'fine-tune');
  form.set('file', content, name);
  const { id } = await client.postForm(Named, '/v1/files', form);
  bar.add(content.size);
  return id;
}

async function sendInParts(client: Client, { name, content }: Rows, bar: Progress): Promise<string> {
  const asked = { purpose: 'fine-tune', filename: name, bytes: content.size, mime_type: 'text/jsonl' };
  const { id } = await client.post(Named, '/v1/uploads', asked);
  try {
    const part_ids = await sendParts(client, id, { name, content }, bar);
    // Done twice, it is the same file.
    const { file } = await persistently(name, AGAIN, () =>
      client.post(CompletedUpload, `/v1/uploads/${id}/complete`, { part_ids }),
    );
    return file.id;
  } catch (error) {
    // Else its room is kept for an hour; what went wrong before is what there is to tell.
    await client.post(Named, `/v1/uploads/${id}/cancel`).catch(() => undefined);
    throw error;
  }
}

async function sendParts(
  client: Client,
  id: string,
  { name, content }: Rows,
  bar: Progress,
): Promise<string[]> {
  const limit = pLimit(PARTS_AT_ONCE);
  const starts = Array.from({ length: Math.ceil(content.size / PART_SIZE) }, (_, i) => i * PART_SIZE);
  const sendPart = async (start: number) => {
    const data = content.slice(start, start + PART_SIZE);
    const form = new FormData();
    form.set('data', data, name);
    const part = await persistently(`what is at ${start} of ${name}`, AGAIN, () =>
      client.postForm(Named, `/v1/uploads/${id}/parts`, form),
    );
    bar.add(data.size);
    return part.id;
  };
  try {
    return await Promise.all(starts.map((start) => limit(sendPart, start)));
  } finally {
    limit.clearQueue();
  }
}
