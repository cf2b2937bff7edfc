/** The API in this process, over an embedded object store and a database in memory: for tests of its routes. */
import { createHash } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type ServerType, serve } from '@hono/node-server';
import OpenAI from 'openai';
import { type BaseConfig, parseBaseConfig } from '../adapter/base-config.ts';
import type { AccountSettings } from '../api/accounts.ts';
import { createApp } from '../api/app.ts';
import { type Auth, createAuth, type Scope } from '../api/auth.ts';
import { type BlobStore, createBlobStore } from '../api/blob-store.ts';
import { DownloadCounter } from '../api/downloads.ts';
import type { Closing } from '../api/embedded/close-server.ts';
import { type EmbeddedS3, startEmbeddedS3 } from '../api/embedded/s3.ts';
import type { TrainingDeps } from '../api/fine-tuning.ts';
import { createFleet, type Fleet } from '../api/fleet/fleet.ts';
import { createHasher } from '../api/hasher.ts';
import type { Upstream } from '../api/hub/proxy.ts';
import { byItself } from '../api/outlive.ts';
import { createSigner, type Signer } from '../api/signer.ts';
import type { Site } from '../api/site.ts';
import { type DatabaseLocation, type OpenDatabase, openDatabase } from '../db/open.ts';
import { openTrainingQueue, type TrainingQueue } from '../db/queue.ts';
import { liveRunners } from '../db/runners.ts';
import { SILENT_MS } from '../functions/fleet.ts';
import type { Verdict, VerifyLease } from '../functions/verify.ts';

const checkpoint = fileURLToPath(new URL('./fixtures/parity/smollm2', import.meta.url));
export const credentials = {
  accessKeyId: 'test',
  secretAccessKey: 'secret-of-the-test',
  region: 'us-east-1',
};

export const runnerToken = 'token-of-the-tests-runners';
/** Accepted as well. */
export const otherRunnerToken = 'the-other-token-of-the-tests-runners';
export const baseId = 'parity/smollm2';
export const base: BaseConfig = parseBaseConfig(
  JSON.parse(await readFile(join(checkpoint, 'config.json'), 'utf8')),
);

/** How soon the publish gate's runner asks again that found nothing to do. */
const ASK_AGAIN_MS = 20;
const NO_PROBLEM: Verdict = { problems: [], findings: { notes: [], spectrum: [], advice: [] } };

export type Files = Readonly<Record<string, Uint8Array<ArrayBuffer> | string>>;

export interface DraftBody {
  id: string;
  files: {
    path: string;
    status: string;
    partSize: number;
    parts?: { number: number; url?: string; done: boolean }[];
  }[];
}

/** The checkpoint's files, as a base is imported from them. */
export async function baseFiles(): Promise<Files> {
  const names = (await readdir(checkpoint)).filter((name) => /\.(json|safetensors)$/.test(name));
  const read = async (name: string) =>
    [name, new Uint8Array(await readFile(join(checkpoint, name)))] as const;
  return Object.fromEntries(await Promise.all(names.map(read)));
}

/** An S3 server with the credentials of these tests, and what else it offers. */
export type ObjectsForTests = Pick<EmbeddedS3, 'endpoint' | 'close'> & Partial<Pick<EmbeddedS3, 'read'>>;
export const startEmbedded = (folder: string): Promise<ObjectsForTests> =>
  startEmbeddedS3({ folder, host: '127.0.0.1', port: 0, bucket: 'patchbay', credentials });

interface Parts {
  readonly folder: string;
  readonly s3: ObjectsForTests;
  readonly database: OpenDatabase;
  readonly queue: TrainingQueue;
  readonly signer: Signer;
  readonly limitFactor: number;
  readonly upstream: Upstream | undefined;
  readonly coldStartMs: number;
  readonly site: Site | undefined;
  readonly publicUrl: string | undefined;
  readonly storageQuota: number | undefined;
  readonly smallBodies: boolean;
  readonly github: AccountSettings['github'];
}

