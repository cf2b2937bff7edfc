/**
 * What Patchbay asks of an object store, on the embedded one and on a real S3 server. The store decides which uploads
 * resume and what a leaked URL can do, so both must agree.
 */
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, test, vi } from 'vitest';
import { isAway } from '../api/away.ts';
import { type BlobStore, createBlobStore } from '../api/blob-store.ts';
import { startEmbeddedS3 } from '../api/embedded/s3.ts';
import { type S3Server, startVersitygw, versitygwInstalled } from './servers/versitygw.ts';

const MIB = 2 ** 20;
const credentials = { accessKeyId: 'test', secretAccessKey: 'secret-of-the-test', region: 'us-east-1' };

async function startEmbedded(folder: string) {
  const server = await startEmbeddedS3({
    folder,
    host: '127.0.0.1',
    port: 0,
    bucket: 'patchbay',
    credentials,
  });
  return { ...server, ...credentials };
}

async function bytesOf(stream: ReadableStream<Uint8Array>): Promise<Uint8Array> {
  return new Uint8Array(await new Response(stream as ReadableStream<Uint8Array<ArrayBuffer>>).arrayBuffer());
}

async function upload(
  store: BlobStore,
  key: string,
  parts: readonly Uint8Array<ArrayBuffer>[],
): Promise<string> {
  const id = await store.startUpload(key);
  for (const [i, part] of parts.entries()) {
    const response = await fetch(await store.partUrl(key, id, i + 1), { method: 'PUT', body: part });
    expect(response.status).toBe(200);
  }
  return id;
}

