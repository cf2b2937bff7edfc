/** PATCHBAY_STORAGE_QUOTA: all that is stored under a name counts, once, and only while it is wanted. */
import { createHash } from 'node:crypto';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { sampleAdapter, sampleConfig } from '../adapter/sample-adapter.ts';
import { storedByOwner, storedBytes } from '../db/storage.ts';
import { invoke } from '../functions/definition.ts';
import { sweep } from '../functions/sweep.ts';
import {
  base,
  baseFiles,
  baseId,
  declare,
  type Files,
  InProcess,
  runnerToken,
  upload,
} from './in-process.ts';

const KIB = 1024;
const good = sampleAdapter(base);
const filesOf = (card: string): Files => ({
  'adapter_config.json': good.config,
  'adapter_model.safetensors': good.weights,
  'README.md': card,
});
const sizeOf = (files: Files) => declare(files).reduce((sum, { size }) => sum + size, 0);
const VERSION = sizeOf(filesOf('# 1\n'));
/** Room for two versions, and a little more. */
const QUOTA = 2 * VERSION + 64 * KIB;

let api: InProcess;
let owner: string;
let key: string;
let people = 0;

beforeAll(async () => {
  api = await InProcess.open({ memory: true }, { storageQuota: QUOTA });
});
beforeEach(async () => {
  owner = `owner-${++people}`;
  key = await api.key(owner, ['read', 'publish', 'infer', 'train', 'manage']);
});
afterEach(() => {
  expect(api.unexpected).toEqual([]);
});
afterAll(() => api.close());

const route = (name = 'a') => `/api/adapters/${owner}/${name}/versions`;
const stored = () => storedBytes(api.deps.db, owner, api.now);
// biome-ignore lint/suspicious/noExplicitAny: answers are looked at as a client's program would
const json = async (answer: Promise<Response> | Response): Promise<any> => (await answer).json();
const published = async (card: string, name?: string) =>
  (await api.publish(route(name), filesOf(card), key)).status;
const declaring = (bytes: number, path = 'adapter_model.safetensors') => {
  const sha256 = createHash('sha256').update(`${owner} ${path} ${bytes}`).digest('hex');
  const rest = declare(filesOf('# 9\n')).filter((file) => file.path !== path);
  return api.call(
    'POST',
    route('draft'),
    { base: baseId, files: [...rest, { path, size: bytes, sha256 }] },
    key,
  );
};
const later = async (hours: number) => {
  api.now = new Date(api.now.getTime() + hours * 3_600_000);
  await invoke(sweep, {}, api.deps);
};
const send = (bytes: number) => {
  const form = new FormData();
  form.set('purpose', 'fine-tune');
  form.set('file', new Blob([new Uint8Array(bytes)]), 'rows.jsonl');
  const headers = { authorization: `Bearer ${key}` };
  return api.app.request('/v1/files', { method: 'POST', headers, body: form });
};

it('holds for versions, of which each content counts once, and none that was withdrawn', async () => {
  const rest = 64 * KIB - 100;
  await send(rest);
  expect(await published('# 1\n')).toBe(200);
  expect(await published('# 2\n')).toBe(200);
  expect(await stored()).toBe(2 * VERSION + rest);
  const full = await api.publish(route(), filesOf('# 3\n'), key);
  expect(full.status).toBe(413);
  expect(await full.json()).toMatchObject({
    detail: expect.stringMatching(/^There is room for \d\d bytes more under owner-1, not for \d+: withdraw/),
  });
  expect(await published('# 2\n')).toBe(200); // what is there already
  await later(25); // what was refused is swept
  expect(await stored()).toBe(2 * VERSION + rest);

  expect((await api.call('DELETE', `${route()}/1`, undefined, key)).ok).toBe(true);
  expect(await stored()).toBe(VERSION + rest);
  expect(await published('# 3\n')).toBe(200);
  const billed = (await storedByOwner(api.deps.db)).filter((one) => one.owner === owner);
  expect(billed).toEqual([{ owner, baseId, bytes: 2 * VERSION }]);
  expect((await api.publish(route(), filesOf('# 1\n'), key)).status).toBe(413); // wanted again
});

it('holds for versions that the publish gate refused: they count no more', async () => {
  api.verdict = () => ({
    problems: [{ code: 'no', detail: 'No.' }],
    findings: { notes: [], spectrum: [], advice: [] },
  });
  await published('# 1\n');
  api.verdict = () => ({ problems: [], findings: { notes: [], spectrum: [], advice: [] } });
  expect(await stored()).toBe(0);
});

it('holds for what is declared and not completed', async () => {
  const first = await declaring(QUOTA - 64 * KIB);
  expect(first.status).toBe(201);
  const more = await declaring(QUOTA);
  expect(more.status).toBe(413);
  expect(await more.json()).toMatchObject({
    code: 'too_large',
    detail: expect.stringContaining(`under ${owner}`),
  });
  const { id } = (await first.json()) as { id: string };
  expect((await api.call('DELETE', `/api/drafts/${id}`, undefined, key)).ok).toBe(true);
  expect(await stored()).toBe(0);
});

it('does not count a draft and its version twice', async () => {
  const whole = filesOf('# the only one\n');
  const large: Files = { ...whole, 'eval.jsonl': `{"text":"${'x'.repeat(QUOTA - sizeOf(whole) - 16)}"}\n` };
  const draft = await api.start(route(), large, key);
  await upload(draft, large);
  const completed = await api.complete(draft, key);
  expect([completed.status, await completed.text()]).toMatchObject([200, expect.anything()]);
});

