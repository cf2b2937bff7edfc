/** Publishing through the API: every bad file is refused with its reason, nothing is half listed, every route keeps its rules. */
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { badFiles } from '../adapter/bad-files.ts';
import { parseBaseConfig } from '../adapter/base-config.ts';
import { sampleAdapter } from '../adapter/sample-adapter.ts';
import { createApp } from '../api/app.ts';
import { createAuth, type Scope } from '../api/auth.ts';
import { type BlobStore, createBlobStore } from '../api/blob-store.ts';
import { type EmbeddedS3, startEmbeddedS3 } from '../api/embedded/s3.ts';
import { DRAFT_HOURS, type PublishDeps, sweepDrafts } from '../api/publish.ts';
import { createRunnerClient } from '../api/runner-client.ts';
import { type OpenDatabase, openDatabase } from '../db/open.ts';

const checkpoint = fileURLToPath(new URL('./fixtures/parity/smollm2', import.meta.url));
const credentials = { accessKeyId: 'test', secretAccessKey: 'secret-of-the-test', region: 'us-east-1' };
const baseId = 'parity/smollm2';

type Files = Readonly<Record<string, Uint8Array<ArrayBuffer> | string>>;
interface DraftBody {
  id: string;
  files: {
    path: string;
    status: string;
    partSize: number;
    parts?: { number: number; url?: string; done: boolean }[];
  }[];
}

let folder: string;
let s3: EmbeddedS3;
let blobs: BlobStore;
let database: OpenDatabase;
let app: ReturnType<typeof createApp>;
let deps: PublishDeps;
let admin: string;
let now = new Date();
const auth = () =>
  createAuth(database.db, { secret: 'secret-of-the-test-secret-of-the-test', baseUrl: 'http://localhost' });

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'patchbay-publish-'));
  s3 = await startEmbeddedS3({ folder, host: '127.0.0.1', port: 0, bucket: 'patchbay', credentials });
  blobs = createBlobStore({ endpoint: s3.endpoint, bucket: 'patchbay', ...credentials });
  database = await openDatabase({ memory: true });
  const createHasher = () => {
    const hash = createHash('sha256');
    return { update: (chunk: Uint8Array) => hash.update(chunk), digest: () => hash.digest('hex') };
  };
  deps = { db: database.db, blobs, createHasher, now: () => now };
  const log = {
    info: () => undefined,
    error: (fields: object) => process.stderr.write(`${JSON.stringify(fields)}\n`),
  };
  app = createApp({ ...deps, auth: auth(), runner: createRunnerClient(() => undefined), log });
  admin = await key('admin', ['read', 'publish', 'infer', 'admin']);
  const names = (await readdir(checkpoint)).filter((name) => /\.(json|safetensors)$/.test(name));
  const files = Object.fromEntries(
    await Promise.all(
      names.map(async (name) => [name, new Uint8Array(await readFile(join(checkpoint, name)))] as const),
    ),
  );
  expect((await publish(`/api/bases/${baseId}`, files)).status).toBe(200);
});

afterAll(async () => {
  blobs.close();
  await s3.close();
  await database.close();
  await rm(folder, { recursive: true, force: true });
});

async function key(owner: string, scopes: Scope[]): Promise<string> {
  const { ensureUser, createKey } = auth();
  return (await createKey(await ensureUser(owner), 'test', scopes)).key;
}

function call(method: string, path: string, body?: unknown, bearer: string = admin): Promise<Response> {
  const headers = {
    ...(bearer ? { authorization: `Bearer ${bearer}` } : {}),
    'content-type': 'application/json',
  };
  return Promise.resolve(
    app.request(path, {
      method,
      headers,
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    }),
  );
}

const bytesOf = (content: Uint8Array<ArrayBuffer> | string) =>
  typeof content === 'string' ? new TextEncoder().encode(content) : content;

function declare(files: Files) {
  return Object.entries(files).map(([path, content]) => ({
    path,
    size: bytesOf(content).length,
    sha256: createHash('sha256').update(bytesOf(content)).digest('hex'),
  }));
}

async function upload(draft: DraftBody, files: Files): Promise<void> {
  for (const { path, partSize, parts } of draft.files) {
    for (const { number, url, done } of parts ?? []) {
      if (done) continue;
      const body = bytesOf(files[path]!).slice((number - 1) * partSize, number * partSize);
      expect((await fetch(url!, { method: 'PUT', body })).status).toBe(200);
    }
  }
}