describe.each([
  { name: 'the embedded object store', here: true, start: startEmbedded },
  { name: 'a real S3 server (versitygw)', here: versitygwInstalled, start: () => startVersitygw() },
])('$name', ({ here, start }) => {
  let folder: string;
  let server: S3Server;
  let store: BlobStore;

  beforeAll(async () => {
    if (!here) return;
    folder = await mkdtemp(join(tmpdir(), 'patchbay-s3-'));
    server = await start(folder);
    store = createBlobStore({ bucket: 'patchbay', ...server });
    await store.prepare();
  });

  afterAll(async () => {
    if (!here) return;
    store.close();
    await server.close();
    await rm(folder, { recursive: true, force: true });
  });

  const it = here ? test : test.skip;

  it('answers a bucket that is there', async () => {
    await store.prepare();
  });

  it('joins parts in order, once, and reads ranges of the result', async () => {
    const first = new Uint8Array(5 * MIB).fill(1);
    const second = Uint8Array.of(2, 3, 4);
    const id = await upload(store, 'uploads/a', [first, second]);
    expect(await store.uploadedParts('uploads/a', id)).toEqual([
      { number: 1, size: first.length },
      { number: 2, size: 3 },
    ]);
    await store.finishUpload('uploads/a', id);
    await store.finishUpload('uploads/a', id);
    expect(await store.uploadedParts('uploads/a', id)).toBeUndefined();
    expect(await store.size('uploads/a')).toBe(first.length + 3);
    expect([
      ...(await bytesOf(await store.read('uploads/a', { offset: first.length - 1, length: 3 }))),
    ]).toEqual([1, 2, 3]);
  });

  it('takes the last of two uploads of one part', async () => {
    const id = await upload(store, 'uploads/b', [Uint8Array.of(1)]);
    await fetch(await store.partUrl('uploads/b', id, 1), { method: 'PUT', body: Uint8Array.of(9, 9) });
    await store.finishUpload('uploads/b', id);
    expect([...(await bytesOf(await store.read('uploads/b')))]).toEqual([9, 9]);
  });

  it('copies, and the copy outlives its source', async () => {
    await store.finishUpload('uploads/c', await upload(store, 'uploads/c', [Uint8Array.of(5)]));
    await store.copy('uploads/c', 'blobs/c');
    await store.remove('uploads/c');
    expect(await store.size('uploads/c')).toBeUndefined();
    expect(await store.size('blobs/c')).toBe(1);
  });

  it('lists what is under a prefix, page by page, in the order of the keys', async () => {
    const keys = Array.from({ length: 1003 }, (_, i) => `listed/${String(i).padStart(4, '0')} & <${i}>`);
    for (let i = 0; i < keys.length; i += 50)
      await Promise.all(keys.slice(i, i + 50).map((key) => store.put(key, Uint8Array.of(1, 2))));
    await store.put('listed-not', Uint8Array.of(1));
    const pages = await Array.fromAsync(store.list('listed/'));
    expect(pages.map((page) => page.length)).toEqual([1000, 3]);
    expect(pages.flat().map(({ key }) => key)).toEqual(keys);
    expect(pages[0]![0]!.size).toBe(2);
    expect(Math.abs(pages[0]![0]!.modifiedAt.getTime() - Date.now())).toBeLessThan(60_000);
    await store.remove(keys[0]!);
    expect((await Array.fromAsync(store.list('listed/0000'))).flat()).toEqual([]);
    expect(await Array.fromAsync(store.list('nothing/'))).toEqual([[]]);
  });

  it('forgets an aborted upload', async () => {
    const id = await upload(store, 'uploads/d', [Uint8Array.of(5)]);
    await store.abortUpload('uploads/d', id);
    await store.abortUpload('uploads/d', id);
    expect(await store.uploadedParts('uploads/d', id)).toBeUndefined();
  });

  it('refuses a forged, altered, or missing signature', async () => {
    await store.finishUpload('uploads/e', await upload(store, 'uploads/e', [Uint8Array.of(5)]));
    const url = await store.readUrl('uploads/e');
    expect((await fetch(url)).status).toBe(200);
    const forged = url.replace(
      /X-Amz-Signature=([0-9a-f])/,
      (_, digit) => `X-Amz-Signature=${digit === '0' ? '1' : '0'}`,
    );
    for (const bad of [
      forged,
      url.replace('uploads/e', 'uploads/b'),
      url.replace('X-Amz-Expires=3600', 'X-Amz-Expires=9999'),
      url.split('?')[0]!,
    ]) {
      expect((await fetch(bad)).status, bad).toBe(403);
    }
    expect((await fetch(url, { method: 'DELETE' })).status).toBe(403);
  });
});

it('the embedded object store keeps everything over a restart, parts of an unfinished upload included', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'patchbay-s3-'));
  let server = await startEmbedded(folder);
  let store = createBlobStore({ bucket: 'patchbay', ...server });
  await store.finishUpload('blobs/c', await upload(store, 'blobs/c', [Uint8Array.of(1)]));
  const id = await upload(store, 'uploads/f', [Uint8Array.of(7)]);
  await server.close();
  store.close();
  server = await startEmbedded(folder);
  store = createBlobStore({ bucket: 'patchbay', ...server });
  expect(await store.size('blobs/c')).toBe(1);
  expect(await store.uploadedParts('uploads/f', id)).toEqual([{ number: 1, size: 1 }]);
  await store.finishUpload('uploads/f', id);
  expect([...(await bytesOf(await store.read('uploads/f')))]).toEqual([7]);
  store.close();
  await server.close();
  await rm(folder, { recursive: true });
});

