import { mkdir, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { DEFAULT_URL, readSettings, storeSettings } from './settings.ts';

let home: string;
let environment: Record<string, string>;

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'patchbay-home-'));
  environment = { XDG_CONFIG_HOME: home };
});

afterEach(() => rm(home, { recursive: true }));

it('points at a server on this machine until told otherwise', async () => {
  expect(await readSettings(environment)).toEqual({ url: DEFAULT_URL, key: undefined });
});

it('stores a key that only its owner can read', async () => {
  const file = await storeSettings('http://a.test', 'pb_a', environment);
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  expect(await readSettings(environment)).toEqual({ url: 'http://a.test', key: 'pb_a' });
});

it('tightens a file that others could read', async () => {
  const file = join(home, 'patchbay', 'login.json');
  await mkdir(dirname(file));
  await writeFile(file, '{}', { mode: 0o644 });
  await storeSettings('http://a.test', 'pb_a', environment);
  expect((await stat(file)).mode & 0o777).toBe(0o600);
});

it('sends a stored key to no other server than the one it was stored for', async () => {
  await storeSettings('http://a.test', 'pb_a', environment);
  expect(await readSettings({ ...environment, PATCHBAY_URL: 'http://b.test' })).toEqual({
    url: 'http://b.test',
    key: undefined,
  });
  expect(await readSettings({ ...environment, PATCHBAY_KEY: 'pb_b' })).toEqual({
    url: 'http://a.test',
    key: 'pb_b',
  });
});

it('knows its server with a slash at the end, too', async () => {
  await storeSettings('http://a.test', 'pb_a', environment);
  expect((await readSettings({ ...environment, PATCHBAY_URL: 'http://a.test/' })).key).toBe('pb_a');
});

it('says what the address of a server lacks', async () => {
  for (const given of ['127.0.0.1:8787', 'localhost:8787', 'here'])
    await expect(readSettings({ ...environment, PATCHBAY_URL: given })).rejects.toMatchObject({
      message: `${given} is not the URL of a server`,
      hint: expect.stringContaining('http://'),
    });
  expect((await readSettings({ ...environment, PATCHBAY_URL: '' })).url).toBe(DEFAULT_URL);
});

it('says which file is spoilt', async () => {
  const file = await storeSettings('http://a.test', 'pb_a', environment);
  await writeFile(file, '{"url":');
  await expect(readSettings(environment)).rejects.toThrow(`${file} is not what`);
});
