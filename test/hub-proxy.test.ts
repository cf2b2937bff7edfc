/** Bases of another hub, read through: another server of ours is that hub. */
import { createHash } from 'node:crypto';
import { listFiles } from '@huggingface/hub';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { baseFiles, InProcess } from './in-process.ts';

let there: InProcess;
let here: InProcess;
let url: string;
let key: string;
/** What the other hub was asked with. */
const asked: Headers[] = [];

beforeAll(async () => {
  there = await InProcess.open();
  for (const id of ['far/away', 'far/unlisted'])
    expect((await there.publish(`/api/bases/${id}`, await baseFiles())).status).toBe(200);
  there.intercept = (request, next) => {
    asked.push(request.headers);
    return next();
  };
  const upstream = {
    url: (await there.listen()).replace('127.0.0.1', 'localhost'),
    bases: ['far/away', 'far/gone'],
  };
  here = await InProcess.open({ memory: true }, { upstream });
  url = await here.listen();
  key = await here.key('alice', ['read', 'publish']);
});
afterAll(async () => {
  expect([...here.unexpected, ...there.unexpected]).toEqual([]);
  await here.close();
  await there.close();
});

const get = (path: string, init: RequestInit = {}) =>
  fetch(`${url}${path}`, { ...init, headers: { authorization: `Bearer ${key}`, ...init.headers } });

it('a listed base is found and fetched, and the key stays here', async () => {
  const paths = await Array.fromAsync(listFiles({ repo: 'far/away', hubUrl: url, accessToken: `hf_${key}` }));
  expect(paths.map(({ path }) => path)).toContain('config.json');
  const config = await get('/far/away/resolve/main/config.json');
  expect(config.headers.get('x-repo-commit')).toMatch(/^[0-9a-f]{40}$/);
  const files = await baseFiles();
  const sha256 = (bytes: ArrayBuffer | Uint8Array) =>
    createHash('sha256').update(new Uint8Array(bytes)).digest('hex');
  for (const name of ['config.json', 'model.safetensors'])
    expect(sha256(await (await get(`/far/away/resolve/main/${name}`)).arrayBuffer())).toBe(
      sha256(files[name] as Uint8Array),
    );
  const head = await get('/far/away/resolve/main/config.json', { method: 'HEAD' });
  expect(head.headers.get('content-length')).toBe(String((files['config.json'] as Uint8Array).length));
  const info = await get('/api/models/far/away/paths-info/main', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ paths: ['config.json'] }),
  });
  expect(await info.json()).toMatchObject([{ path: 'config.json' }]);
  expect(asked.length).toBeGreaterThan(4);
  for (const headers of asked) expect([...headers.keys()]).not.toContain('authorization');
});

it('what is missing there is missing here, with the code that clients know it by', async () => {
  const gone = await get('/far/away/resolve/main/nothing.txt');
  expect([gone.status, gone.headers.get('x-error-code')]).toEqual([404, 'EntryNotFound']);
  expect((await get('/far/gone/resolve/main/config.json')).status).toBe(404);
});

it('nothing else is asked of the other hub', async () => {
  const before = asked.length;
  const unlisted = await get('/far/unlisted/resolve/main/config.json');
  expect([unlisted.status, unlisted.headers.get('x-error-code')]).toEqual([404, 'RepoNotFound']);
  expect(unlisted.headers.get('x-error-message')).toBe(
    'Repository not found: far/unlisted. A base of another hub is read through where the operator names it in PATCHBAY_UPSTREAM_BASES.',
  );
  expect((await get('/api/models/parity/smollm2')).status).toBe(200);
  expect((await get('/api/models/far/away/commit/main', { method: 'POST', body: '' })).status).not.toBe(200);
  const many = JSON.stringify({ paths: Array(200_000).fill('x'.repeat(50)) });
  const paths = await get('/api/models/far/away/paths-info/main', { method: 'POST', body: many });
  expect(paths.status).toBe(413);
  expect(asked.length).toBe(before);
});