it('the embedded object store reads any range over the seams of its parts, by HTTP and from the disk', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'patchbay-s3-'));
  const server = await startEmbeddedS3({
    folder,
    host: '127.0.0.1',
    port: 0,
    bucket: 'patchbay',
    credentials,
  });
  const settings = { bucket: 'patchbay', endpoint: server.endpoint, ...credentials };
  const stores = [createBlobStore(settings), createBlobStore(settings, server)] as const;
  const parts = [[1], [2, 3, 4], [5], [6, 7]].map((part) => Uint8Array.from(part));
  const id = await upload(stores[0], 'uploads/g', parts);
  await stores[0].finishUpload('uploads/g', id);
  await stores[0].copy('uploads/g', 'blobs/g');
  await stores[0].remove('uploads/g');
  const whole = [1, 2, 3, 4, 5, 6, 7];
  for (const store of stores) {
    expect([...(await bytesOf(await store.read('blobs/g')))]).toEqual(whole);
    for (let offset = 0; offset < whole.length; offset++)
      for (let length = 1; offset + length <= whole.length; length++)
        expect([...(await bytesOf(await store.read('blobs/g', { offset, length })))]).toEqual(
          whole.slice(offset, offset + length),
        );
    await expect(store.read('blobs/none')).rejects.toThrow();
    store.close();
  }
  await server.close();
  await rm(folder, { recursive: true });
});

it('the embedded object store gives a reader the bytes that it found, whoever replaces or removes them meanwhile', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'patchbay-s3-'));
  const server = await startEmbedded(folder);
  const store = createBlobStore({ bucket: 'patchbay', ...server });
  const part = (fill: number) => new Uint8Array(MIB).fill(fill);
  await store.finishUpload('blobs/a', await upload(store, 'blobs/a', [part(1), part(2)]));
  const old = Buffer.concat([part(1), part(2)]);
  const next = part(3);
  const readers = [await server.read('blobs/a'), await server.read('blobs/a')];
  const changes = Array.from({ length: 8 }, () => store.put('blobs/a', next));
  expect(old.equals(await bytesOf(readers[0]!))).toBe(true);
  await Promise.all(changes);
  expect(old.equals(await bytesOf(readers[1]!))).toBe(true);

  await Promise.all(Array.from({ length: 8 }, (_, i) => store.copy('blobs/a', `blobs/${i % 2}`)));
  await store.remove('blobs/a');
  await server.close();
  const again = await startEmbedded(folder);
  const reopened = createBlobStore({ bucket: 'patchbay', ...again });
  for (const key of ['blobs/0', 'blobs/1'])
    expect(Buffer.from(next).equals(await bytesOf(await reopened.read(key)))).toBe(true);
  expect(await readdir(join(folder, 'data'))).toHaveLength(2);
  for (const { close } of [store, reopened]) close();
  await again.close();
  await rm(folder, { recursive: true });
});

it('the embedded object store reads what was described before parts were joined by reference', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'patchbay-s3-'));
  await Promise.all(['data', 'objects', 'uploads'].map((name) => mkdir(join(folder, name))));
  await writeFile(join(folder, 'data/old'), Uint8Array.of(4, 2));
  const object = { key: 'blobs/old', data: 'old', size: 2, etag: 'e', modified: new Date(0).toISOString() };
  const name = createHash('sha256').update(object.key).digest('hex');
  await writeFile(join(folder, 'objects', name), JSON.stringify(object));
  const server = await startEmbedded(folder);
  const store = createBlobStore({ bucket: 'patchbay', ...server });
  expect(await store.size('blobs/old')).toBe(2);
  expect([...(await bytesOf(await store.read('blobs/old')))]).toEqual([4, 2]);
  store.close();
  await server.close();
  await rm(folder, { recursive: true });
});

test('a store that takes a request and says nothing is given up', async () => {
  const silent = createServer(() => undefined);
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  vi.stubEnv('AWS_MAX_ATTEMPTS', '1');
  const endpoint = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
  const store = createBlobStore({ bucket: 'patchbay', ...credentials, endpoint });
  const failure = await store.size('one').catch((error: unknown) => error);
  expect(failure).toMatchObject({ message: expect.stringMatching(/timed out after 30000 ms of inactivity/) });
  expect(isAway(failure)).toBe(true);
  vi.unstubAllEnvs();
  store.close();
  silent.closeAllConnections();
  await new Promise((resolve) => silent.close(resolve));
});
