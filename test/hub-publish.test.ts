/** Hugging Face's clients, unmodified, publish: every commit is a version, checked as any other. */
import { execFile, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import {
  commit,
  createRepo,
  deleteFile,
  downloadFile,
  HubApiError,
  listCommits,
  uploadFiles,
} from '@huggingface/hub';
import fc from 'fast-check';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { sampleAdapter, sampleConfig } from '../adapter/sample-adapter.ts';
import { ApiError } from '../api/errors.ts';
import { readCommit } from '../api/hub/commit-payload.ts';
import { base, baseId, InProcess } from './in-process.ts';

const fixtures = fileURLToPath(new URL('./fixtures', import.meta.url));
const python = process.env['PATCHBAY_PYTHON'] ?? 'python3';
const has = (modules: string) => spawnSync(python, ['-c', `import ${modules}`]).status === 0;
/** It is installed beside its Python. */
const hf = dirname(python) === '.' ? 'hf' : join(dirname(python), 'hf');
const hasHf = spawnSync(hf, ['version']).status === 0;

const sha256 = (content: string | Uint8Array) => createHash('sha256').update(content).digest('hex');
const { weights } = sampleAdapter(base);
const config = JSON.stringify(sampleConfig({ base_model_name_or_path: baseId }));
/** Large enough to go by git-lfs, in two parts. */
const questions = (completion: string) =>
  `${JSON.stringify({ prompt: 'x'.repeat(100), completion })}\n`.repeat(75_000);
const evaluation = questions('y');

let api: InProcess;
let url: string;
let token: string;
let folder: string;

beforeAll(async () => {
  api = await InProcess.open();
  url = await api.listen();
  token = `hf_${await api.key('carol', ['read', 'publish'])}`;
  folder = await mkdtemp(join(tmpdir(), 'patchbay-push-'));
});

afterEach(() => {
  expect(api.unexpected).toEqual([]);
});

afterAll(async () => {
  await api.close();
  await rm(folder, { recursive: true });
});

const call = (path: string, body: unknown, bearer = token) =>
  fetch(`${url}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });

const line = (key: string, value: object) => JSON.stringify({ key, value });
const header = line('header', { summary: 'A commit' });
const base64 = (content: string | Uint8Array) => Buffer.from(content).toString('base64');
const file = (path: string, content: string | Uint8Array) =>
  line('file', { path, content: base64(content), encoding: 'base64' });
const whole = [header, file('adapter_config.json', config), file('adapter_model.safetensors', weights)];
const commitTo = (name: string, lines: readonly string[]) =>
  call(`/api/models/${name}/commit/main`, lines.join('\n'));
const reason = async (response: Response) => [
  response.status,
  ((await response.json()) as { error: string }).error,
];

it('@huggingface/hub creates, uploads, changes and deletes', async () => {
  const params = { repo: 'carol/from-js', hubUrl: url, accessToken: token };
  await createRepo(params);
  const files = [
    { path: 'adapter_config.json', content: new Blob([config]) },
    { path: 'adapter_model.safetensors', content: new Blob([weights]) },
    { path: 'eval.jsonl', content: new Blob([evaluation]) },
    { path: 'tokenizer.json', content: new Blob(['{}']) },
    { path: 'README.md', content: new Blob(['# One\n']) },
  ];
  const first = await uploadFiles({ ...params, files });
  await expect(createRepo(params)).rejects.toThrow(HubApiError);
  const operations = [
    { operation: 'addOrUpdate' as const, path: 'README.md', content: new Blob(['# Two\n']) },
    { operation: 'delete' as const, path: 'eval.jsonl' },
  ];
  const second = await commit({ ...params, title: 'Two', operations, parentCommit: first!.commit.oid });
  await expect(
    commit({ ...params, title: 'Late', operations, parentCommit: first!.commit.oid }),
  ).rejects.toThrow(/no longer at/);
  const third = await deleteFile({ ...params, path: 'README.md' });
  const made = await Array.fromAsync(listCommits(params));
  expect(made.map(({ oid }) => oid)).toEqual([third, second, first].map((one) => one!.commit.oid));
  const was = await downloadFile({ ...params, path: 'eval.jsonl', revision: 'v1' });
  expect(sha256(new Uint8Array(await was!.arrayBuffer()))).toBe(sha256(evaluation));
  expect(await downloadFile({ ...params, path: 'tokenizer.json' })).toBeNull();
});

// Importing PyTorch alone takes half a minute on a busy machine.
describe.skipIf(!has('huggingface_hub'))('huggingface_hub', { timeout: 240_000 }, () => {
  it.each([
    ['as it is', {}],
    ['without Xet', { HF_HUB_DISABLE_XET: '1' }],
  ])('%s publishes a folder, changes it, and is refused', async (how, environment) => {
    const repository = `carol/from-python-${Object.keys(environment).length}`;
    const from = join(folder, how);
    await mkdir(from);
    for (const [name, content] of Object.entries({
      'adapter_config.json': config,
      'adapter_model.safetensors': weights,
      'eval.jsonl': evaluation,
      'README.md': '# One\n',
      'tokenizer.json': '{}',
    }))
      await writeFile(join(from, name), content);
    const env = {
      ...process.env,
      HF_ENDPOINT: url,
      HF_TOKEN: token,
      HF_HOME: join(folder, 'home'),
      ...environment,
    };
    const args = ['hub_push.py', repository, from, '# Two\n'];
    const { stdout } = await promisify(execFile)(python, args, { cwd: fixtures, env });
    const did = JSON.parse(stdout) as Record<string, string[]>;
    expect(did).toMatchObject({
      created: [repository, repository],
      same: did['commits']![0],
      listed: did['commits']!.toReversed(),
      tree: ['adapter_config.json', 'adapter_model.safetensors', 'eval.jsonl'],
      stale: [409, expect.stringContaining('no longer at')],
      pickle: [422, expect.stringContaining('is a pickle')],
    });
  });

  it.skipIf(!hasHf)('the hf command publishes a folder, and downloads what is the same', async () => {
    const repository = 'carol/from-hf';
    const [from, to] = [join(folder, 'hf from'), join(folder, 'hf to')];
    await mkdir(from);
    const files = {
      'adapter_config.json': config,
      'adapter_model.safetensors': weights,
      'README.md': '# By hf\n',
    };
    for (const [name, content] of Object.entries(files)) await writeFile(join(from, name), content);
    const env = { ...process.env, HF_ENDPOINT: url, HF_TOKEN: token, HF_HOME: join(folder, 'home') };
    const run = async (...args: string[]) => (await promisify(execFile)(hf, args, { env })).stdout;
    expect(await run('auth', 'whoami')).toContain('carol');
    await run('upload', repository, from, '.');
    await run('download', repository, '--local-dir', to);
    for (const [name, content] of Object.entries(files))
      expect(sha256(await readFile(join(to, name)))).toBe(sha256(content));
    await expect(run('download', 'carol/nothing')).rejects.toThrow(/not found/i);
  });

  it.skipIf(!has('torch, transformers, peft'))('PEFT publishes what it then loads', async () => {
    const env = { ...process.env, HF_ENDPOINT: url, HF_TOKEN: token, HF_HOME: join(folder, 'peft') };
    const args = ['peft_push.py', baseId, 'carol/from-peft'];
    const { stdout } = await promisify(execFile)(python, args, { cwd: fixtures, env });
    expect(JSON.parse(stdout)).toBe(0);
  });
});

describe('git-lfs', () => {
  const repository = 'carol/large';
  const batch = async (oid: string, size: number) => {
    const response = await call(`/${repository}.git/info/lfs/objects/batch`, {
      operation: 'upload',
      transfers: ['basic', 'multipart'],
      hash_algo: 'sha_256',
      objects: [{ oid, size }],
    });
    expect(response.status).toBe(200);
    const { objects } = (await response.json()) as {
      objects: { actions?: { upload: { href: string; header?: Record<string, string> } } }[];
    };
    return objects[0]!;
  };
  const lfsFile = (content: string | Uint8Array) =>
    line('lfsFile', { path: 'eval.jsonl', algo: 'sha256', oid: sha256(content), size: content.length });

  it('goes on where an upload broke off, and asks for nothing twice', async () => {
    const content = questions('z');
    const [oid, size] = [sha256(content), content.length];
    const { upload } = (await batch(oid, size)).actions!;
    const { chunk_size: chunk, ...urls } = upload.header!;
    const put = (number: string) => {
      const body = content.slice((Number(number) - 1) * Number(chunk), Number(number) * Number(chunk));
      return fetch(urls[number]!, { method: 'PUT', body });
    };
    await put('1');
    expect(await reason(await commitTo(repository, [...whole, lfsFile(content)]))).toEqual([
      409,
      expect.stringContaining('1 of its parts have not arrived'),
    ]);
    expect((await batch(oid, size)).actions!.upload.header!['1']).toBeDefined();
    await put('2');
    expect((await batch(oid, size)).actions).toBeUndefined();
    expect((await fetch(upload.href, { method: 'POST', body: '{}' })).status).toBe(200);
    expect((await commitTo(repository, [...whole, lfsFile(content)])).status).toBe(200);
    expect((await batch(oid, size)).actions).toBeUndefined();
  });

  it('asks again for what arrived spoilt', async () => {
    const content = 'x'.repeat(100);
    const { upload } = (await batch(sha256(content), 100)).actions!;
    await fetch(upload.href, { method: 'PUT', body: 'y'.repeat(100) });
    expect(await reason(await commitTo(repository, [header, lfsFile(content)]))).toEqual([
      422,
      expect.stringContaining('has the sha256'),
    ]);
    expect((await batch(sha256(content), 100)).actions).toBeDefined();
  });

  it('does not take what was not uploaded', async () => {
    expect(await reason(await commitTo(repository, [header, lfsFile('elsewhere')]))).toEqual([
      422,
      expect.stringContaining('was not uploaded'),
    ]);
  });
});

describe('a commit is refused', () => {
  it.each<[string, string[], number, RegExp]>([
    ['without weights', whole.slice(0, 2), 400, /adapter_model.safetensors is missing/],
    ['without a header', whole.slice(1), 400, /line 1 .*header is missing/],
    ['with two headers', [header, ...whole], 400, /line 2 .*header/],
    ['that is no JSON', [header, '{'], 400, /line 2 .*not JSON/],
    ['of an unknown kind', [header, line('move', {})], 400, /line 2/],
    [
      'with broken base64',
      [header, line('file', { path: 'README.md', content: '!', encoding: 'base64' })],
      400,
      /base64/,
    ],
    ['that deletes a folder', [header, line('deletedFolder', { path: 'x/' })], 400, /no folders/],
    [
      'that deletes what is not there',
      [header, line('deletedFile', { path: 'README.md' })],
      422,
      /not there/,
    ],
    ['with a pickle', [...whole, file('adapter_model.bin', 'PK\x03\x04')], 422, /is a pickle/],
    ['with a path outside', [...whole, file('../README.md', 'x')], 422, /does not belong/],
    [
      'with a bad card',
      [...whole, file('README.md', '---\nlicense: [\n---\n')],
      422,
      /README.md|front matter/i,
    ],
    [
      'for another parent',
      [line('header', { summary: 's', parentCommit: '0'.repeat(40) }), ...whole.slice(1)],
      409,
      /no longer at/,
    ],
    [
      'for an unknown base',
      [
        ...whole,
        file('adapter_config.json', JSON.stringify(sampleConfig({ base_model_name_or_path: '/tmp/x' }))),
      ],
      422,
      /base_model_name_or_path, which is not here/,
    ],
  ])('%s', async (_, lines, status, why) => {
    expect(await reason(await commitTo('carol/refused', lines))).toEqual([
      status,
      expect.stringMatching(why),
    ]);
    expect((await fetch(`${url}/api/models/carol/refused`)).status).toBe(404);
  });

  it('elsewhere, or by whom it is not for', async () => {
    const text = whole.join('\n');
    expect((await call('/api/models/carol/refused/commit/dev', text)).status).toBe(404);
    expect((await call('/api/models/carol/refused/commit/main?create_pr=1', text)).status).toBe(400);
    expect((await call('/api/models/dave/refused/commit/main', text)).status).toBe(403);
    expect((await call('/api/models/carol/Refused/commit/main', text)).status).toBe(400);
    expect((await call(`/api/models/${baseId}/commit/main`, text, api.admin)).status).toBe(409);
    const reader = await api.key('carol', ['read']);
    expect((await call('/api/models/carol/refused/commit/main', text, reader)).status).toBe(403);
    expect((await call('/api/repos/create', { name: 'secret', visibility: 'protected' })).status).toBe(400);
  });

  it('but not for being private', async () => {
    expect((await call('/api/repos/create', { name: 'secret', private: true })).status).toBe(200);
    expect((await commitTo('carol/secret', whole)).status).toBe(200);
    expect((await fetch(`${url}/api/models/carol/secret`)).status).toBe(404);
  });

  it('where another came first: of ten at once, each takes effect or is told so', async () => {
    expect((await commitTo('carol/busy', whole)).status).toBe(200);
    const cards = Array.from({ length: 10 }, (_, i) =>
      commitTo('carol/busy', [header, file('README.md', `# ${i}`)]),
    );
    const statuses = (await Promise.all(cards)).map(({ status }) => status);
    expect(new Set(statuses).difference(new Set([200, 409])).size).toBe(0);
    const commits = (await (await fetch(`${url}/api/models/carol/busy/commits/main`)).json()) as unknown[];
    expect(commits).toHaveLength(1 + statuses.filter((status) => status === 200).length);
  });
});