export class InProcess {
  readonly blobs: BlobStore;
  readonly deps: TrainingDeps;
  readonly auth: Auth;
  readonly downloads = new DownloadCounter();
  /** Whose tokens trusted publishing takes. */
  readonly oidcIssuers: string[] = [];
  readonly app: ReturnType<typeof createApp>;
  /** What the API's clock says. */
  now = new Date();
  /** Stands between others and the API. */
  intercept: (request: Request, next: () => Promise<Response>) => Promise<Response> = (_request, next) =>
    next();
  /** What the publish gate's runner says of a version; undefined: there is no such runner. */
  verdict: ((lease: VerifyLease) => Verdict) | undefined = () => NO_PROBLEM;
  /** Bases that runners have in memory. */
  loaded: readonly string[] = [];
  /** Where the API finds runners that do not report. */
  runners: readonly string[] = [];
  readonly stops: Closing = { stopping: new AbortController(), ending: new AbortController() };
  /** What the API makes of them. */
  readonly fleet: Fleet;
  /** What the operator's log holds of errors that nobody foresaw. */
  readonly unexpected: object[] = [];
  /** What it holds of the rest. */
  readonly noted: object[] = [];
  admin = '';
  private readonly folder: string;
  private readonly s3: ObjectsForTests;
  private readonly database: OpenDatabase;
  private server: ServerType | undefined;
  private closing = false;
  private readonly verifying: Promise<void>;

  private constructor({
    folder,
    s3,
    database,
    queue,
    signer,
    limitFactor,
    upstream,
    coldStartMs,
    site,
    publicUrl,
    storageQuota,
    smallBodies,
    github,
  }: Parts) {
    this.folder = folder;
    this.s3 = s3;
    this.database = database;
    const { db } = database;
    const { endpoint, read } = s3;
    const stopping = this.stops.stopping.signal;
    this.blobs = createBlobStore({ endpoint, bucket: 'patchbay', ...credentials }, read && { read });
    this.deps = { db, queue, blobs: this.blobs, createHasher, now: () => this.now, storageQuota, stopping };
    this.auth = createAuth(db, {
      secret: 'secret-of-the-test-secret-of-the-test',
      baseUrl: 'http://localhost',
      signUp: true,
      github,
    });
    this.fleet = createFleet({
      token: runnerToken,
      registered: () => liveRunners(db, SILENT_MS),
      fixed: () => this.runners,
      coldStartMs,
      asked: () => undefined,
    });
    const log = {
      info: (fields: object) => this.noted.push(fields),
      error: (fields: object) => this.unexpected.push(fields),
    };
    this.app = createApp({
      ...this.deps,
      auth: this.auth,
      signer,
      downloads: this.downloads,
      oidcIssuers: this.oidcIssuers,
      limitFactor,
      upstream,
      smallBodies,
      site,
      publicUrl,
      loadedBases: async () => this.loaded,
      addressOf: () => '127.0.0.1',
      runner: this.fleet,
      outlive: byItself,
      ending: this.stops.ending.signal,
      runnerToken,
      otherRunnerToken,
      log,
    });
    this.verifying = this.verify();
  }

  /** With one base, and a key that may do everything. */
  static async open(
    location: DatabaseLocation = { memory: true },
    {
      limitFactor = 1000,
      upstream,
      coldStartMs = 0,
      site,
      publicUrl,
      storageQuota,
      smallBodies = false,
      github,
      onQueueError = (error) => {
        throw error;
      },
      startObjects = startEmbedded,
      hasBase = false,
    }: {
      limitFactor?: number;
      upstream?: Upstream;
      coldStartMs?: number;
      site?: Site;
      publicUrl?: string;
      storageQuota?: number;
      smallBodies?: boolean;
      github?: AccountSettings['github'];
      onQueueError?: (error: Error) => void;
      startObjects?: (folder: string) => Promise<ObjectsForTests>;
      /** Whether the database has the base already. */
      hasBase?: boolean;
    } = {},
  ): Promise<InProcess> {
    const folder = await mkdtemp(join(tmpdir(), 'patchbay-api-'));
    const s3 = await startObjects(folder);
    const database = await openDatabase(location);
    const queue = await openTrainingQueue(database, onQueueError);
    const signer = await createSigner('5e'.repeat(32));
    const api = new InProcess({
      folder,
      s3,
      database,
      queue,
      signer,
      limitFactor,
      upstream,
      coldStartMs,
      site,
      publicUrl,
      storageQuota,
      smallBodies,
      github,
    });
    await api.blobs.prepare();
    api.admin = await api.key('admin', ['read', 'publish', 'infer', 'train', 'admin']);
    if (hasBase) return api;
    const imported = await api.publish(`/api/bases/${baseId}`, await baseFiles());
    if (imported.status !== 200) throw new Error(await imported.text());
    return api;
  }

