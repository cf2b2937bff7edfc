/** Where a request may have a few megabytes only, as in Lambda: what is larger goes straight to the object store. */
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { uploadFiles } from '@huggingface/hub';
import OpenAI, { toFile } from 'openai';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { sampleAdapter, sampleConfig } from '../adapter/sample-adapter.ts';
import { base, baseId, InProcess } from './in-process.ts';

/** 6 MB, as base64. */
const LAMBDA = (6_000_000 * 3) / 4;
const MIB = 2 ** 20;
let api: InProcess;
let url: string;
let key: string;
/** Of bodies that came. */
const sizes: number[] = [];

beforeAll(async () => {
  api = await InProcess.open({ memory: true }, { smallBodies: true });
  api.intercept = async (request, next) => {
    sizes.push(request.method === 'POST' ? (await request.clone().arrayBuffer()).byteLength : 0);
    return next();
  };
  url = await api.listen();
  key = await api.key('carol', ['read', 'publish']);
});
afterEach(() => {
  expect(api.unexpected).toEqual([]);
});
afterAll(() => api.close());

it('a client of Xet is told what to do instead', async () => {
  const headers = { authorization: `Bearer ${key}` };
  const answer = await fetch(`${url}/api/models/carol/far/xet-write-token/main`, { headers });
  expect(answer.status).toBe(404);
  expect(answer.headers.get('x-error-message')).toContain('set HF_HUB_DISABLE_XET=1');
});

it('a commit holds the smallest files, as many as a request may have', async () => {
  const plan = async (...sizes: number[]) => {
    const names = ['adapter_model.safetensors', 'eval.jsonl', 'README.md', 'LICENSE'];
    const files = sizes.map((size, i) => ({ path: names[i], size, sample: '' }));
    const answer = await api.call('POST', '/api/models/carol/far/preupload/main', { files }, key);
    const planned = (await answer.json()) as { files: { uploadMode: string }[] };
    return planned.files.map(({ uploadMode }) => uploadMode);
  };
  expect(await plan(2e6, 1e5)).toEqual(['regular', 'regular']);
  expect(await plan(3e6, 1e5)).toEqual(['lfs', 'regular']);
  expect(await plan(2e6, 15e5, 1e6)).toEqual(['lfs', 'regular', 'regular']);
});

it('a part of a file may have 4 MiB, and the refusal of a larger one says so', async () => {
  const client = new OpenAI({
    apiKey: await api.key('carol', ['train']),
    baseURL: `${url}/v1`,
    maxRetries: 0,
  });
  const content = Buffer.alloc(9 * MIB, '{"text":"row"}\n');
  const more = { purpose: 'fine-tune', filename: 'rows.jsonl', mime_type: 'text/jsonl' } as const;
  const { id } = await client.uploads.create({ ...more, bytes: content.length });
  const send = async (from: number, to: number) =>
    (await client.uploads.parts.create(id, { data: await toFile(content.subarray(from, to)) })).id;
  await expect(send(0, 4 * MIB + 1)).rejects.toMatchObject({
    status: 413,
    param: 'data',
    message: expect.stringContaining(`A part may have ${4 * MIB} bytes here`),
  });
  sizes.length = 0;
  const part_ids = [await send(0, 4 * MIB), await send(4 * MIB, 8 * MIB), await send(8 * MIB, 9 * MIB)];
  expect(Math.max(...sizes)).toBeLessThan(LAMBDA);
  expect((await client.uploads.complete(id, { part_ids })).file?.bytes).toBe(content.length);
});

it('patchbay train sends a larger file in parts, again where one does not get through', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'patchbay-parts-'));
  const path = join(folder, 'rows.jsonl');
  const content = Buffer.alloc(9 * MIB, '{"text":"row"}\n');
  await writeFile(path, content);
  const { intercept } = api;
  let failures = 0;
  api.intercept = async (request, next) => {
    const answer = await intercept(request, next);
    const isFirst = /\/(parts|complete)$/.test(request.url) && failures++ < 2;
    return isFirst ? new Response('', { status: 503 }) : answer; // it was done, and nobody hears of it
  };
  sizes.length = 0;
  const trainKey = await api.key('dave', ['train']);
  const command = [
    join(import.meta.dirname, '../cli/bin/patchbay.js'),
    '--json',
    'train',
    path,
    '--base',
    baseId,
  ];
  const env = { ...process.env, PATCHBAY_URL: url, PATCHBAY_KEY: trainKey, XDG_CACHE_HOME: folder };
  const { stdout } = await promisify(execFile)('node', command, { env });
  const headers = { authorization: `Bearer ${trainKey}` };
  const sent = await fetch(`${url}/v1/files/${JSON.parse(stdout).training_file}/content`, { headers });
  expect(Buffer.from(await sent.arrayBuffer()).equals(content)).toBe(true);
  expect(failures).toBeGreaterThan(2);
  expect(Math.max(...sizes)).toBeLessThan(LAMBDA);
  api.intercept = intercept;
  await rm(folder, { recursive: true });
});

it('@huggingface/hub publishes what would not fit into requests', async () => {
  const question = `${JSON.stringify({ prompt: 'x'.repeat(1000), completion: 'y' })}\n`;
  const files = {
    'adapter_config.json': JSON.stringify(sampleConfig({ base_model_name_or_path: baseId })),
    'adapter_model.safetensors': sampleAdapter(base).weights,
    'eval.jsonl': question.repeat(3000),
    'README.md': `# Long\n${'word '.repeat(200_000)}`,
  };
  await uploadFiles({
    repo: 'carol/large',
    hubUrl: url,
    accessToken: `hf_${key}`,
    files: Object.entries(files).map(([path, content]) => ({ path, content: new Blob([content]) })),
  });
  const found = await api.call('GET', '/api/adapters/carol/large/versions/1');
  expect(((await found.json()) as { files: unknown[] }).files).toHaveLength(4);
  expect(Math.max(...sizes)).toBeLessThan(LAMBDA);
});
