/**
 * What S3's own tools do, in a process of its own: a file in parts, several at once, each to its presigned URL. Reads
 * `{ file, size, urls }` from standard input, and says `done` on standard output.
 */
import { open } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import pLimit from 'p-limit';

const PARTS_AT_ONCE = 4;

process.stdout.write('up\n');
for await (const line of createInterface({ input: process.stdin })) {
  const { file, partSize, urls } = JSON.parse(line) as { file: string; partSize: number; urls: string[] };
  const handle = await open(file);
  const limit = pLimit(PARTS_AT_ONCE);
  const send = async (url: string, i: number) => {
    const { buffer, bytesRead } = await handle.read(new Uint8Array(partSize), 0, partSize, i * partSize);
    const response = await fetch(url, { method: 'PUT', body: buffer.subarray(0, bytesRead) });
    await response.arrayBuffer();
    if (!response.ok) throw new Error(`PUT: ${response.status}`);
  };
  await Promise.all(urls.map((url, i) => limit(() => send(url, i))));
  await handle.close();
  process.stdout.write('done\n');
}
