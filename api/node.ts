/**
 * Patchbay on Node: reads the settings, opens the parts, embedded or not, and serves. Prints one line on standard output
 * when all of it is up; everything else is structured log on standard error.
 */
import { type ServerType, serve } from '@hono/node-server';
import { getConnInfo } from '@hono/node-server/conninfo';
import type { Logger } from 'pino';
import { findBase } from '../db/bases.ts';
import { openTrainingQueue } from '../db/queue.ts';
import { ANYWHERE } from '../functions/anywhere.ts';
import type { Post } from '../functions/ports.ts';
import { Worker } from '../functions/worker.ts';
import { createLog } from '../observe/log.ts';
import { startTelemetry } from '../observe/start.ts';
import { assemble } from './assemble.ts';
import { type Auth, SCOPES } from './auth.ts';
import { type Config, readConfig } from './config.ts';
import { type Closing, closeServer } from './embedded/close-server.ts';
import { openDataFolder, StartError } from './embedded/data-folder.ts';
import { openBlobs, openDatabaseOf, reason, startRunner, startTrainRunner } from './embedded/open-parts.ts';
import { safePost } from './embedded/safe-post.ts';
import { seedCatalog } from './embedded/seed-catalog.ts';
import { Shutdown } from './embedded/shutdown.ts';
import { openSite } from './embedded/site.ts';
import { createHasher } from './hasher.ts';
import { baseSource } from './invoke.ts';
import { byItself } from './outlive.ts';
import { watchServer } from './server-gauges.ts';

const BOOTSTRAP_OWNER = 'admin';

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
  return (await auth.createKey(adminId, 'bootstrap', SCOPES, { actor: null })).key;
}

/** Opens every part. @returns what goes onto the line that says so */
async function open(config: Config, log: Logger, shutdown: Shutdown): Promise<string> {
  const telemetry = await startTelemetry('patchbay-api', process.env, log);
  shutdown.add('telemetry', telemetry.stop);
  const folder = await openDataFolder(config.dataFolder);
  shutdown.add('the data folder', () => folder.release());
  // The runner takes longest to come up and needs nothing of the others.
  const starting = startRunner(config, folder, log);
  starting.catch(() => undefined); // reported where it is awaited
  shutdown.add('the runner', async () => (await starting.catch(() => undefined))?.stop());
  const database = await openDatabaseOf(config, folder);
  const { db } = database;
  watchServer(database, () => new Date());
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

  const { auth: authSecret, signing, runner: ownToken } = folder.secrets;
  const now = () => new Date();
  const closing: Closing = { stopping: new AbortController(), ending: new AbortController() };
  const { app, deps } = await assemble({
    config,
    secrets: {
      auth: config.authSecret ?? authSecret,
      signing: config.signingKey ?? signing,
      runner: config.runner?.token ?? ownToken,
    },
    db,
    queue,
    blobs,
    embeddedRunner: runner && (() => runner.url),
    site: await openSite(),
    createHasher,
    peerOf: (c) => getConnInfo(c).remote.address,
    outlive: byItself,
    stopping: closing.stopping.signal,
    ending: closing.ending.signal,
    now,
    log,
    scrape: telemetry.scrape,
  });
  // Before anybody can sign up under this name.
  const adminId = await deps.auth.ensureUser(BOOTSTRAP_OWNER);
  const { server, url } = await listen(app.fetch, config);
  shutdown.add('the HTTP server', () => closeServer(server, closing));

  shutdown.add(
    'counting downloads',
    deps.downloads.keepWriting(db, now, (error) =>
      log.error({ error: reason(error) }, 'counting downloads failed'),
    ),
  );
  const baseId = await seedCatalog(deps, {
    userId: adminId,
    owner: BOOTSTRAP_OWNER,
    keyId: 'bootstrap',
    scopes: new Set(SCOPES),
    roles: new Map(),
    only: undefined,
    expiresAt: undefined,
  });
  // Only now: it would take what ships for something to verify, before its own verdict is there.
  if (!config.runner) {
    const training = await startTrainRunner(url, folder, log);
    shutdown.add('the training runner', () => training.stop());
  }
  const base = await findBase(db, baseId);
  if (base) await deps.runner.loadBase(await baseSource(deps, base));
  const post: Post = (to, headers, body) => safePost(config.webhooksAnywhere, to, headers, body);
  const worker = new Worker(ANYWHERE, { ...deps, post }, log);
  worker.start();
  shutdown.add('the worker', () => worker.stop());
  const key = await database.inTurn(() => bootstrapKey(deps.auth, adminId));
  return `${url}${key ? ` key ${key}` : ''}`;
}

async function start(config: Config): Promise<void> {
  const log = createLog('patchbay', config.logLevel);
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

try {
  await start(readConfig(process.env));
} catch (error) {
  const expected = error instanceof StartError || (error as Error).message?.match(/^[A-Z][A-Z0-9_]+ /);
  process.stderr.write(
    `patchbay: ${expected ? (error as Error).message : ((error as Error).stack ?? String(error))}\n`,
  );
  process.exit(1);
}
