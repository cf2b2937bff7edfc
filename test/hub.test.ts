/** Hugging Face's clients, unmodified, against the server: what they find, fetch and miss. */
import { execFile, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import {
  downloadFile,
  fileDownloadInfo,
  fileExists,
  listFiles,
  listModels,
  modelInfo,
  snapshotDownload,
  whoAmI,
} from '@huggingface/hub';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { sampleAdapter } from '../adapter/sample-adapter.ts';
import { parseRange } from '../api/hub/serve-file.ts';
import { settle } from '../db/people.ts';
import { user } from '../db/schema.ts';
import { base, baseId, type Files, InProcess } from './in-process.ts';

const fixtures = fileURLToPath(new URL('./fixtures', import.meta.url));
const python = process.env['PATCHBAY_PYTHON'] ?? 'python3';
const has = (modules: string) => spawnSync(python, ['-c', `import ${modules}`]).status === 0;

/** Importing PyTorch alone takes half a minute on a busy machine. */
const PATIENT = { timeout: 240_000 };

const repository = 'alice/hub-sample';
const gated = 'kept/gated';
const hidden = 'kept/hidden';
const disabled = 'kept/disabled';
const good = sampleAdapter(base);
const first: Files = {
  'adapter_config.json': good.config,
  'adapter_model.safetensors': good.weights,
  'README.md': '---\nlicense: mit\nlanguage: [en, de]\ntags: [tables]\n---\n# For the hub\n\nOne.\n',
};
const second: Files = { ...first, 'README.md': '# For the hub\n\nTwo.\n' };
const names = Object.keys(first).sort();
const sha256 = (content: string | Uint8Array) => createHash('sha256').update(content).digest('hex');
const digests = (files: Files) =>
  Object.fromEntries(Object.entries(files).map(([name, content]) => [name, sha256(content)]));

let api: InProcess;
/** The object store has the host name 127.0.0.1: under the other name it is elsewhere, and clients are sent there. */
let hubs: Record<'same host' | 'other host', string>;
let commits: string[];
let stranger: string;
let folder: string;

beforeAll(async () => {
  api = await InProcess.open();
  for (const files of [first, second])
    expect((await api.publish(`/api/adapters/${repository}/versions`, files)).status).toBe(200);
  stranger = await api.key('stranger', ['read']);
  for (const [id, settings] of [
    [gated, { gate: 'manual' }],
    [hidden, { visibility: 'private' }],
    [disabled, {}],
  ] as const) {
    const files = { ...first, 'README.md': '# Kept back\n' };
    expect((await api.publish(`/api/adapters/${id}/versions`, files)).status).toBe(200);
    expect((await api.call('PATCH', `/api/adapters/${id}`, settings)).status).toBe(200);
  }
  const off = await api.call('POST', `/api/adapters/${disabled}/versions/1/quarantine`);
  expect(off.status).toBe(200);
  const url = await api.listen();
  hubs = { 'same host': url, 'other host': url.replace('127.0.0.1', 'localhost') };
  const { versions } = (await (await api.call('GET', `/api/adapters/${repository}`)).json()) as {
    versions: { digest: string }[];
  };
  commits = versions.map(({ digest }) => digest.slice(0, 40));
  folder = await mkdtemp(join(tmpdir(), 'patchbay-hub-'));
});

afterEach(() => {
  expect(api.unexpected).toEqual([]);
});

afterAll(async () => {
  await api.close();
  await rm(folder, { recursive: true });
});

describe.each(['same host', 'other host'] as const)('with the object store on the %s', (where) => {
  const params = () => ({ repo: repository, hubUrl: hubs[where] });

  it('@huggingface/hub finds and fetches', async () => {
    const info = await modelInfo({
      name: repository,
      hubUrl: hubs[where],
      additionalFields: ['sha', 'tags'],
    });
    expect(info).toMatchObject({ name: repository, private: false, gated: false, sha: commits[0] });
    expect(info.tags).toContain(`base_model:adapter:${baseId}`);
    const listed = await Array.fromAsync(listFiles(params()));
    expect(listed.map(({ path }) => path).sort()).toEqual(names);
    for (const [path, content] of Object.entries(second)) {
      const blob = await downloadFile({ ...params(), path });
      expect(sha256(new Uint8Array(await blob!.arrayBuffer()))).toBe(sha256(content));
    }
    const old = await downloadFile({ ...params(), path: 'README.md', revision: 'v1' });
    expect(await old!.text()).toBe(first['README.md']);
    expect(await fileDownloadInfo({ ...params(), path: 'adapter_model.safetensors' })).toMatchObject({
      size: good.weights.length,
    });
    expect(await fileExists({ ...params(), path: 'adapter_model.safetensors' })).toBe(true);
    expect(await fileExists({ ...params(), path: 'adapter_model.bin' })).toBe(false);
    expect(await downloadFile({ ...params(), path: 'none.txt' })).toBeNull();
    const cacheDir = join(folder, `js ${where}`);
    expect(await snapshotDownload({ ...params(), cacheDir })).toContain(commits[0]);
  });

  it.skipIf(!has('huggingface_hub'))('huggingface_hub finds, fetches and misses', PATIENT, async () => {
    const { stdout } = await promisify(execFile)(
      python,
      ['hub_client.py', repository, join(folder, `py ${where}`), gated, disabled, hidden, stranger],
      {
        cwd: fixtures,
        env: { ...process.env, HF_ENDPOINT: hubs[where], HF_TOKEN: api.admin, HF_HOME: join(folder, 'home') },
      },
    );
    expect(JSON.parse(stdout)).toMatchObject({
      sha: commits[0],
      library: 'peft',
      base: baseId,
      siblings: {
        'adapter_model.safetensors': [good.weights.length, sha256(good.weights)],
        'README.md': [second['README.md']!.length, null],
      },
      tree: names,
      paths: ['README.md'],
      tags: ['v2', 'v1'],
      commits,
      listed: [repository],
      exists: [true, false],
      snapshot: digests(second),
      first: digests(first)['README.md'],
      refused: ['RemoteEntryNotFoundError', 'RepositoryNotFoundError', 'RevisionNotFoundError'],
      whoami: 'admin',
      gated: [Array(3).fill('GatedRepoError'), Array(3).fill('GatedRepoError'), [null, null, null]],
      gatedMessage: expect.stringContaining(`Its page: ${hubs[where]}/adapters/${gated}`),
      disabled: Array(3).fill('DisabledRepoError'),
      hidden: Array(2).fill(Array(3).fill('RepositoryNotFoundError')),
      missing: Array(2).fill(Array(3).fill('RepositoryNotFoundError')),
      mayWrite: [null, true],
      family: [{ relation: 'adapter', models: [{ id: baseId }] }, 2],
    });
  });

  it.skipIf(!has('torch, transformers, peft'))('PEFT loads base and adapter by name', PATIENT, async () => {
    const environment = { ...process.env, HF_ENDPOINT: hubs[where], HF_HOME: join(folder, `peft ${where}`) };
    const logits = async (model: string, adapter: string) => {
      const args = ['peft_logits.py', model, adapter, '7,52,110,33,9'];
      const { stdout } = await promisify(execFile)(python, args, { cwd: fixtures, env: environment });
      return JSON.parse(stdout) as number[];
    };
    const local = join(folder, `local ${where}`);
    await mkdir(local);
    for (const [name, content] of Object.entries(second)) await writeFile(join(local, name), content);
    const named = await logits(baseId, repository);
    expect(named).toHaveLength(base.vocabSize);
    expect(named).toEqual(await logits(join(fixtures, 'parity/smollm2'), local));
  });
});

describe('the routes', () => {
  const get = (path: string, init: RequestInit = {}) =>
    fetch(`${hubs['same host']}${path}`, { redirect: 'manual', ...init });
  const weights = `/${repository}/resolve/main/adapter_model.safetensors`;

  it('answer HEAD with the true size, uncompressed, and the commit', async () => {
    const response = await get(weights, { method: 'HEAD', headers: { 'accept-encoding': 'identity' } });
    expect(Object.fromEntries(response.headers)).toMatchObject({
      'content-length': String(good.weights.length),
      'x-repo-commit': commits[0],
      etag: `"${sha256(good.weights)}"`,
      'accept-ranges': 'bytes',
    });
  });

  it('send part of a file, and what has not changed not again', async () => {
    const part = await get(weights, { headers: { range: 'bytes=8-15' } });
    expect([part.status, part.headers.get('content-range')]).toEqual([
      206,
      `bytes 8-15/${good.weights.length}`,
    ]);
    expect(await part.bytes()).toEqual(good.weights.slice(8, 16));
    expect((await get(weights, { headers: { range: `bytes=${2 ** 40}-` } })).status).toBe(416);
    const etag = part.headers.get('etag')!;
    expect((await get(weights, { headers: { 'if-none-match': etag } })).status).toBe(304);
  });

  it('let a commit be kept for an hour without asking, and a branch not', async () => {
    const control = async (revision: string) =>
      (await get(`/${repository}/resolve/${revision}/README.md`)).headers.get('cache-control');
    expect(await control(commits[1]!)).toContain('immutable');
    expect(await control('main')).toBeNull();
  });

  it('see at once what this process changes, and a second later what another does', async () => {
    const id = 'alice/hub-believed';
    expect((await api.publish(`/api/adapters/${id}/versions`, first)).status).toBe(200);
    const status = async (revision = 'main') => (await get(`/${id}/resolve/${revision}/README.md`)).status;
    const settings = `/api/models/${id}/settings`;
    expect(await status()).toBe(200);
    expect((await api.call('PUT', settings, { private: true })).status).toBe(200);
    expect(await status()).toBe(404);
    expect((await api.call('PUT', settings, { private: false })).status).toBe(200);
    expect(await status('v1')).toBe(200);
    expect(await status('v2')).toBe(404);
    expect((await api.publish(`/api/adapters/${id}/versions`, second)).status).toBe(200);
    expect(await status('v2')).toBe(200);
    const [person] = await api.deps.db.select({ id: user.id }).from(user).limit(1);
    await settle(api.deps.db, id, { visibility: 'private' }, person!.id); // as another process does
    await vi.waitFor(async () => expect(await status()).toBe(404), { timeout: 10_000, interval: 100 });
  });

  it('say what is not there so that clients know it', async () => {
    const missing = async (path: string) => {
      const { status, headers } = await get(path);
      return [status, headers.get('x-error-code'), headers.get('x-repo-commit')];
    };
    expect(await missing(`/${repository}/resolve/main/none`)).toEqual([404, 'EntryNotFound', commits[0]]);
    expect(await missing(`/${repository}/resolve/v99/README.md`)).toEqual([404, 'RevisionNotFound', null]);
    expect(await missing('/No/body/resolve/main/README.md')).toEqual([404, 'RepoNotFound', null]);
    expect(await missing('/api/models/nobody/nothing')).toEqual([404, 'RepoNotFound', null]);
  });

  it('say what is gated, and where to ask; and what was taken off the list, whole or one version', async () => {
    const refusal = async (path: string, key?: string) => {
      const { status, headers } = await get(path, key ? { headers: { authorization: `Bearer ${key}` } } : {});
      return [status, headers.get('x-error-code'), headers.get('x-error-message')];
    };
    const page = expect.stringContaining(`/adapters/${gated}`);
    for (const path of [`/${gated}/resolve/main/README.md`, `/api/models/${gated}/auth-check`]) {
      expect(await refusal(path)).toEqual([401, 'GatedRepo', page]);
      expect(await refusal(path, stranger)).toEqual([403, 'GatedRepo', page]);
    }
    const off = [403, null, 'Access to this resource is disabled.'];
    for (const path of [`/api/models/${disabled}`, `/${disabled}/resolve/v1/README.md`])
      expect(await refusal(path)).toEqual(off);

    const id = 'kept/partly';
    for (const files of [first, second])
      expect((await api.publish(`/api/adapters/${id}/versions`, files)).status).toBe(200);
    const { sha } = (await (await get(`/api/models/${id}`)).json()) as { sha: string };
    await api.call('POST', `/api/adapters/${id}/versions/2/quarantine`);
    expect((await get(`/${id}/resolve/main/README.md`)).status).toBe(200);
    for (const revision of ['v2', sha])
      expect(await refusal(`/${id}/resolve/${revision}/README.md`)).toEqual(off);
    await api.call('PATCH', `/api/adapters/${id}`, { visibility: 'private' });
    expect(await refusal(`/${id}/resolve/v2/README.md`)).toEqual([
      404,
      'RepoNotFound',
      expect.stringContaining(`Repository not found: ${id}.`),
    ]);
  });

  it('give the pointer in place of weights, and text as it is', async () => {
    const pointer = await (await get(`/${repository}/raw/main/adapter_model.safetensors`)).text();
    expect(pointer).toContain(`oid sha256:${sha256(good.weights)}\nsize ${good.weights.length}\n`);
    expect(await (await get(`/${repository}/raw/main/README.md`)).text()).toBe(second['README.md']);
  });

  it('list page by page, by the link that names the next', async () => {
    for (const name of ['a', 'b', 'c']) {
      const files = { ...first, 'README.md': `# ${name}\n` };
      expect((await api.publish(`/api/adapters/paged/${name}/versions`, files)).status).toBe(200);
    }
    const models = listModels({ search: { owner: 'paged' }, limit: 3, hubUrl: hubs['same host'] });
    expect((await Array.fromAsync(models)).map(({ name }) => name).sort()).toEqual([
      'paged/a',
      'paged/b',
      'paged/c',
    ]);
    const page = await get('/api/models?author=paged&limit=2');
    const [, next] = /^<([^>]+)>; rel="next"$/.exec(page.headers.get('link')!)!;
    const ids = [
      ...((await page.json()) as { id: string }[]),
      ...((await (await fetch(next!)).json()) as []),
    ];
    expect(ids.map(({ id }) => id).sort()).toEqual(['paged/a', 'paged/b', 'paged/c']);
    // As `list_models(limit=5000)` asks.
    expect(await (await get('/api/models?author=paged&limit=5000')).json()).toHaveLength(3);
  });

  it.each([
    [`base_model:adapter:${baseId},tables`, [repository]],
    ['de', []],
    ['base_model:nobody/nothing', []],
  ])('filter by %s', async (filter, expected) => {
    // The second version's card says nothing of languages or tags.
    const found = (await (await get(`/api/models?author=alice&filter=${filter}`)).json()) as { id: string }[];
    expect(found.map(({ id }) => id)).toEqual(filter.includes('tables') ? [] : expected);
  });

  it.each(['/api/models?limit=0', '/api/models?sort=colour', '/api/models?cursor=x'])(
    'refuse %s with a reason',
    async (path) => {
      const response = await get(path);
      expect(response.status).toBe(400);
      expect(((await response.json()) as { error: string }).error).toMatch(/^(limit|sort|cursor): /);
    },
  );

  it('know whose key it is, and refuse none', async () => {
    const key = await api.key('bob', ['read']);
    const me = await whoAmI({ accessToken: `hf_${key}`, hubUrl: hubs['same host'] });
    expect(me).toMatchObject({ type: 'user', name: 'bob', auth: { accessToken: { role: 'read' } } });
    expect((await get('/api/whoami-v2')).status).toBe(401);
  });
});

it('a range lies within the file, whatever was asked', () => {
  const header = fc.oneof(
    fc.string(),
    fc.tuple(fc.option(fc.nat()), fc.option(fc.nat())).map(([a, b]) => `bytes=${a ?? ''}-${b ?? ''}`),
  );
  fc.assert(
    fc.property(header, fc.nat(), (asked, size) => {
      const range = parseRange(asked, size);
      if (range === undefined || range === 'unsatisfiable') return;
      expect(range.length).toBeGreaterThan(0);
      expect(range.offset + range.length).toBeLessThanOrEqual(size);
    }),
  );
});
