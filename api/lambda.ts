/**
 * Patchbay in AWS Lambda, behind a function URL that streams (`InvokeMode: RESPONSE_STREAM`). An instance answers one request at a time
 * and is frozen between them, so schedules are kept by functions of their own.
 */
import { createHash } from 'node:crypto';
import type { Context } from 'hono';
import { getConnInfo, streamHandle } from 'hono/aws-lambda';
import { openDatabase } from '../db/open.ts';
import { openTrainingQueue } from '../db/queue.ts';
import { assemble, type Marketplace } from './assemble.ts';
import { createBlobStore } from './blob-store.ts';
import { type Config, readConfig } from './config.ts';
import { openSite } from './embedded/site.ts';

/** As CloudWatch reads it: a line of JSON. */
const write = (level: string) => (fields: object, message: string) =>
  console.error(JSON.stringify({ level, ...fields, msg: message }));
const log = { info: write('info'), error: write('error') };

/**
 * To be awaited while the instance starts, which has a whole processor; one that cannot start is replaced.
 * @param settings the environment, and what is secret from wherever that is kept
 */
export async function createHandler(settings: Record<string, string | undefined>) {
  // Others reach it, whatever it listens at: nobody makes an account who may not.
  const { app, deps } = await open(readConfig({ ...settings, HOST: '0.0.0.0' }));
  const fetch = async (request: Request, environment: object): Promise<Response> => {
    const response = await app.fetch(request, environment);
    // Before the answer has ended: after it, the instance is frozen.
    await deps.downloads
      .write(deps.db, deps.now())
      .catch((error: Error) => log.error({ error: error.message }, 'counting downloads failed'));
    return response;
  };
  return streamHandle({ fetch } as unknown as Marketplace['app']);
}

/** @throws Error naming the setting that is missing */
async function open(config: Config): Promise<Marketplace> {
  const { databaseUrl, s3, runner, authSecret, signingKey } = config;
  const missing = (name: string): never => {
    throw new Error(`${name} is needed here: there is no data folder that could hold what it names.`);
  };
  const database = await openDatabase({ url: databaseUrl ?? missing('DATABASE_URL') });
  return assemble({
    config,
    secrets: {
      auth: authSecret ?? missing('PATCHBAY_AUTH_SECRET'),
      signing: signingKey ?? missing('PATCHBAY_SIGNING_KEY'),
      runner: runner?.token ?? missing('PATCHBAY_RUNNER_TOKEN'),
    },
    db: database.db,
    queue: await openTrainingQueue(database, (error) =>
      log.error({ error: (error as Error).message }, 'housekeeping of the queue failed'),
    ),
    blobs: createBlobStore({ ...s3, endpoint: s3.endpoint ?? missing('S3_ENDPOINT') }),
    site: await openSite(),
    createHasher: () => {
      const hash = createHash('sha256');
      return { update: (chunk) => hash.update(chunk), digest: () => hash.digest('hex') };
    },
    peerOf: (c) => getConnInfo(c as unknown as Context).remote.address,
    now: () => new Date(),
    log,
  });
}
