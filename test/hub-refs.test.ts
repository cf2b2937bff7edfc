/** Branches and tags: what Hugging Face's clients make of them, and what becomes of the catalog meanwhile. */
import { execFile, spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createBranch, deleteBranch, downloadFile, uploadFile } from '@huggingface/hub';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { sampleAdapter, sampleConfig } from '../adapter/sample-adapter.ts';
import { base, baseId, type Files, InProcess } from './in-process.ts';

const fixtures = fileURLToPath(new URL('./fixtures', import.meta.url));
const python = process.env['PATCHBAY_PYTHON'] ?? 'python3';
const hasHub = spawnSync(python, ['-c', 'import huggingface_hub']).status === 0;

const files: Files = {
  'adapter_config.json': JSON.stringify(sampleConfig({ base_model_name_or_path: baseId })),
  'adapter_model.safetensors': sampleAdapter(base).weights,
  'README.md': '# First\n',
};

let api: InProcess;
let url: string;
let token: string;

beforeAll(async () => {
  api = await InProcess.open();
  url = await api.listen();
  token = `hf_${await api.key('carol', ['read', 'publish'])}`;
});

afterEach(() => {
  expect(api.unexpected).toEqual([]);
});

afterAll(() => api.close());

const publish = async (id: string) =>
  expect((await api.publish(`/api/adapters/${id}/versions`, files, token.slice(3))).status).toBe(200);
const ask = async (method: string, path: string, body?: object, bearer = token.slice(3)) => {
  const response = await api.call(method, `/api/models/${path}`, body, bearer);
  return { status: response.status, error: ((await response.json()) as { error?: string }).error ?? '' };
};
const push = async (id: string, text: string, revision: string) => {
  const lines = [
    { key: 'header', value: { summary: text } },
    { key: 'file', value: { path: 'README.md', content: text } },
  ];
  const body = lines.map((line) => JSON.stringify(line)).join('\n');
  return api.call('POST', `/api/models/${id}/commit/${encodeURIComponent(revision)}`, body, token.slice(3));
};
const cardAt = async (id: string, revision: string) => {
  const response = await fetch(`${url}/${id}/resolve/${encodeURIComponent(revision)}/README.md`);
  return response.ok ? response.text() : response.headers.get('x-error-code');
};
const refsOf = async (id: string) => {
  type Named = { name: string; targetCommit: string }[];
  const body = (await (await api.call('GET', `/api/models/${id}/refs`)).json()) as Record<string, Named>;
  const names = (list: Named) => list.map(({ name }) => name);
  return { branches: names(body['branches']!), tags: names(body['tags']!) };
};
const latestOf = async (id: string) =>
  ((await (await api.call('GET', `/api/adapters/${id}`)).json()) as { latest: number }).latest;

describe.skipIf(!hasHub)('huggingface_hub', () => {
  it('makes, commits to, lists, moves and deletes them', { timeout: 240_000 }, async () => {
    await publish('carol/python');
    const home = await mkdtemp(join(tmpdir(), 'patchbay-refs-'));
    const env = {
      ...process.env,
      HF_ENDPOINT: url,
      HF_TOKEN: token,
      HF_HOME: home,
      HF_HUB_DISABLE_PROGRESS_BARS: '1',
    };
    const args = ['hub_refs.py', 'carol/python', join(home, 'cache')];
    const { stdout } = await promisify(execFile)(python, args, { cwd: fixtures, env });
    await rm(home, { recursive: true });
    const did = JSON.parse(stdout) as { commits: [string, string, string, string] };
    const [main, tried, more, released] = did.commits;
    expect(did).toEqual({
      again: [409, 409],
      commits: did.commits,
      branches: { main: released, 'dev/one': more },
      tags: { v1: main, v2: tried, v3: more, v4: released, stable: main },
      history: [
        [released, main],
        [more, tried, main],
      ],
      cards: {
        main: '# Released\n',
        'dev/one': '# Tried more\n',
        stable: '# First\n',
        [more]: '# Tried more\n',
        v2: '# Tried\n',
      },
      snapshot: ['README.md', 'adapter_config.json', 'adapter_model.safetensors'],
      moved: [null, null, '# Tried more\n'],
      deleted: [null, 404, 404, '# Tried more\n'],
      reserved: [400, 400, 400],
    });
  });
});

it('@huggingface/hub makes a branch, commits to it, and deletes it', async () => {
  await publish('carol/script');
  const at = { repo: 'carol/script', hubUrl: url, accessToken: token };
  await createBranch({ ...at, branch: 'dev' });
  await uploadFile({ ...at, branch: 'dev', file: { path: 'README.md', content: new Blob(['# Dev\n']) } });
  const dev = await downloadFile({ ...at, path: 'README.md', revision: 'dev' });
  expect(await dev!.text()).toBe('# Dev\n');
  expect(await cardAt('carol/script', 'main')).toBe('# First\n');
  await deleteBranch({ ...at, branch: 'dev' });
  expect(await cardAt('carol/script', 'dev')).toBe('RevisionNotFound');
  expect(await cardAt('carol/script', 'v2')).toBe('# Dev\n');
});

