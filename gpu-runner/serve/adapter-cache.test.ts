import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { WEIGHTS_FILE } from '../model/adapter-file.ts';
import type { Checkpoint } from '../model/checkpoint.ts';
import type { PARITY_NAMES } from '../testing/parity.ts';
import { copyCheckpoint } from '../testing/training.ts';
import { AdapterCache } from './adapter-cache.ts';
import { AdapterLoader } from './adapter-loader.ts';
import type { AdapterOnDisk } from './load-adapter.ts';

const FIXTURES = join(import.meta.dirname, '../../test/fixtures/parity');
const json = async (path: string) => JSON.parse(await readFile(join(FIXTURES, path), 'utf8'));

const baseOf = (name: (typeof PARITY_NAMES)[number]) => copyCheckpoint(name);

async function adapterOf(base: string, name: string, digest = name): Promise<AdapterOnDisk> {
  const folder = `${base}/adapters/${name}`;
  return { digest, config: await json(`${folder}/adapter_config.json`), folder: join(FIXTURES, folder) };
}

function cacheFor({ folder }: Checkpoint, limit: number): AdapterCache {
  const loader = new AdapterLoader(folder);
  return new AdapterCache(limit, (adapter) => loader.load(adapter));
}

describe('adapters in memory', () => {
  it('are decoded once for all that ask at once, and kept', async () => {
    const cache = cacheFor(await baseOf('llama3'), 2 ** 30);
    const adapter = await adapterOf('llama3', 'all-linear');
    const loaded = await Promise.all(Array.from({ length: 5 }, () => cache.get(adapter)));
    expect(new Set([...loaded, await cache.get(adapter)]).size).toBe(1);
    expect(cache.size).toBe(1);
  });

  it('have the ranks and scales of their configuration', async () => {
    const cache = cacheFor(await baseOf('llama3'), 2 ** 30);
    const { modules, bytes } = await cache.get(await adapterOf('llama3', 'patterns'));
    expect(new Set(modules.map(({ rank }) => rank)).size).toBeGreaterThan(1);
    for (const { rank, a, b } of modules) expect([a.length % rank, b.length % rank]).toEqual([0, 0]);
    expect(bytes).toBe(modules.reduce((sum, { a, b }) => sum + 4 * (a.length + b.length), 0));
  });

  it('make room for each other beyond the limit, least recently used first', async () => {
    const base = await baseOf('llama3');
    const { bytes } = await cacheFor(base, 2 ** 30).get(await adapterOf('llama3', 'all-linear'));
    const cache = cacheFor(base, 2 * bytes);
    const [a, b, c] = await Promise.all(
      ['a', 'b', 'c'].map((digest) => adapterOf('llama3', 'all-linear', digest)),
    );
    const first = await cache.get(a!);
    const second = await cache.get(b!);
    expect(await cache.get(a!)).toBe(first);
    await cache.get(c!);
    expect(await cache.get(a!)).toBe(first);
    expect(await cache.get(b!)).not.toBe(second);
    expect(cache.size).toBe(2);
  });

  it('are loaded even when none fits, or many come at once into little room', async () => {
    const base = await baseOf('llama3');
    const cache = cacheFor(base, 1000);
    const asked = await Promise.all(
      Array.from({ length: 12 }, (_, i) => adapterOf('llama3', 'all-linear', `${i}`)),
    );
    const loaded = await Promise.all(asked.map((adapter) => cache.get(adapter)));
    expect(loaded.map(({ digest }) => digest)).toEqual(asked.map(({ digest }) => digest));
    expect(cache.size).toBe(0);
  });

  it('are loaded though those that come in meanwhile push each other out', async () => {
    const base = await baseOf('llama3');
    const { bytes } = await cacheFor(base, 2 ** 30).get(await adapterOf('llama3', 'all-linear'));
    const cache = cacheFor(base, 1.5 * bytes);
    for (let round = 0; round < 5; round++) {
      const asked = await Promise.all(
        Array.from({ length: 5 }, (_, i) => adapterOf('llama3', 'all-linear', `${round} ${i}`)),
      );
      const loaded = await Promise.all(
        asked.map(async (adapter, i) => {
          for (let turn = 0; turn < i; turn++) await new Promise((resolve) => setImmediate(resolve));
          return cache.get(adapter);
        }),
      );
      expect(loaded.map(({ digest }) => digest)).toEqual(asked.map(({ digest }) => digest));
    }
    expect(cache.size).toBe(1);
  });

  it('for another base are refused with every reason', async () => {
    const cache = cacheFor(await baseOf('qwen3'), 2 ** 30);
    await expect(cache.get(await adapterOf('llama3', 'all-linear'))).rejects.toMatchObject({
      code: 'adapter_invalid',
      message: expect.stringMatching(/layers\.0/),
    });
  });

  it('that failed to load are tried again', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'patchbay-adapter-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    const adapter = { ...(await adapterOf('llama3', 'all-linear')), folder };
    const cache = cacheFor(await baseOf('llama3'), 2 ** 30);
    await writeFile(join(folder, WEIGHTS_FILE), 'no adapter');
    await expect(cache.get(adapter)).rejects.toMatchObject({ code: 'adapter_invalid' });
    await cp(join(FIXTURES, 'llama3/adapters/all-linear', WEIGHTS_FILE), join(folder, WEIGHTS_FILE));
    expect((await cache.get(adapter)).modules.length).toBeGreaterThan(0);
  });
});
