/**
 * Patchbay on Node: reads the settings, opens the parts, embedded or not, and serves. Prints one line on standard output
 * when all of it is up; everything else is structured log on standard error.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { type ServerType, serve } from '@hono/node-server';
import { getConnInfo } from '@hono/node-server/conninfo';
import type { Context } from 'hono';
import pino, { type Logger } from 'pino';
import { findBase } from '../db/bases.ts';
import { recountLabels } from '../db/catalog.ts';
import { endExpiredLeases } from '../db/leases.ts';
import { type OpenDatabase, openDatabase } from '../db/open.ts';
import { openTrainingQueue } from '../db/queue.ts';
import { closeMonths } from '../db/usage.ts';
import { createApp } from './app.ts';
import { type Auth, createAuth, SCOPES } from './auth.ts';
import { type BlobStore, createBlobStore } from './blob-store.ts';
import { type Config, readConfig } from './config.ts';
import type { Hasher } from './content.ts';
import { deliverDue } from './deliver-webhooks.ts';
import { DownloadCounter, forgetOldDownloads } from './downloads.ts';
import { type DataFolder, openDataFolder, StartError } from './embedded/data-folder.ts';
import { RunnerProcess } from './embedded/runner-process.ts';
import { type EmbeddedS3, startEmbeddedS3 } from './embedded/s3.ts';
import { safePost } from './embedded/safe-post.ts';
import { seedCatalog } from './embedded/seed-catalog.ts';
import { Shutdown } from './embedded/shutdown.ts';
import { openSite } from './embedded/site.ts';
import { baseSource } from './invoke.ts';
import { meterStorage } from './metering.ts';
import { sweepDrafts } from './publish.ts';
import { createRunnerClient, loadedBases, type RunnerClient } from './runner-client.ts';
import { createSigner } from './signer.ts';
import { sweepUploads } from './user-files.ts';
import { verifyListed } from './verify.ts';

const BOOTSTRAP_OWNER = 'admin';
const SWEEP_MS = 10 * 60_000;
/** How often it is looked whether somebody is to be told something. */
const DELIVERY_MS = 2_000;
/** How often downloads are written. */
const COUNT_MS = 5_000;
/** How often leases of silent runners are looked for. */
const LEASE_SWEEP_MS = 10_000;
/** Streams get this long to end when the server is asked to stop. */
const GRACE_MS = 10_000;

function createHasher(): Hasher {
  const hash = createHash('sha256');
  return { update: (chunk) => hash.update(chunk), digest: () => hash.digest('hex') };
}

async function openDatabaseOf(config: Config, folder: DataFolder): Promise<OpenDatabase> {
  if (!config.databaseUrl) return openDatabase({ folder: join(folder.path, 'postgres') });
  try {
    return await openDatabase({ url: config.databaseUrl });
  } catch (error) {
    const { host } = new URL(config.databaseUrl);
    throw new StartError(`Postgres at ${host} cannot be used: ${reason(error)}. Check DATABASE_URL.`);
  }
}

async function openBlobs(
  config: Config,
  folder: DataFolder,
): Promise<{ blobs: BlobStore; server: EmbeddedS3 | undefined }> {
  const { endpoint, region, bucket, accessKeyId, secretAccessKey } = config.s3;
  const credentials = {
    region,
    accessKeyId: accessKeyId ?? 'patchbay',
    secretAccessKey: secretAccessKey ?? folder.secrets.s3,
  };
  const server = endpoint
    ? undefined
    : await startEmbeddedS3({
        folder: join(folder.path, 'objects'),
        host: config.host,
        port: 0,
        bucket,
        credentials,
      });
  const blobs = createBlobStore({ endpoint: endpoint ?? server!.endpoint, bucket, ...credentials });
  try {
    await blobs.prepare();
  } catch (error) {
    throw new StartError(
      `S3 at ${endpoint ?? server!.endpoint} cannot be used: ${reason(error)}. Check S3_ENDPOINT and its keys.`,
    );
  }
  return { blobs, server };
}