async function start(route: string, files: Files, bearer = admin): Promise<DraftBody> {
  const response = await call('POST', route, { base: baseId, files: declare(files) }, bearer);
  expect(response.status).toBe(201);
  return (await response.json()) as DraftBody;
}

async function publish(route: string, files: Files, bearer = admin): Promise<Response> {
  const draft = await start(route, files, bearer);
  await upload(draft, files);
  return call('POST', `/api/drafts/${draft.id}/complete`, undefined, bearer);
}

const base = parseBaseConfig(JSON.parse(await readFile(join(checkpoint, 'config.json'), 'utf8')));
const good = sampleAdapter(base);
const goodFiles = { 'adapter_config.json': good.config, 'adapter_model.safetensors': good.weights };

describe('a bad adapter is refused with its reason, and nothing of it is listed', () => {
  it.each(badFiles(base).map((bad, i) => [bad.name, bad.code, bad, i] as const))(
    '%s: %s',
    async (_name, code, bad, i) => {
      if (bad.weights.length === 0 || bad.config.length === 0) return; // refused when it is declared, below
      const response = await publish(`/api/adapters/bad/file-${i}/versions`, {
        'adapter_config.json': bad.config,
        'adapter_model.safetensors': bad.weights,
      });
      expect(response.status).toBe(422);
      const { problems } = (await response.json()) as { problems: { code: string }[] };
      expect(problems.map((problem) => problem.code)).toContain(code);
      expect((await call('GET', `/api/adapters/bad/file-${i}`)).status).toBe(404);
    },
  );
});

describe('publishing', () => {
  it('lists what is right, once, however often it is completed', async () => {
    const draft = await start('/api/adapters/alice/good/versions', goodFiles);
    await upload(draft, goodFiles);
    const both = await Promise.all([1, 2].map(() => call('POST', `/api/drafts/${draft.id}/complete`)));
    expect(both.map(({ status }) => status).sort()).toEqual(expect.arrayContaining([200]));
    const { versions } = (await (await call('GET', '/api/adapters/alice/good')).json()) as {
      versions: unknown[];
    };
    expect(versions).toHaveLength(1);
  });

  it('asks only for what is not there, and knows which parts have arrived', async () => {
    const more = { ...goodFiles, 'README.md': '# Good\n\nIt does one thing.\n' };
    const draft = await start('/api/adapters/alice/more/versions', more);
    expect(draft.files.map(({ path, status }) => [path, status])).toEqual([
      ['README.md', 'upload'],
      ['adapter_config.json', 'present'],
      ['adapter_model.safetensors', 'present'],
    ]);
    expect((await call('POST', `/api/drafts/${draft.id}/complete`)).status).toBe(409);
    await upload(draft, more);
    const seen = (await (await call('GET', `/api/drafts/${draft.id}`)).json()) as DraftBody;
    expect(seen.files[0]?.parts?.every(({ done }) => done)).toBe(true);
    expect((await call('POST', `/api/drafts/${draft.id}/complete`)).status).toBe(200);
    expect(await (await call('GET', '/api/adapters/alice/more')).json()).toMatchObject({
      title: 'Good',
      summary: 'It does one thing.',
    });
  });

  it('refuses a card whose front matter is broken', async () => {
    const response = await publish('/api/adapters/alice/card/versions', {
      ...goodFiles,
      'README.md': '---\ntags: {\n---\n',
    });
    expect(response.status).toBe(422);
    expect(await response.json()).toMatchObject({ problems: [{ code: 'card_invalid' }] });
  });

  it('sweeps away a draft that nobody completed, with its bytes', async () => {
    const files = { ...goodFiles, LICENSE: 'abandoned' };
    const draft = await start('/api/adapters/alice/abandoned/versions', files);
    await upload(draft, files);
    const before = now;
    now = new Date(before.getTime() + (DRAFT_HOURS + 1) * 3_600_000);
    expect(await sweepDrafts(deps)).toBeGreaterThan(0);
    now = before;
    expect((await call('GET', `/api/drafts/${draft.id}`)).status).toBe(404);
    expect(await blobs.size(`uploads/${draft.id}/LICENSE`)).toBeUndefined();
  });

  it('gives a file out by a URL that needs no key', async () => {
    const response = await call(
      'GET',
      '/api/adapters/alice/good/versions/1/files/adapter_model.safetensors',
      undefined,
      '',
    );
    expect(response.status).toBe(302);
    const file = await fetch(response.headers.get('location')!);
    expect(new Uint8Array(await file.arrayBuffer())).toEqual(good.weights);
  });

  it('keeps a base as it was first imported', async () => {
    const response = await publish('/api/bases/parity/other', {
      'config.json': '{}',
      'tokenizer.json': '{}',
      'tokenizer_config.json': '{}',
      'model.safetensors': good.weights,
    });
    expect(response.status).toBe(422);
    expect((await call('GET', '/api/bases/parity/other')).status).toBe(404);
  });
});

