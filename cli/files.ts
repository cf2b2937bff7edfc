/** `patchbay files`: what was uploaded to train with, or to measure with. */
import { z } from 'zod';
import type { Client } from './client.ts';
import { bytes, type Output, result, table } from './output.ts';

const AT_ONCE = 100;

const UserFile = z.looseObject({
  id: z.string(),
  bytes: z.number(),
  created_at: z.number(),
  filename: z.string(),
});
const Page = z.object({ data: z.array(UserFile), has_more: z.boolean() });

export async function listFiles(client: Client, output: Output): Promise<void> {
  const files: z.infer<typeof UserFile>[] = [];
  for (let cursor = ''; ; cursor = `&after=${encodeURIComponent(files.at(-1)!.id)}`) {
    const { data, has_more: more } = await client.get(Page, `/v1/files?limit=${AT_ONCE}${cursor}`);
    files.push(...data);
    if (!more || data.length === 0) break;
  }
  const row = ({ id, bytes: size, created_at: at, filename }: z.infer<typeof UserFile>) => [
    id,
    bytes(size),
    new Date(at * 1000).toISOString().slice(0, 16).replace('T', ' '),
    filename,
  ];
  result(output, { files }, () =>
    files.length === 0
      ? 'No files yet: patchbay train uploads them'
      : table(['FILE', 'SIZE', 'MADE', 'NAME'], files.map(row)),
  );
}

export async function removeFile(client: Client, output: Output, id: string): Promise<void> {
  await client.delete(`/v1/files/${encodeURIComponent(id)}`);
  result(output, { removed: id }, () => `removed ${id}`);
}
