import { mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { FileSource } from '../functions/generate.ts';
import { DiskCache, type HeldEntry } from './disk-cache.ts';
import { FileServer, sha256 } from './testing/file-server.ts';

const KIB = 1024;

let server: FileServer;
let folder: string;
beforeEach(async () => {
  server = await FileServer.open();
  folder = await mkdtemp(join(tmpdir(), 'patchbay-cache-'));
});
afterEach(async () => {
  await server.close();
  await rm(folder, { recursive: true });
});

const digestOf = (name: string) => sha256(Buffer.from(name));
const file = (path: string, size = KIB) => server.add(path, Buffer.alloc(size, path));
const hits = (source: FileSource) => server.hits.get(new URL(source.url).pathname) ?? 0;

async function useOnce(cache: DiskCache, name: string, files: readonly FileSource[]): Promise<void> {
  using _entry = await cache.hold(digestOf(name), files);
}

/** Names of the entries that are there, of those asked about. */
async function present(...names: string[]): Promise<string[]> {
  const found = new Set(await readdir(folder));
  return names.filter((name) => found.has(digestOf(name)));
}

/** Makes an entry look as if it was last used that many seconds ago. */
async function age(name: string, seconds: number): Promise<void> {
  const then = new Date(Date.now() - 1000 * seconds);
  await utimes(join(folder, digestOf(name)), then, then);
}

describe('the disk cache', () => {
  it('holds all files of an entry, in folders where their names say so', async () => {
    const files = [file('config.json'), file('onnx/model.bin')];
    using entry = await new DiskCache(folder, 10 * KIB).hold(digestOf('a'), files);
    expect(await readFile(join(entry.folder, 'onnx/model.bin'), 'utf8')).toMatch(/^onnx\/model\.bin/);
    expect((await stat(join(entry.folder, 'config.json'))).size).toBe(KIB);
  });

  it('downloads once, however many ask, and not again after a restart', async () => {
    const source = file('weights');
    const cache = new DiskCache(folder, 10 * KIB);
    await Promise.all(Array.from({ length: 8 }, () => useOnce(cache, 'a', [source])));
    await useOnce(new DiskCache(folder, 10 * KIB), 'a', [source]);
    expect(hits(source)).toBe(1);
  });

  it('fetches again what somebody else has removed', async () => {
    const cache = new DiskCache(folder, 10 * KIB);
    await useOnce(cache, 'a', [file('weights')]);
    await rm(join(folder, digestOf('a')), { recursive: true });
    await useOnce(cache, 'a', [file('weights')]);
    expect(await readdir(join(folder, digestOf('a')))).toEqual(['weights']);
  });

  it('removes what was used longest ago, beyond the limit', async () => {
    const cache = new DiskCache(folder, 3.25 * KIB);
    const files = [file('weights')];
    for (const [i, name] of ['a', 'b', 'c'].entries()) {
      await useOnce(cache, name, files);
      await age(name, 100 - i);
    }
    await useOnce(cache, 'a', files); // used again: b is the oldest now
    await useOnce(cache, 'd', files);
    expect(await present('a', 'b', 'c', 'd')).toEqual(['a', 'c', 'd']);
  });

  it('counts what a failed load has left', async () => {
    const cache = new DiskCache(folder, 3.25 * KIB);
    await useOnce(cache, 'a', [file('weights')]);
    await age('a', 100);
    const broken = [file('first'), file('second'), server.add('third', Buffer.alloc(KIB, 1), 'corrupt')];
    await expect(cache.hold(digestOf('b'), broken)).rejects.toMatchObject({ code: 'checksum_mismatch' });
    await useOnce(cache, 'c', [file('weights')]);
    expect(await present('a', 'b', 'c')).toEqual(['b', 'c']);
  });

  it('never removes what somebody holds; later it may', async () => {
    const cache = new DiskCache(folder, KIB);
    const files = [file('weights')];
    const held = await cache.hold(digestOf('a'), files);
    await age('a', 100);
    await useOnce(cache, 'b', files);
    expect(await present('a')).toEqual(['a']);
    held[Symbol.dispose]();
    await useOnce(cache, 'c', files);
    expect(await present('a', 'b', 'c')).toEqual(['c']);
  });

  it('fetches again what was removed, also when it is asked for at that moment', async () => {
    const cache = new DiskCache(folder, 2 * KIB);
    const names = ['a', 'b', 'c', 'd', 'e'];
    const files = [file('weights')];
    const use = async (name: string) => {
      using entry: HeldEntry = await cache.hold(digestOf(name), files);
      for (let i = 0; i < 3; i++) {
        expect((await readFile(join(entry.folder, 'weights'))).length).toBe(KIB);
        await new Promise(setImmediate);
      }
    };
    for (let round = 0; round < 30; round++)
      await Promise.all([...names, ...names].map((name, i) => ((i + round) % 3 ? use(name) : undefined)));
    expect((await present(...names)).length).toBeLessThanOrEqual(names.length);
  });

  it('a failed load leaves no broken file, and the next one needs only what is missing', async () => {
    const cache = new DiskCache(folder, 10 * KIB);
    const good = file('config.json');
    const broken = server.add('weights', Buffer.alloc(KIB, 1), 'corrupt');
    await expect(cache.hold(digestOf('a'), [good, broken])).rejects.toMatchObject({
      code: 'checksum_mismatch',
    });
    expect(await readdir(join(folder, digestOf('a')))).toEqual(['config.json']);
    await useOnce(cache, 'a', [good, server.add('weights', Buffer.alloc(KIB, 1))]);
    expect(hits(good)).toBe(1);
  });

  it('a store that breaks off in the middle is its own fault, and leaves nothing', async () => {
    const cache = new DiskCache(folder, 10 * KIB);
    const broken = server.add('weights', Buffer.alloc(64 * KIB, 1), 'truncate');
    await expect(cache.hold(digestOf('a'), [broken])).rejects.toMatchObject({ code: 'fetch_failed' });
    expect(await readdir(join(folder, digestOf('a')))).toEqual([]);
  });

  it('a folder that cannot be written is not the store’s fault', async () => {
    await writeFile(join(folder, digestOf('a')), 'in the way');
    const cache = new DiskCache(folder, 10 * KIB);
    await expect(cache.hold(digestOf('a'), [file('weights')])).rejects.toMatchObject({ code: 'EEXIST' });
  });

  it('removes partial files of a process that died', async () => {
    const cache = new DiskCache(folder, 10 * KIB);
    await useOnce(cache, 'a', [file('weights')]);
    const partial = join(folder, digestOf('a'), 'weights.1.partial');
    await writeFile(partial, 'half');
    const lastWeek = new Date(Date.now() - 7 * 24 * 3600 * 1000);
    await utimes(partial, lastWeek, lastWeek);
    const next = new DiskCache(folder, KIB * 100); // the process after it, which looks once
    await useOnce(next, 'b', [file('weights')]);
    expect(await readdir(join(folder, digestOf('a')))).toEqual(['weights']);
  });

  it('refuses names that leave the entry, and a name given twice', async () => {
    const cache = new DiskCache(folder, 10 * KIB);
    for (const path of ['../x', 'a/../../x', '/x', '.x', 'a//x', 'a/.x', '', 'a\\..\\x', 'patchbay-x'])
      await expect(cache.hold(digestOf('a'), [file(path)]), path).rejects.toMatchObject({
        code: 'invalid_request',
      });
    const twice = [file('x'), file('x')];
    await expect(cache.hold(digestOf('a'), twice)).rejects.toMatchObject({ code: 'invalid_request' });
  });
});
