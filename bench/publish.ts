/**
 * Publishing 100 MB with the command, from its start to the version that is listed, over sending the same bytes to the same object
 * store in parts and nothing else.
 */
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pLimit from 'p-limit';
import { BASE, largeAdapter, openWithTiny } from './large-adapter.ts';
import { type Figure, median, note, timed } from './measure.ts';

const BYTES = 100e6;
const ROUNDS = 3;
const PART = 8 * 2 ** 20;
const PARTS_AT_ONCE = 4;
const cli = join(import.meta.dirname, '../cli/bin/patchbay.js');

type Api = Awaited<ReturnType<typeof openWithTiny>>;

async function publish(api: Api, url: string, folder: string, name: string): Promise<void> {
  const child = spawn('node', [cli, '--json', 'publish', folder, '--base', BASE, '--as', name], {
    env: { ...process.env, PATCHBAY_URL: url, PATCHBAY_KEY: api.admin, XDG_CACHE_HOME: folder },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let error = '';
  child.stderr.on('data', (chunk) => {
    error += chunk;
  });
  const code = await new Promise((resolve) => child.once('exit', resolve));
  if (code !== 0) throw new Error(error);
}

/** What S3's own tools do: parts, several at once, joined. */
async function bareUpload({ blobs }: Api, bytes: Uint8Array, key: string): Promise<void> {
  const id = await blobs.startUpload(key);
  const limit = pLimit(PARTS_AT_ONCE);
  const send = async (number: number) => {
    const url = await blobs.partUrl(key, id, number);
    const body = Uint8Array.from(bytes.subarray((number - 1) * PART, number * PART));
    const response = await fetch(url, { method: 'PUT', body });
    if (!response.ok) throw new Error(`PUT: ${response.status}`);
  };
  await Promise.all(
    Array.from({ length: Math.ceil(bytes.length / PART) }, (_, i) => limit(() => send(i + 1))),
  );
  await blobs.finishUpload(key, id);
}

export async function run(): Promise<Figure[]> {
  const api = await openWithTiny();
  const url = await api.listen();
  const [ours, theirs]: [number[], number[]] = [[], []];
  try {
    for (let round = 0; round < ROUNDS; round++) {
      const folder = await mkdtemp(join(tmpdir(), 'patchbay-bench-'));
      const files = largeAdapter(BYTES, round);
      for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content);
      const weights = files['adapter_model.safetensors'];
      if (round === 0) note(`weights of ${(weights.length / 1e6).toFixed(1)} MB`);
      theirs.push(await timed(() => bareUpload(api, weights, `bench/${round}`)));
      ours.push(await timed(() => publish(api, url, folder, `alice/large-${round}`)));
      await rm(folder, { recursive: true });
    }
  } finally {
    await api.close();
  }
  const [local, bare] = [median(ours), median(theirs)];
  return [
    { key: 'publish_100mb_over_s3', value: local / bare, unit: 'ratio' },
    { key: 'publish_100mb_s', value: local / 1000, unit: 's' },
    { key: 's3_100mb_s', value: bare / 1000, unit: 's' },
  ];
}
