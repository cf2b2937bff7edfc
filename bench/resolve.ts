/**
 * Downloads: `resolve`, as Hugging Face's clients ask for files, over a plain server that sends the same file from the disk. Once for
 * weights, which the object store sends after a redirect, and once for the small configuration, which comes from the API.
 */
import { createReadStream } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { largeAdapter, openWithTiny, publishTo } from './large-adapter.ts';
import { type Figure, median, note } from './measure.ts';

const ROUNDS = 60;
const AT_ONCE = 4;
/** As rank 16 on a model of a billion parameters has. */
const BYTES = 24e6;

async function download(url: string, bytes: number): Promise<void> {
  const response = await fetch(url);
  let size = 0;
  for await (const chunk of response.body!) size += chunk.length;
  if (size !== bytes) throw new Error(`${url}: ${response.status}, ${size} bytes of ${bytes}`);
}

/** Milliseconds of each download, several at once. */
async function times(url: string, bytes: number, rounds: number): Promise<number[]> {
  const all: number[] = [];
  const worker = async () => {
    while (rounds-- > 0) {
      const began = performance.now();
      await download(url, bytes);
      all.push(performance.now() - began);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return all;
}

export async function run(): Promise<Figure[]> {
  const api = await openWithTiny();
  const folder = await mkdtemp(join(tmpdir(), 'patchbay-bench-'));
  const plain = createServer((request, response) =>
    createReadStream(join(folder, request.url!)).pipe(response),
  );
  await new Promise<void>((resolve) => plain.listen(0, '127.0.0.1', resolve));
  try {
    const files = largeAdapter(BYTES);
    await publishTo(api, 'alice/large', files);
    for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content);
    note(`weights of ${(files['adapter_model.safetensors'].length / 1e6).toFixed(1)} MB`);
    // Under another name than the object store's, as in production: else the bytes would come through the API.
    const resolve = `${(await api.listen()).replace('127.0.0.1', 'localhost')}/alice/large/resolve/main`;
    const direct = `http://127.0.0.1:${(plain.address() as AddressInfo).port}`;
    const figures: Figure[] = [];
    for (const [name, key, rounds] of [
      ['adapter_model.safetensors', 'resolve', ROUNDS],
      ['adapter_config.json', 'resolve_small', 20 * ROUNDS],
    ] as const) {
      const bytes = Buffer.byteLength(files[name]);
      const [ours, theirs]: [number[], number[]] = [[], []];
      for (let turn = 0; turn < 4; turn++) {
        ours.push(...(await times(`${resolve}/${name}`, bytes, rounds / 4)));
        theirs.push(...(await times(`${direct}/${name}`, bytes, rounds / 4)));
      }
      const p99 = (values: number[]) => values.toSorted((a, b) => a - b)[Math.floor(0.99 * values.length)]!;
      figures.push(
        { key: `${key}_over_static`, value: median(ours) / median(theirs), unit: 'ratio' },
        { key: `${key}_p50_ms`, value: median(ours), unit: 'ms' },
        { key: `${key}_p99_ms`, value: p99(ours), unit: 'ms' },
      );
    }
    return figures;
  } finally {
    plain.close();
    plain.closeAllConnections();
    await api.close();
    await rm(folder, { recursive: true });
  }
}