it('a version on a branch is there for who asks for it, and the catalog stays with main', async () => {
  const id = 'carol/aside';
  await publish(id);
  expect((await ask('POST', `${id}/branch/dev`, {})).status).toBe(200);
  expect((await push(id, '# Aside\n', 'dev')).status).toBe(200);
  expect(await latestOf(id)).toBe(1);
  expect((await api.call('GET', `/api/adapters/${id}/versions/2`)).status).toBe(200);
  // What was tried on the branch comes to main by publishing the same.
  expect((await push(id, '# Aside\n', 'main')).status).toBe(200);
  expect(await latestOf(id)).toBe(2);
  expect(await cardAt(id, 'main')).toBe('# Aside\n');
  expect(await cardAt(id, 'dev')).toBe('# Aside\n');
});

it('a branch moves once what was committed to it has passed, and back when that is withdrawn', async () => {
  const id = 'carol/gated-branch';
  await publish(id);
  await ask('POST', `${id}/branch/dev`, {});
  const passing = api.verdict!;
  api.verdict = () => ({
    ...passing({} as never),
    problems: [{ code: 'no_change', detail: 'It says what the base says.' }],
  });
  await push(id, '# Refused\n', 'dev');
  expect(await cardAt(id, 'dev')).toBe('# First\n');
  api.verdict = passing;
  expect((await push(id, '# Passed\n', 'dev')).status).toBe(200);
  expect(await cardAt(id, 'dev')).toBe('# Passed\n');
  const keeper = await api.key('carol', ['manage']);
  const withdrawn = await api.call('DELETE', `/api/adapters/${id}/versions/3`, undefined, keeper);
  expect(withdrawn.ok).toBe(true);
  expect(await cardAt(id, 'dev')).toBe('# First\n');
});

it('of commits to a branch at once, each takes effect or is told so', async () => {
  const id = 'carol/race';
  await publish(id);
  await ask('POST', `${id}/branch/dev`, {});
  const pushed = await Promise.all(Array.from({ length: 6 }, (_, i) => push(id, `# ${i}\n`, 'dev')));
  const statuses = pushed.map(({ status }) => status);
  expect(new Set(statuses).difference(new Set([200, 409])).size).toBe(0);
  const history = await api.call('GET', `/api/models/${id}/commits/dev`);
  expect((await history.json()) as unknown[]).toHaveLength(1 + statuses.filter((one) => one === 200).length);
});

describe('a name is refused', () => {
  beforeAll(() => publish('carol/names'));

  it.each([
    ['that begins with a dot', 'branch/.x', {}, 400, /branch.*must begin/],
    ['with two dots', 'branch/a..b', {}, 400, /branch/],
    ['that ends as a lock', 'branch/a.lock', {}, 400, /branch/],
    ['with a space', 'tag/main', { tag: 'a b' }, 400, /tag/],
    ['that looks like a commit', 'tag/main', { tag: 'a'.repeat(40) }, 400, /tag.*commit/],
    ['that is too long', 'tag/main', { tag: 'a'.repeat(101) }, 400, /tag/],
    ["of a version's own", 'tag/main', { tag: 'v7' }, 400, /follows from the versions/],
    ['that is not there', 'tag/main', {}, 400, /tag/],
    ['of the latest version', 'branch/main', {}, 409, /already/],
    ['for what is not there', 'branch/x', { startingPoint: 'nowhere' }, 404, /nowhere/],
  ])('%s', async (_, path, body, status, why) => {
    const answer = await ask('POST', `carol/names/${path}`, body);
    expect(answer).toEqual({ status, error: expect.stringMatching(why) });
    expect(await refsOf('carol/names')).toEqual({ branches: ['main'], tags: ['v1'] });
  });

  it('by whom it is not for', async () => {
    const bob = await api.key('bob', ['read', 'publish']);
    const reader = await api.key('carol', ['read']);
    for (const [bearer, status] of [
      [bob, 403],
      [reader, 403],
      ['', 401],
    ] as const) {
      expect((await ask('POST', 'carol/names/branch/x', {}, bearer)).status).toBe(status);
      expect((await ask('POST', 'carol/names/tag/main', { tag: 'x' }, bearer)).status).toBe(status);
      expect((await ask('DELETE', 'carol/names/branch/x', undefined, bearer)).status).toBe(status);
    }
    expect((await ask('POST', 'carol/nothing/branch/x', {})).status).toBe(404);
  });
});

it('a name without its kind is a tag before it is a branch, and with it that alone', async () => {
  const id = 'carol/both';
  await publish(id);
  await push(id, '# Second\n', 'main');
  await ask('POST', `${id}/branch/x`, { startingPoint: 'v1' });
  await ask('POST', `${id}/tag/main`, { tag: 'x' });
  expect(await cardAt(id, 'x')).toBe('# Second\n');
  expect(await cardAt(id, 'refs/heads/x')).toBe('# First\n');
  expect(await cardAt(id, 'refs/tags/x')).toBe('# Second\n');
  expect((await ask('POST', `${id}/branch/x`, { startingPoint: 'main', overwrite: true })).status).toBe(200);
  expect(await cardAt(id, 'refs/heads/x')).toBe('# Second\n');
});