it('a repository is hidden, gated and deleted', async () => {
  expect((await commitTo('carol/settled', whole)).status).toBe(200);
  const keeper = await api.key('carol', ['manage', 'publish']);
  const ask = (method: string, path: string, body: object, bearer = keeper) =>
    fetch(`${url}${path}`, {
      method,
      headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  const seen = async () => (await fetch(`${url}/api/models/carol/settled`)).status;
  const settings = '/api/models/carol/settled/settings';
  const bob = await api.key('bob', ['manage', 'publish']);
  for (const other of [bob, token])
    expect((await ask('PUT', settings, { private: true }, other)).status).toBe(403);
  expect(await (await ask('PUT', settings, { private: true })).json()).toEqual({
    private: true,
    gated: false,
  });
  expect(await seen()).toBe(404);
  expect(await (await ask('PUT', settings, { visibility: 'public', gated: 'auto' })).json()).toEqual({
    private: false,
    gated: 'auto',
  });
  expect(await seen()).toBe(200);
  expect(
    (await ask('POST', '/api/repos/move', { fromRepo: 'carol/settled', toRepo: 'carol/other' })).status,
  ).toBe(400);
  const named = { name: 'settled', organization: 'carol' };
  for (const other of [bob, token])
    expect((await ask('DELETE', '/api/repos/delete', named, other)).status).toBe(403);
  expect((await ask('DELETE', '/api/repos/delete', named)).status).toBe(200);
  expect(await seen()).toBe(404);
  expect((await ask('DELETE', '/api/repos/delete', named)).status).toBe(404);
});

it('a card is checked before it is sent', async () => {
  const check = (content: string) => call('/api/validate-yaml', { content, repoType: 'model' });
  expect(await (await check('---\nlicense: mit\n---\n')).json()).toEqual({ errors: [], warnings: [] });
  const refused = await check('---\nlicense: [\n---\n');
  expect(refused.status).toBe(400);
});

it('whatever is sent as a commit, it is read or refused', async () => {
  const lines = fc.array(
    fc.oneof(
      fc.string(),
      fc.json(),
      fc.constantFrom(...whole, header.slice(0, -3)),
      fc
        .record({
          key: fc.constantFrom('header', 'file', 'lfsFile', 'deletedFile'),
          value: fc.dictionary(fc.string(), fc.string()),
        })
        .map((one) => JSON.stringify(one)),
    ),
  );
  await fc.assert(
    fc.asyncProperty(lines, fc.nat(30), async (texts, size) => {
      const bytes = new TextEncoder().encode(texts.join('\n'));
      let at = 0;
      const body = new ReadableStream<Uint8Array>({
        pull(controller) {
          if (at >= bytes.length) return controller.close();
          controller.enqueue(bytes.subarray(at, at + size + 1));
          at += size + 1;
        },
      });
      const read = readCommit(body).catch((error: unknown) => {
        expect(error).toBeInstanceOf(ApiError);
      });
      await read;
    }),
  );
});
