/**
 * Publishing 100 MB with the command, from its start to the version that is listed, over sending the same bytes to the same object
 * store in parts and nothing else, by a process that has started already. With the embedded store and with a real S3 server, over
 * the loopback interface; and with the embedded store over links of 1 Gbit/s and of 100 Mbit/s, which both sides share.
 */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { credentials, type ObjectsForTests, startEmbedded } from '../test/in-process.ts';
import { startVersitygw, versitygwInstalled } from '../test/servers/versitygw.ts';
import { BASE, largeAdapter, openWithTiny } from './large-adapter.ts';
import { type Figure, median, note, timed } from './measure.ts';

const BYTES = 100e6;
const ROUNDS = 5;
const SLOW_ROUNDS = 2;
const PART = 8 * 2 ** 20;
const MEGABIT = 1e6;
const cli = join(import.meta.dirname, '../cli/bin/patchbay.js');
const WEIGHTS = 'adapter_model.safetensors';

type Api = Awaited<ReturnType<typeof openWithTiny>>;

interface Place {
  /** What its figures' names end with. */
  readonly name: string;
  readonly start: (folder: string) => Promise<ObjectsForTests>;
  readonly rounds: number;
}

/** A child that is asked and answers by lines. */
class Lines {
  readonly child: ChildProcessByStdio<Writable, Readable, null>;
  private readonly lines: AsyncIterator<string>;

  constructor(script: string, ...args: string[]) {
    this.child = spawn('node', [join(import.meta.dirname, script), ...args], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    this.lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]();
  }

  async next(): Promise<string> {
    const { value, done } = await this.lines.next();
    if (done) throw new Error(`${this.child.spawnargs[1]} ended`);
    return value;
  }
}

async function publish(api: Api, url: string, folder: string, name: string, cache: string): Promise<void> {
  const child = spawn('node', [cli, '--json', 'publish', folder, '--base', BASE, '--as', name], {
    env: { ...process.env, PATCHBAY_URL: url, PATCHBAY_KEY: api.admin, XDG_CACHE_HOME: cache },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let error = '';
  child.stderr.on('data', (chunk) => {
    error += chunk;
  });
  const code = await new Promise((resolve) => child.once('exit', resolve));
  if (code !== 0) throw new Error(error);
}

async function bareUpload({ blobs }: Api, peer: Lines, file: string, bytes: number, key: string) {
  const id = await blobs.startUpload(key);
  const numbers = Array.from({ length: Math.ceil(bytes / PART) }, (_, i) => i + 1);
  const urls = await Promise.all(numbers.map((number) => blobs.partUrl(key, id, number)));
  peer.child.stdin.write(`${JSON.stringify({ file, partSize: PART, urls })}\n`);
  await peer.next();
  await blobs.finishUpload(key, id);
}

/** The two in turns. @returns seconds of each */
async function compare({ start, rounds }: Place) {
  const api = await openWithTiny(start);
  const url = await api.listen();
  const peer = new Lines('bare-upload.ts');
  await peer.next();
  const cache = await mkdtemp(join(tmpdir(), 'patchbay-bench-'));
  const [ours, theirs]: [number[], number[]] = [[], []];
  try {
    for (let round = 0; round <= rounds; round++) {
      const folder = await mkdtemp(join(tmpdir(), 'patchbay-bench-'));
      const files = largeAdapter(BYTES, round);
      for (const [name, content] of Object.entries(files)) await writeFile(join(folder, name), content);
      const { length } = files[WEIGHTS];
      theirs.push(await timed(() => bareUpload(api, peer, join(folder, WEIGHTS), length, `bench/${round}`)));
      ours.push(await timed(() => publish(api, url, folder, `alice/large-${round}`, cache)));
      await rm(folder, { recursive: true });
    }
  } finally {
    peer.child.kill();
    await api.close();
    await rm(cache, { recursive: true });
  }
  // The first of each compiles what the others find compiled.
  note(`ours ${ours.map(Math.round).join(' ')} ms, bare ${theirs.map(Math.round).join(' ')} ms`);
  return { ours: median(ours.slice(1)) / 1000, theirs: median(theirs.slice(1)) / 1000 };
}

const overLink =
  (bitsPerSecond: number) =>
  async (folder: string): Promise<ObjectsForTests> => {
    const store = await startEmbedded(folder);
    const link = new Lines('slow-link.ts', new URL(store.endpoint).port, String(bitsPerSecond));
    const endpoint = `http://127.0.0.1:${await link.next()}`;
    const close = async () => {
      link.child.kill();
      await store.close();
    };
    return { ...store, endpoint, close };
  };

export async function run(): Promise<Figure[]> {
  const places: Place[] = [
    { name: '', start: startEmbedded, rounds: ROUNDS },
    { name: '_gigabit', start: overLink(1000 * MEGABIT), rounds: ROUNDS },
    { name: '_100_megabit', start: overLink(100 * MEGABIT), rounds: SLOW_ROUNDS },
  ];
  if (versitygwInstalled)
    places.push({ name: '_versitygw', start: () => startVersitygw(credentials), rounds: ROUNDS });
  const figures: Figure[] = [];
  for (const place of places) {
    const where = place.name;
    const { ours, theirs } = await compare(place);
    figures.push(
      { key: `publish_100mb_over_s3${where}`, value: ours / theirs, unit: 'ratio' },
      { key: `publish_100mb_s${where}`, value: ours, unit: 's' },
      { key: `s3_100mb_s${where}`, value: theirs, unit: 's' },
    );
  }
  return figures;
}
