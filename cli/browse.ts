/** `patchbay search`, `show` and `pull`. */
import type { z } from 'zod';
import { parseReference } from '../adapter/reference.ts';
import { AdapterDetail, AdapterPage, type Client, VersionDetail } from './client.ts';
import { downloadInto } from './download.ts';
import { CliError, EXIT } from './errors.ts';
import { bytes, note, type Output, result, table } from './output.ts';
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
  const number = version ?? newest(adapter);
  const detail = await client.get(VersionDetail, `/api/adapters/${id}/versions/${number}`);
  const { length: versions } = adapter.versions;
  result(output, { ...adapter, version: detail }, () =>
    [
      `${adapter.title}  (${detail.reference}${versions > 1 ? `, one of ${versions} versions` : ''})`,
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
  const number = version ?? newest(await client.get(AdapterDetail, `/api/adapters/${id}`));
  const { files } = await client.get(VersionDetail, `/api/adapters/${id}/versions/${number}`);
  const target = folder ?? id.split('/')[1]!;
  const route = (path: string) => `/api/adapters/${id}/versions/${number}/files/${path}`;
  await downloadInto(client, output, target, files, route);
  result(
    output,
    { reference: `${id}@${number}`, folder: target, files },
    () => `${id}@${number} is in ${target}`,
  );
}

/** The number of the latest version; where none is listed, of the newest, which only those see who work on it. */
export function newest({ id, latest, versions }: z.infer<typeof AdapterDetail>): number {
  const number = latest || versions[0]?.number;
  if (number === undefined) throw new CliError(EXIT.notFound, `${id} has no version yet`);
  return number;
}

/** owner/name or owner/name@version. */
export function single(reference: string): { id: string; version: number | undefined } {
  try {
    const { terms } = parseReference(reference);
    const [term] = terms;
    if (!term || terms.length > 1) throw new Error('one adapter, please');
    if (term.checkpoint) throw new Error('a version, please: a checkpoint becomes one by promoting it');
    return { id: `${term.owner}/${term.name}`, version: term.version };
  } catch (error) {
    throw new CliError(EXIT.usage, (error as Error).message);
  }
}
