/** Whoever is called away does not wait for a store. */
import { mkdtemp, readdir } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Downloads } from './downloads.ts';
import { FetchedCheckpoint } from './train/fetched-checkpoint.ts';

/** A store that takes requests and sends nothing. */
let store: Server;
let cacheFolder: string;
const sha256 = '0'.repeat(64);
const source = () => ({
  path: 'model.safetensors',
  url: `http://127.0.0.1:${(store.address() as AddressInfo).port}/`,
  size: 1,
  sha256,
});

beforeAll(async () => {
  cacheFolder = await mkdtemp(join(tmpdir(), 'patchbay-downloads-'));
  store = createServer();
  await new Promise<void>((resolve) => store.listen(0, '127.0.0.1', resolve));
});

afterAll(() => {
  store.closeAllConnections();
  store.close();
});

/** Aborted once the store was asked. */
function whenAsked(): AbortSignal {
  const called = new AbortController();
  store.once('request', () => called.abort(new Error('called away')));
  return called.signal;
}

describe('a download', () => {
  it('of a base is left to others', async () => {
    using held = new DisposableStack();
    const downloads = new Downloads({ cacheFolder, diskBytes: 1 });
    const base = { id: 'owner/base', digest: 'abc', files: [source()] };
    await expect(downloads.base(base, held, whenAsked())).rejects.toThrow('called away');
    await expect(downloads.base(base, held, AbortSignal.abort(new Error('too late')))).rejects.toThrow(
      'too late',
    );
  });

  it('of a checkpoint ends, and nothing of it stays', async () => {
    const folder = join(cacheFolder, 'checkpoints', 'one');
    await expect(FetchedCheckpoint.fetch([source()], folder, whenAsked())).rejects.toThrow('called away');
    expect(await readdir(join(cacheFolder, 'checkpoints'))).toEqual([]);
  });
});
