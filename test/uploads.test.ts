/** Files in parts, through the unmodified openai clients. */
import { execFile, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type OpenAI, toFile } from 'openai';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { MAX_PARTS } from '../api/user-uploads.ts';
import { uploadParts } from '../db/schema.ts';
import { storedBytes } from '../db/storage.ts';
import { invoke } from '../functions/definition.ts';
import { FILES, PARTS } from '../functions/object-keys.ts';
import { sweep } from '../functions/sweep.ts';
import { InProcess } from './in-process.ts';
import { type PostgresForTests, startPostgres } from './servers/postgres.ts';

const MIB = 2 ** 20;
const fixtures = join(import.meta.dirname, 'fixtures');
const python = process.env['PATCHBAY_PYTHON'] ?? 'python3';
const hasClient = spawnSync(python, ['-c', 'import openai']).status === 0;

let api: InProcess;
let client: OpenAI;
let owner: string;
let key: string;
let people = 0;

/** Somebody new, so that nothing of an earlier test counts. */
async function someone(): Promise<void> {
  owner = `owner-${++people}`;
  key = await api.key(owner, ['train', 'read']);
  client = api.openai(key);
}

const rowsOf = (size: number) =>
  Buffer.from('{"text":"row"}\n'.repeat(Math.ceil(size / 15))).subarray(0, size);
const md5 = (content: Uint8Array) => createHash('md5').update(content).digest('hex');

const begin = (bytes: number, more: object = {}) =>
  client.uploads.create({
    purpose: 'fine-tune',
    filename: 'rows.jsonl',
    bytes,
    mime_type: 'text/jsonl',
    ...more,
  });
const send = async (id: string, content: Uint8Array) =>
  (await client.uploads.parts.create(id, { data: await toFile(content) })).id;
const complete = (id: string, ...part_ids: string[]) => client.uploads.complete(id, { part_ids });
/** One of a single part, and that. */
async function begun(content: Uint8Array = rowsOf(30)) {
  const { id } = await begin(content.length);
  return { id, part: await send(id, content) };
}
const contentOf = async (id: string) => Buffer.from(await (await client.files.content(id)).arrayBuffer());
const filesOf = async () => (await client.files.list()).data.map(({ id }) => id);
const stored = () => storedBytes(api.deps.db, owner, api.now);
const swept = async (minutes: number) => {
  api.now = new Date(api.now.getTime() + minutes * 60_000);
  return invoke(sweep, {}, api.deps);
};
async function objectsBelow(prefix: string): Promise<string[]> {
  const keys: string[] = [];
  for await (const page of api.blobs.list(prefix)) keys.push(...page.map((one) => one.key));
  return keys;
}
const refusal = (status: number, param?: string, message?: string) => ({
  status,
  ...(param ? { param } : {}),
  ...(message ? { message: expect.stringContaining(message) } : {}),
});