async function startRunner(
  config: Config,
  folder: DataFolder,
  log: Logger,
): Promise<{ client: RunnerClient; process?: RunnerProcess }> {
  const external = config.runner;
  if (external) return { client: createRunnerClient(() => external) };
  const token = folder.secrets.runner;
  const runner = new RunnerProcess({
    entry: 'main.ts',
    settings: {
      PATCHBAY_RUNNER_TOKEN: token,
      PATCHBAY_RUNNER_CACHE: join(folder.path, 'runner'),
      PATCHBAY_RUNNER_PORT: '0',
    },
    environment: process.env,
    log,
  });
  await runner.start();
  const endpoint = () => (runner.url === undefined ? undefined : { url: runner.url, token });
  return { client: createRunnerClient(endpoint), process: runner };
}

/** Asks the server at `url` for jobs, as one in a container does. */
async function startTrainRunner(url: string, folder: DataFolder, log: Logger): Promise<RunnerProcess> {
  const runner = new RunnerProcess({
    entry: 'train-main.ts',
    settings: {
      PATCHBAY_API_URL: url,
      PATCHBAY_RUNNER_TOKEN: folder.secrets.runner,
      PATCHBAY_RUNNER_CACHE: join(folder.path, 'train-runner'),
    },
    environment: process.env,
    log,
  });
  await runner.start();
  return runner;
}

function listen(
  fetch: (request: Request) => Response | Promise<Response>,
  { host, port }: Config,
): Promise<{ server: ServerType; url: string }> {
  return new Promise((resolve, reject) => {
    const server = serve({ fetch, hostname: host, port }, (address) => {
      resolve({ server, url: `http://${host.includes(':') ? `[${host}]` : host}:${address.port}` });
    });
    server.once('error', (error: NodeJS.ErrnoException) => {
      const what =
        error.code === 'EADDRINUSE'
          ? 'is taken. Set PORT to another one, or to 0 for any'
          : `cannot be used: ${error.message}`;
      reject(new StartError(`port ${port} of ${host} ${what}.`));
    });
  });
}

/**
 * A database without any key of the admin gets one, which is shown once. Made last of all: a start that was cut short
 * before it could show the key has not used it up.
 */
async function bootstrapKey(auth: Auth, adminId: string): Promise<string | undefined> {
  if ((await auth.listKeys(adminId)).length > 0) return undefined;
  return (await auth.createKey(adminId, 'bootstrap', SCOPES)).key;
}

