/** `patchbay search`, `show` and `pull`. */
import { createHash } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { z } from 'zod';
import { parseReference } from '../adapter/reference.ts';
import { AdapterDetail, AdapterPage, type Client, type File, VersionDetail } from './client.ts';
import { CliError, EXIT } from './errors.ts';
import { bytes, note, type Output, progress, result, table } from './output.ts';
import { describeVerification } from './verification.ts';

export async function search(
  client: Client,
  output: Output,
  words: readonly string[],
  filters: Record<string, string | true | undefined>,
): Promise<void> {
  const query = new URLSearchParams();
  if (words.length > 0) query.set('q', words.join(' '));
  for (const [name, value] of Object.entries(filters))
    if (value !== undefined) query.set(name, String(value));
  const page = await client.get(AdapterPage, `/api/adapters?${query}`);
  result(output, page, () => {
    if (page.alike && page.adapters.length > 0) note('Nothing holds these words; what has a similar name:');
    if (page.adapters.length === 0)
      return 'Nothing matches. `patchbay search` without words lists everything.';
    const rows = page.adapters.map(({ id, latest, base, rank, size, summary }) => [
      `${id}@${latest}`,
      base,
      String(rank),
      bytes(size),
      summary,
    ]);
    return (
      table(['ADAPTER', 'BASE', 'RANK', 'SIZE', 'SUMMARY'], rows) +
      (page.next ? `\n… more: --cursor ${page.next}` : '')
    );
  });
}

export async function show(client: Client, output: Output, reference: string): Promise<void> {
  const { id, version } = single(reference);
  const adapter = await client.get(AdapterDetail, `/api/adapters/${id}`);
  const number = version ?? adapter.latest;
  const detail = await client.get(VersionDetail, `/api/adapters/${id}/versions/${number}`);
  result(output, { ...adapter, version: detail }, () =>
    [
      `${adapter.title}  (${detail.reference}, one of ${adapter.versions.length})`,
      adapter.summary,
      '',
      `base     ${detail.base}`,
      `task     ${adapter.task ?? '-'}`,
      `licence  ${adapter.license ?? '-'}`,
      `rank     ${detail.rank} on ${detail.targetModules.join(' ')}`,
      `digest   ${detail.digest}`,
      ...describeVerification(detail),
      '',
      table(
        ['FILE', 'SIZE', 'SHA256'],
        detail.files.map(({ path, size, sha256 }) => [path, bytes(size), sha256]),
      ),
      '',
      detail.card.replace(/^---[\s\S]*?\n---\n/, '').trim(),
    ].join('\n'),
  );
}

export async function withdraw(client: Client, output: Output, reference: string): Promise<void> {
  const { id, version } = single(reference);
  if (version === undefined)
    throw new CliError(EXIT.usage, `${reference} names no version`, `Say which: ${id}@1.`);
  await client.delete(`/api/adapters/${id}/versions/${version}`);
  result(output, { withdrawn: `${id}@${version}` }, () => `withdrawn: ${id}@${version}`);
}

export async function pull(
  client: Client,
  output: Output,
  reference: string,
  folder: string | undefined,
): Promise<void> {
  const { id, version } = single(reference);
  const number = version ?? (await client.get(AdapterDetail, `/api/adapters/${id}`)).latest;
  const { files } = await client.get(VersionDetail, `/api/adapters/${id}/versions/${number}`);
  const target = folder ?? id.split('/')[1]!;
  await mkdir(target, { recursive: true });
  // Beside where they will be, so that a rename is enough; nothing has its name before all of it is verified.
  const arriving = await mkdtemp(join(target, '.pull-'));
  const bar = progress(
    output,
    'downloading',
    files.reduce((sum, { size }) => sum + size, 0),
  );
  try {
    for (const file of files)
      await download(
        client,
        `/api/adapters/${id}/versions/${number}/files/${file.path}`,
        file,
        join(arriving, file.path),
        bar.add,
      );
    for (const { path } of files) await rename(join(arriving, path), join(target, path));
  } finally {
    bar.done();
    await rm(arriving, { recursive: true, force: true });
  }
  result(
    output,
    { reference: `${id}@${number}`, folder: target, files },
    () => `${id}@${number} is in ${target}`,
  );
}

/** @throws CliError when it is not what the catalog says */
async function download(
  client: Client,
  route: string,
  file: z.infer<typeof File>,
  path: string,
  arrived: (count: number) => void,
): Promise<void> {
  const response = await client.send('GET', route);
  const hash = createHash('sha256');
  const measure = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      arrived(chunk.length);
      done(null, chunk);
    },
  });
  try {
    await pipeline(
      Readable.fromWeb(response.body as Parameters<typeof Readable.fromWeb>[0]),
      measure,
      createWriteStream(path),
    );
  } catch (error) {
    throw new CliError(
      EXIT.unavailable,
      `${file.path} did not arrive: ${(error as Error).message}`,
      'Run the same command again.',
    );
  }
  if (hash.digest('hex') !== file.sha256)
    throw new CliError(
      EXIT.failed,
      `${file.path} is not what the catalog says it is`,
      'Try again; if it stays so, tell the operator.',
    );
}

/** owner/name or owner/name@version. */
export function single(reference: string): { id: string; version: number | undefined } {
  try {
    const { terms } = parseReference(reference);
    const [term] = terms;
    if (!term || terms.length > 1) throw new Error('one adapter, please');
    return { id: `${term.owner}/${term.name}`, version: term.version };
  } catch (error) {
    throw new CliError(EXIT.usage, (error as Error).message);
  }
}