describe.each(['PGlite', 'Postgres'])('on %s, a file in parts', (kind) => {
  let postgres: PostgresForTests | undefined;

  beforeAll(async () => {
    if (kind === 'Postgres') postgres = await startPostgres();
    api = await InProcess.open(
      postgres ? { url: await postgres.createDatabase('uploads') } : { memory: true },
      {
        storageQuota: 64 * MIB,
      },
    );
  });
  beforeEach(() => {
    api.verdict = undefined; // nothing else is at work
    return someone();
  });
  afterEach(() => {
    expect(api.unexpected).toEqual([]);
  });
  afterAll(async () => {
    await api?.close();
    await postgres?.close();
  });

  it('is put together in the order that is asked for, whatever order its parts came in', async () => {
    const content = rowsOf(12 * MIB + 5);
    const upload = await begin(content.length);
    expect(upload).toEqual({
      id: expect.stringMatching(/^upload_/),
      object: 'upload',
      bytes: content.length,
      created_at: Math.floor(api.now.getTime() / 1000),
      filename: 'rows.jsonl',
      purpose: 'fine-tune',
      status: 'pending',
      expires_at: Math.floor(api.now.getTime() / 1000) + 3600,
      file: null,
    });
    const at = [0, 10, MIB, 11 * MIB, content.length]; // the third is larger than an object that is held in memory
    const parts = await Promise.all(
      [3, 2, 0, 1].map(async (i) => [i, await send(upload.id, content.subarray(at[i], at[i + 1]))] as const),
    );
    const part_ids = parts.toSorted(([a], [b]) => a - b).map(([, id]) => id);
    const done = await client.uploads.complete(upload.id, { part_ids, md5: md5(content).toUpperCase() });
    expect(done).toMatchObject({
      ...upload,
      status: 'completed',
      file: { object: 'file', bytes: content.length },
    });
    const file = done.file!;
    expect(file).toEqual(await client.files.retrieve(file.id));
    expect((await contentOf(file.id)).equals(content)).toBe(true);
    expect(await filesOf()).toEqual([file.id]);
  });

  it('answers what a part is', async () => {
    const { id } = await begin(3);
    expect(await client.uploads.parts.create(id, { data: await toFile(Buffer.from('abc')) })).toEqual({
      id: expect.stringMatching(/^part_/),
      object: 'upload.part',
      created_at: Math.floor(api.now.getTime() / 1000),
      upload_id: id,
    });
  });

  it('leaves out a part that came twice', async () => {
    const { id, part } = await begun();
    await send(id, rowsOf(30));
    expect((await complete(id, part)).file?.bytes).toBe(30);
  });

  it('is the same one when it is completed again, also at the same time', async () => {
    const { id, part } = await begun();
    const at = await Promise.all([complete(id, part), complete(id, part), complete(id, part)]);
    await swept(16);
    const again = await complete(id, part);
    expect(new Set([...at, again].map(({ file }) => file!.id)).size).toBe(1);
    expect(await filesOf()).toEqual([again.file!.id]);
    expect((await objectsBelow(FILES)).filter((one) => one.endsWith(again.file!.id))).toHaveLength(1);
    await client.files.delete(again.file!.id);
    await expect(complete(id, part)).rejects.toMatchObject(refusal(409, undefined, 'was deleted'));
  });

  it('stays open where something is wrong with the completion', async () => {
    const { id, part } = await begun();
    const second = await send(id, rowsOf(20));
    const other = await begun();
    await expect(complete(id, part, second)).rejects.toMatchObject(
      refusal(400, 'part_ids', 'has parts of 50 bytes together; 30 were declared'),
    );
    await expect(complete(id, second)).rejects.toMatchObject(refusal(400, 'part_ids'));
    await expect(complete(id, part, part)).rejects.toMatchObject(refusal(400, 'part_ids', 'twice'));
    await expect(complete(id, other.part)).rejects.toMatchObject(refusal(400, 'part_ids', other.part));
    await expect(complete(id, 'part_\0')).rejects.toMatchObject(refusal(400, 'part_ids.0'));
    await expect(complete(id)).rejects.toMatchObject(refusal(400, 'part_ids'));
    const wrong = { part_ids: [part], md5: md5(rowsOf(29)) };
    await expect(client.uploads.complete(id, wrong)).rejects.toMatchObject(
      refusal(400, 'md5', `what came has ${md5(rowsOf(30))}`),
    );
    await expect(client.uploads.complete(id, { part_ids: [part], md5: 'x' })).rejects.toMatchObject(
      refusal(400, 'md5', '32 hexadecimal digits'),
    );
    expect(await filesOf()).toEqual([]);
    expect((await complete(id, part)).status).toBe('completed');
  });

  it('takes no part once it is completed, cancelled or has expired', async () => {
    const done = await begun();
    await complete(done.id, done.part);
    const dropped = await begun();
    for (const _twice of [1, 2]) expect((await client.uploads.cancel(dropped.id)).status).toBe('cancelled');
    const late = await begun();
    api.now = new Date(api.now.getTime() + 3_600_000);
    for (const [{ id, part }, status] of [
      [done, 'completed'],
      [dropped, 'cancelled'],
      [late, 'expired'],
    ] as const) {
      await expect(send(id, rowsOf(1))).rejects.toMatchObject(refusal(409, 'upload_id', `is ${status}`));
      if (status !== 'cancelled')
        await expect(client.uploads.cancel(id)).rejects.toMatchObject(refusal(409, 'upload_id', status));
      if (status !== 'completed')
        await expect(complete(id, part)).rejects.toMatchObject(refusal(409, 'upload_id', status));
    }
    await swept(16);
    await expect(complete(late.id, late.part)).rejects.toMatchObject(refusal(409, 'upload_id', 'is expired'));
  });

  it('leaves no part behind, and says for a day what became of it', async () => {
    const [done, late, open] = [await begun(), await begun(), { id: '', part: '' }];
    await complete(done.id, done.part);
    await api.blobs.put(`${PARTS}${late.id}/part_of-a-server-that-died/0`, rowsOf(9));
    const below = async () =>
      (await Promise.all([done, late, open].map(({ id }) => objectsBelow(`${PARTS}${id}`)))).map(
        ({ length }) => length,
      );
    api.now = new Date(api.now.getTime() + 59 * 60_000);
    Object.assign(open, await begun());
    expect((await swept(10)).parts).toBeGreaterThan(0);
    expect(await below()).toEqual([0, 2, 1]); // what has just expired may still be read
    expect((await swept(10)).parts).toBeGreaterThan(0);
    expect(await below()).toEqual([0, 0, 1]);
    expect((await swept(0)).parts).toBe(0);
    await complete(open.id, open.part);
    expect((await complete(done.id, done.part)).status).toBe('completed');
    await swept(25 * 60);
    await expect(complete(done.id, done.part)).rejects.toMatchObject(refusal(404, 'upload_id'));
  });

  it('loses nothing when the server dies while it is put together', async () => {
    const { id, part } = await begun();
    const { finishUpload } = api.blobs;
    const died = new Promise<void>((resolve) => {
      api.blobs.finishUpload = () => {
        resolve();
        return new Promise(() => undefined);
      };
    });
    void complete(id, part);
    await died;
    api.blobs.finishUpload = finishUpload;
    expect(await filesOf()).toEqual([]);
    const { file } = await complete(id, part);
    expect((await contentOf(file!.id)).equals(rowsOf(30))).toBe(true);
    expect((await swept(25 * 60)).uploads).toBe(1); // what the dead one had begun
    expect((await contentOf(file!.id)).length).toBe(30);
  });

  it('is there where its completion was committed and the answer lost', async () => {
    const { id, part } = await begun();
    const { transaction } = api.deps.db;
    api.deps.db.transaction = (async (...args: Parameters<typeof transaction>) => {
      await transaction.apply(api.deps.db, args);
      api.deps.db.transaction = transaction;
      throw Object.assign(new Error('Connection terminated unexpectedly'), { code: 'ECONNRESET' });
    }) as typeof transaction;
    const { file } = await complete(id, part);
    expect((await contentOf(file!.id)).length).toBe(30);
  });

  it('counts as what was declared, once, from the beginning on', async () => {
    const { id } = await begin(60 * MIB);
    expect(await stored()).toBe(60 * MIB);
    await expect(begin(5 * MIB)).rejects.toMatchObject(refusal(413, undefined, `under ${owner}`));
    const form = await toFile(rowsOf(5 * MIB), 'x.jsonl');
    await expect(client.files.create({ file: form, purpose: 'fine-tune' })).rejects.toMatchObject({
      status: 413,
    });
    await client.uploads.cancel(id);
    expect(await stored()).toBe(0);
    const { id: other, part } = await begun();
    expect(await stored()).toBe(30);
    await complete(other, part);
    expect(await stored()).toBe(30);
    await begin(50 * MIB);
    await swept(80);
    expect(await stored()).toBe(30);
  });

  it('is missing to everybody else', async () => {
    const { id, part } = await begun();
    await someone();
    const missing = refusal(404, 'upload_id', `There is no upload ${id}`);
    await expect(send(id, rowsOf(1))).rejects.toMatchObject(missing);
    await expect(complete(id, part)).rejects.toMatchObject(missing);
    await expect(client.uploads.cancel(id)).rejects.toMatchObject(missing);
    const forms = await api.call('POST', `/v1/uploads/${id}/parts`, 'no form', key);
    expect(forms.status).toBe(404);
    await expect(client.uploads.cancel('upload_none')).rejects.toMatchObject({ status: 404 });
    const scopeless = api.openai(await api.key(owner, ['read', 'infer']));
    await expect(scopeless.uploads.cancel(id)).rejects.toMatchObject({ status: 403 });
  });

  it.each([
    ['another purpose', { purpose: 'vision' }, 400, 'purpose'],
    ['no bytes', { bytes: 0 }, 400, 'bytes'],
    ['half a byte', { bytes: 1.5 }, 400, 'bytes'],
    ['more than a file may have', { bytes: 512 * MIB + 1 }, 413, 'bytes'],
    ['a folder as a name', { filename: 'a/' }, 400, 'filename'],
    ['a name that is no text', { filename: 'a\0b' }, 400, 'filename'],
    ['an end', { expires_after: { anchor: 'created_at', seconds: 3600 } }, 400, 'expires_after'],
  ])('%s is refused', async (_name, more, status, param) => {
    await expect(begin(1, more)).rejects.toMatchObject({ status, param });
  });

  it('is as large as was declared, or its parts are refused', async () => {
    const { id } = await begin(30);
    await expect(send(id, rowsOf(31))).rejects.toMatchObject(
      refusal(413, 'data', '30 bytes that were declared'),
    );
    await expect(send(id, rowsOf(0))).rejects.toMatchObject(refusal(400, 'data', 'empty'));
    for (const size of [30, 20, 10]) await send(id, rowsOf(size));
    await expect(send(id, rowsOf(1))).rejects.toMatchObject(
      refusal(409, 'data', 'more than 2 times the 30 bytes'),
    );
    expect(await objectsBelow(`${PARTS}${id}/`)).toHaveLength(3);
  });

  it.each([
    ['no form', '{}', 'application/json', 'multipart'],
    [
      'no data',
      '--x\r\ncontent-disposition: form-data; name="other"\r\n\r\nhello\r\n--x--',
      undefined,
      'data is missing',
    ],
    [
      'a form that breaks off',
      '--x\r\ncontent-disposition: form-data; name="data"\r\n\r\nhello',
      undefined,
      'ends before',
    ],
    [
      'data twice',
      `${'--x\r\ncontent-disposition: form-data; name="data"\r\n\r\nhello\r\n'.repeat(2)}--x--`,
      undefined,
      'one part at a time',
    ],
  ])('%s is no part, and nothing of it stays', async (_name, body, type, message) => {
    const { id } = await begin(30);
    const headers = {
      authorization: `Bearer ${key}`,
      'content-type': type ?? 'multipart/form-data; boundary=x',
    };
    const answer = await api.app.request(`/v1/uploads/${id}/parts`, { method: 'POST', headers, body });
    expect([answer.status, await answer.text()]).toEqual([400, expect.stringContaining(message)]);
    expect(await objectsBelow(`${PARTS}${id}/`)).toEqual([]);
  });

  it('a user has not many of them open', async () => {
    const all = await Promise.allSettled(Array.from({ length: 22 }, () => begin(1)));
    const made = all.filter((one) => one.status === 'fulfilled').map(({ value }) => value.id);
    expect(made).toHaveLength(20);
    await expect(begin(1)).rejects.toMatchObject(refusal(409, undefined, '20 uploads open'));
    await client.uploads.cancel(made[0]!);
    await begin(1);
    await expect(begin(1)).rejects.toMatchObject({ status: 409 });
    api.now = new Date(api.now.getTime() + 3_600_000);
    await begin(1);
  });
});