  /** Says of every version what `verdict` says, as a runner does. */
  private async verify(): Promise<void> {
    const post = (path: string, body: object) =>
      this.call('POST', `/api/runner/verifications${path}`, body, runnerToken);
    while (!this.closing) {
      const response = this.verdict && (await post('', { runner: 'gate' }));
      if (response?.status === 200) {
        const lease = (await response.json()) as VerifyLease;
        const verdict = this.verdict?.(lease);
        await (verdict ? post(`/${lease.leaseId}/verdict`, verdict) : post(`/${lease.leaseId}/release`, {}));
      } else await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN_MS));
    }
  }

  async close(): Promise<void> {
    this.closing = true;
    await this.verifying;
    this.server?.close();
    this.blobs.close();
    await this.s3.close();
    await this.deps.queue.close();
    await this.database.close();
    await rm(this.folder, { recursive: true, force: true });
  }

  /** Also over HTTP, for other processes. @returns where */
  listen(): Promise<string> {
    const fetch = (request: Request) => this.intercept(request, async () => this.app.fetch(request));
    return new Promise((resolve) => {
      this.server = serve({ fetch, hostname: '127.0.0.1', port: 0 }, ({ port }) =>
        resolve(`http://127.0.0.1:${port}`),
      );
    });
  }

  /** The unmodified client, without a network in between. */
  openai(apiKey: string): OpenAI {
    return new OpenAI({
      apiKey,
      baseURL: 'http://localhost/v1',
      maxRetries: 0,
      fetch: async (url, init) => this.app.request(url as string, init as RequestInit),
    });
  }

  async key(owner: string, scopes: Scope[]): Promise<string> {
    const userId = await this.auth.ensureUser(owner);
    return (await this.auth.createKey(userId, 'test', scopes, { actor: null })).key;
  }

  /** @param bearer the key that is sent; none when empty, the admin's when absent */
  async call(method: string, path: string, body?: unknown, bearer: string = this.admin): Promise<Response> {
    const headers = {
      ...(bearer ? { authorization: `Bearer ${bearer}` } : {}),
      'content-type': 'application/json',
    };
    const sent = body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) };
    return this.app.request(path, { method, headers, ...sent });
  }

  async start(route: string, files: Files, bearer = this.admin): Promise<DraftBody> {
    const response = await this.call('POST', route, { base: baseId, files: declare(files) }, bearer);
    if (response.status !== 201) throw new Error(await response.text());
    return (await response.json()) as DraftBody;
  }

  async publish(route: string, files: Files, bearer = this.admin): Promise<Response> {
    const draft = await this.start(route, files, bearer);
    await upload(draft, files);
    return this.complete(draft, bearer);
  }

  complete(draft: DraftBody, bearer = this.admin): Promise<Response> {
    return this.call('POST', `/api/drafts/${draft.id}/complete`, undefined, bearer);
  }
}

const bytesOf = (content: Uint8Array<ArrayBuffer> | string) =>
  typeof content === 'string' ? new TextEncoder().encode(content) : content;

export function declare(files: Files) {
  return Object.entries(files).map(([path, content]) => ({
    path,
    size: bytesOf(content).length,
    sha256: createHash('sha256').update(bytesOf(content)).digest('hex'),
  }));
}

/** Sends the parts that have not arrived. */
export async function upload(draft: DraftBody, files: Files): Promise<void> {
  for (const { path, partSize, parts } of draft.files) {
    for (const { number, url, done } of parts ?? []) {
      if (done) continue;
      const body = bytesOf(files[path]!).slice((number - 1) * partSize, number * partSize);
      const response = await fetch(url!, { method: 'PUT', body });
      if (response.status !== 200) throw new Error(await response.text());
    }
  }
}