it('holds for files', async () => {
  const { id } = await json(send(QUOTA - KIB));
  expect(await stored()).toBe(QUOTA - KIB);
  expect((await send(2 * KIB)).status).toBe(413);
  expect((await send(KIB)).status).toBe(200);
  expect((await declaring(KIB)).status).toBe(413);
  expect((await api.call('DELETE', `/v1/files/${id}`, undefined, key)).status).toBe(200);
  expect((await declaring(KIB)).status).toBe(201);
});

it('holds for git-lfs and Xet', async () => {
  await send(QUOTA - KIB);
  const objects = [{ oid: 'ab'.repeat(32), size: 2 * KIB }];
  const batch = { operation: 'upload', transfers: ['basic'], objects };
  expect((await api.call('POST', `/${owner}/a.git/info/lfs/objects/batch`, batch, key)).status).toBe(413);
  const { casUrl } = await json(
    api.call('GET', `/api/models/${owner}/a/xet-write-token/main`, undefined, key),
  );
  const post = (bytes: number) =>
    api.app.request(`${new URL(casUrl).pathname}/v1/xorbs/default/${'cd'.repeat(32)}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}` },
      body: new Uint8Array(bytes),
    });
  expect((await post(2 * KIB)).status).toBe(413);
  expect((await post(KIB)).status).toBe(200);
  expect(await stored()).toBe(QUOTA);
});

describe('of what comes at the same time, only so much is taken as there is room for', () => {
  const HALF = Math.floor(QUOTA / 2) + 1;

  it.each([
    ['files', (i: number) => send(HALF + i)],
    [
      'uploads',
      (i: number) =>
        api.call(
          'POST',
          '/v1/uploads',
          { purpose: 'fine-tune', filename: `${i}.jsonl`, bytes: HALF, mime_type: 'text/jsonl' },
          key,
        ),
    ],
    ['drafts', (i: number) => declaring(HALF + i)],
  ])('%s', async (_what, take) => {
    const answers = await Promise.all([1, 2, 3].map(take));
    expect(answers.map(({ ok, status }) => ok || status).toSorted()).toEqual([413, 413, true]);
    expect(await stored()).toBeLessThanOrEqual(QUOTA);
  });

  it('what git-lfs asks for at once', async () => {
    const objects = ['ab', 'cd'].map((digits) => ({ oid: digits.repeat(32), size: HALF + 1 }));
    const batch = { operation: 'upload', transfers: ['basic'], objects };
    const answer = await api.call('POST', `/${owner}/a.git/info/lfs/objects/batch`, batch, key);
    expect(answer.status).toBe(413);
    expect(await stored()).toBeLessThanOrEqual(QUOTA);
  });
});

it('holds for commits', async () => {
  await send(QUOTA - KIB);
  const config = JSON.stringify(sampleConfig({ base_model_name_or_path: baseId }));
  const files = { 'adapter_config.json': config, 'adapter_model.safetensors': good.weights };
  const lines = [
    { key: 'header', value: { summary: 'x' } },
    ...Object.entries(files).map(([path, content]) => ({
      key: 'file',
      value: { path, content: Buffer.from(content).toString('base64'), encoding: 'base64' },
    })),
  ].map((line) => JSON.stringify(line));
  const refused = await api.call('POST', `/api/models/${owner}/a/commit/main`, lines.join('\n'), key);
  expect(refused.status).toBe(413);
});

it('holds for what tasks make', async () => {
  expect(await published('# 1\n')).toBe(200);
  const merge = () => api.call('POST', '/api/tasks/merge', { model: `${owner}/a` }, key);
  expect((await merge()).status).toBe(413); // the base does not fit

  await api.call('POST', '/api/tasks/evaluate', { model: baseId, file: (await json(send(8))).id }, key);
  const work = (path: string, body: object) =>
    json(api.call('POST', `/api/runner/tasks${path}`, body, runnerToken));
  const { leaseId } = await work('', { runner: 'x', functions: ['evaluate'] });
  const before = await stored();
  await work(`/${leaseId}/files`, { files: [{ path: 'made', size: 5000, sha256: 'ef'.repeat(32) }] });
  expect(await stored()).toBe(before + 5000);
});

it('holds for what tasks are asked to make', async () => {
  const model = sizeOf(await baseFiles());
  const other = await InProcess.open({ memory: true }, { storageQuota: VERSION + 1.5 * model });
  try {
    const own = await other.key(owner, ['read', 'publish', 'infer']);
    expect((await other.publish(route(), filesOf('# 1\n'), own)).status).toBe(200);
    const merge = () => other.call('POST', '/api/tasks/merge', { model: `${owner}/a` }, own);
    const [first, second] = [await merge(), await merge()];
    expect([first.status, second.status]).toEqual([202, 413]);
    expect(await storedBytes(other.deps.db, owner, other.now)).toBe(VERSION + model);
    await other.call('POST', `/api/tasks/${(await json(first)).id}/cancel`, undefined, own);
    expect(await storedBytes(other.deps.db, owner, other.now)).toBe(VERSION);
    expect((await merge()).status).toBe(202);
  } finally {
    await other.close();
  }
});