describe('the rules of the routes', () => {
  const files = declare(goodFiles);
  const route = '/api/adapters/alice/rules/versions';
  it.each([
    ['no key', 401, '', 'POST', route, { base: baseId, files }],
    ['a key that is none', 401, 'pb_nothing', 'GET', '/api/adapters', undefined],
    ['a base that is not there', 404, undefined, 'POST', route, { base: 'no/base', files }],
    [
      'a name with capitals',
      400,
      undefined,
      'POST',
      '/api/adapters/Alice/rules/versions',
      { base: baseId, files },
    ],
    ['no files', 400, undefined, 'POST', route, { base: baseId, files: [] }],
    ['a file twice', 400, undefined, 'POST', route, { base: baseId, files: [...files, files[0]] }],
    ['a missing file', 400, undefined, 'POST', route, { base: baseId, files: files.slice(1) }],
    [
      'a pickle',
      400,
      undefined,
      'POST',
      route,
      { base: baseId, files: [...files, { path: 'adapter_model.bin', size: 3, sha256: 'a'.repeat(64) }] },
    ],
    [
      'a path that climbs',
      400,
      undefined,
      'POST',
      route,
      { base: baseId, files: [...files, { path: '../x', size: 3, sha256: 'a'.repeat(64) }] },
    ],
    [
      'an empty file',
      400,
      undefined,
      'POST',
      route,
      { base: baseId, files: [{ ...files[0], size: 0 }, files[1]] },
    ],
    [
      'a file beyond its limit',
      413,
      undefined,
      'POST',
      route,
      { base: baseId, files: [{ ...files[0], size: 2 ** 30 }, files[1]] },
    ],
    ['a body that is not JSON', 400, undefined, 'POST', route, '{'],
    ['a draft that is not there', 404, undefined, 'GET', `/api/drafts/${crypto.randomUUID()}`, undefined],
    ['a cursor that is none', 400, undefined, 'GET', '/api/adapters?cursor=xyz', undefined],
    ['a limit that is none', 400, undefined, 'GET', '/api/adapters?limit=many', undefined],
    ['an adapter that is not there', 404, undefined, 'GET', '/api/adapters/no/body', undefined],
    [
      'a file that is not there',
      404,
      undefined,
      'GET',
      '/api/adapters/alice/good/versions/1/files/secret',
      undefined,
    ],
    ['a path that is not there', 404, undefined, 'GET', '/api/nothing', undefined],
  ] as const)('%s is answered with %i', async (_name, status, bearer, method, path, body) => {
    const response = await call(method, path, body, bearer);
    expect(response.status).toBe(status);
    const problem = (await response.json()) as { status: number; detail: string; requestId: string };
    expect(problem).toMatchObject({ status, requestId: response.headers.get('x-request-id') });
    expect(problem.detail).not.toMatch(/\.ts:\d+/);
  });

  it('keeps a publisher to their own name, and hides their drafts from others', async () => {
    const alice = await key('alice', ['publish']);
    const bob = await key('bob', ['publish']);
    const body = { base: baseId, files };
    expect((await call('POST', '/api/adapters/alice/mine/versions', body, bob)).status).toBe(403);
    const draft = await start('/api/adapters/alice/mine/versions', goodFiles, alice);
    expect((await call('GET', `/api/drafts/${draft.id}`, undefined, bob)).status).toBe(404);
    expect((await call('DELETE', `/api/drafts/${draft.id}`, undefined, alice)).status).toBe(204);
    expect((await call('POST', '/api/bases/alice/base', { files }, alice)).status).toBe(403);
    expect((await call('POST', '/api/keys', { name: 'x', scopes: ['read'] }, alice)).status).toBe(403);
  });

  it('describes every route', async () => {
    const document = (await (await call('GET', '/openapi.json', undefined, '')).json()) as {
      paths: Record<string, unknown>;
    };
    expect(Object.keys(document.paths).length).toBeGreaterThan(14);
    expect(await (await call('GET', '/docs', undefined, '')).text()).toContain(
      '/api/adapters/{owner}/{name}/versions',
    );
  });
});