/** Opens every part. @returns what goes onto the line that says so */
async function open(config: Config, log: Logger, shutdown: Shutdown): Promise<string> {
  const folder = await openDataFolder(config.dataFolder);
  shutdown.add('the data folder', () => folder.release());
  // The runner takes longest to come up and needs nothing of the others.
  const starting = startRunner(config, folder, log);
  starting.catch(() => undefined); // reported where it is awaited
  shutdown.add('the runner', async () => (await starting.catch(() => undefined))?.process?.stop());
  const database = await openDatabaseOf(config, folder);
  const { db } = database;
  shutdown.add('the database', database.close);
  const queue = await openTrainingQueue(database, (error) =>
    log.error({ error: reason(error) }, 'housekeeping of the queue failed'),
  );
  shutdown.add('the queue', queue.close);
  const { blobs, server: s3 } = await openBlobs(config, folder);
  shutdown.add('the object store', async () => {
    blobs.close();
    await s3?.close();
  });
  const runner = await starting;

  const auth = createAuth(db, {
    secret: folder.secrets.auth,
    baseUrl: config.publicUrl ?? `http://${config.host}:${config.port}`,
    signUp: config.signUp,
    github: config.github,
  });
  const now = () => new Date();
  const runnerToken = config.runner?.token ?? folder.secrets.runner;
  const signer = await createSigner(config.signingKey ?? folder.secrets.signing);
  const downloads = new DownloadCounter();
  const deps = {
    db,
    queue,
    blobs,
    auth,
    signer,
    downloads,
    oidcIssuers: config.oidcIssuers,
    limitFactor: config.limitFactor,
    loadedBases: loadedBases(runner.client),
    storageQuota: config.storageQuota,
    upstream: config.upstream,
    site: await openSite(),
    addressOf: addressOf(config.trustProxy),
    runner: runner.client,
    runnerToken,
    createHasher,
    now,
    log,
  };
  const { server, url } = await listen(createApp(deps).fetch, config);
  shutdown.add('the HTTP server', () => closeServer(server));

  shutdown.add('counting downloads', () => downloads.write(db, now()));
  const adminId = await auth.ensureUser(BOOTSTRAP_OWNER);
  const baseId = await seedCatalog(deps, {
    userId: adminId,
    owner: BOOTSTRAP_OWNER,
    keyId: 'bootstrap',
    scopes: new Set(SCOPES),
    roles: new Map(),
    only: undefined,
  });
  // Only now: it would take what ships for something to verify, before its own verdict is there.
  if (!config.runner) {
    const training = await startTrainRunner(url, folder, log);
    shutdown.add('the training runner', () => training.stop());
  }
  const base = await findBase(db, baseId);
  if (base) await runner.client.loadBase(await baseSource(deps, base));
  const regularly = (what: string, ms: number, work: () => Promise<unknown>) => {
    const timer = setInterval(() => {
      work().catch((error: unknown) => log.error({ error: reason(error) }, `${what} failed`));
    }, ms);
    shutdown.add(what, async () => clearInterval(timer));
  };
  regularly('sweeping drafts', SWEEP_MS, () => sweepDrafts(deps));
  regularly('sweeping uploads', SWEEP_MS, () => sweepUploads(deps));
  regularly('ending leases', LEASE_SWEEP_MS, () => endExpiredLeases(db, queue, now()));
  regularly('counting downloads', COUNT_MS, () => downloads.write(db, now()));
  regularly('forgetting old downloads', SWEEP_MS, () => forgetOldDownloads(db, now()));
  const post = (to: string, headers: Record<string, string>, body: string) =>
    safePost(config.webhooksAnywhere, to, headers, body);
  regularly('delivering webhooks', DELIVERY_MS, () => deliverDue({ db, now, post }));
  regularly('closing months', SWEEP_MS, () => closeMonths(db, now()));
  regularly('metering storage', SWEEP_MS, () => meterStorage(db, now()));
  regularly('counting labels', SWEEP_MS, () => recountLabels(db));
  regularly('verifying by new rules', SWEEP_MS, () => verifyListed(deps));
  const key = await bootstrapKey(auth, adminId);
  return `${url}${key ? ` key ${key}` : ''}`;
}

async function start(config: Config): Promise<void> {
  const log = pino({ name: 'patchbay', level: config.logLevel }, pino.destination(2));
  const shutdown = new Shutdown(log);
  shutdown.onSignals();
  try {
    const parts = await open(config, log, shutdown);
    if (!shutdown.begun) process.stdout.write(`ready ${parts}\n`);
  } catch (error) {
    // A start that was interrupted fails in one way or another; the signal decides how the process ends.
    if (!shutdown.begun) {
      await shutdown.run();
      throw error;
    }
  }
}

/** The address that a request came from; the one that the proxy in front saw, where there is one. */
const addressOf = (trustProxy: boolean) => (c: Context) => {
  const forwarded = trustProxy ? c.req.header('x-forwarded-for')?.split(',').at(-1)?.trim() : undefined;
  return forwarded || getConnInfo(c).remote.address || 'unknown';
};

function closeServer(server: ServerType): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    if (!('closeAllConnections' in server)) return;
    server.closeIdleConnections();
    setTimeout(() => server.closeAllConnections(), GRACE_MS).unref();
  });
}

function reason(error: unknown): string {
  if (error instanceof AggregateError) return reason(error.errors[0]);
  const { message, cause } = error as Error;
  return cause instanceof Error ? reason(cause) : message;
}

try {
  await start(readConfig(process.env));
} catch (error) {
  const expected = error instanceof StartError || (error as Error).message?.match(/^[A-Z][A-Z0-9_]+ /);
  process.stderr.write(
    `patchbay: ${expected ? (error as Error).message : ((error as Error).stack ?? String(error))}\n`,
  );
  process.exit(1);
}