describe('on PGlite, a file in parts', () => {
  let folder: string;
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'patchbay-uploads-'));
    api = await InProcess.open({ memory: true });
  });
  beforeEach(someone);
  afterEach(() => {
    expect(api.unexpected).toEqual([]);
  });
  afterAll(async () => {
    await api?.close();
    await rm(folder, { recursive: true });
  });

  it('has not too many parts', async () => {
    const { id } = await begin(MAX_PARTS);
    const rows = Array.from({ length: MAX_PARTS - 1 }, (_, i) => ({
      id: `part_${i}`,
      uploadId: id,
      size: 1,
    }));
    await api.deps.db.insert(uploadParts).values(rows);
    await send(id, rowsOf(1));
    await expect(send(id, rowsOf(1))).rejects.toMatchObject(refusal(409, 'data', `has ${MAX_PARTS} parts`));
    const part_ids = Array.from({ length: MAX_PARTS + 1 }, () => 'part_0');
    await expect(complete(id, ...part_ids)).rejects.toMatchObject(refusal(400, 'part_ids'));
  });

  it('has parts of 64 MiB at most', async () => {
    const { id } = await begin(65 * MIB);
    await expect(send(id, rowsOf(64 * MIB + 1))).rejects.toMatchObject(
      refusal(413, 'data', `A part may have ${64 * MIB} bytes here`),
    );
    await send(id, rowsOf(64 * MIB));
  });

  it.skipIf(!hasClient)("is sent by OpenAI's client for Python", async () => {
    const path = join(folder, 'rows.jsonl');
    await writeFile(path, rowsOf(9 * MIB + 1));
    const env = { ...process.env, OPENAI_BASE_URL: `${await api.listen()}/v1`, OPENAI_API_KEY: key };
    const args = ['openai_uploads.py', path, String(4 * MIB)];
    const { stdout } = await promisify(execFile)(python, args, { cwd: fixtures, env });
    expect(JSON.parse(stdout)).toMatchObject({
      upload: { status: 'completed', file: { bytes: 9 * MIB + 1, filename: 'rows.jsonl' } },
      same: true,
      cancelled: 'cancelled',
    });
  });
});
