import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { tryCache } from './try-cache.ts';

const folder = mkdtempSync(join(tmpdir(), 'patchbay-try-cache-'));
afterAll(() => rmSync(folder, { recursive: true }));

it('a cache that can be written is made, and left empty', async () => {
  await tryCache(join(folder, 'new/cache'));
  expect(readdirSync(join(folder, 'new/cache'))).toEqual([]);
});

it('one that cannot is named, with the setting', async () => {
  writeFileSync(join(folder, 'file'), '');
  const cache = join(folder, 'file/cache'); // whoever runs the tests as root may write everywhere else
  await expect(tryCache(cache)).rejects.toThrow(`PATCHBAY_RUNNER_CACHE is ${cache}, where user`);
});
