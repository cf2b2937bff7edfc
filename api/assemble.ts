/**
 * The marketplace, put together of parts that are open. An entry (Node, workerd, Lambda) opens them as its runtime can, and
 * serves what comes out of here; nothing else differs between runtimes.
 */
import type { Context } from 'hono';
import type { Database } from '../db/open.ts';
import type { TrainingQueue } from '../db/queue.ts';
import { type AppDeps, createApp, type Log } from './app.ts';
import { createAuth } from './auth.ts';
import type { BlobStore } from './blob-store.ts';
import type { Config } from './config.ts';
import type { Hasher } from './content.ts';
import type { AppEnv } from './context.ts';
import { DownloadCounter } from './downloads.ts';
import { loadedBases, type RunnerClient } from './runner-client.ts';
import { createSigner } from './signer.ts';
import type { Site } from './site.ts';

/** What must be the same wherever the marketplace runs. */
export interface Secrets {
  /** Signs sessions. */
  readonly auth: string;
  /** Signs verification records. */
  readonly signing: string;
  /** What runners show. */
  readonly runner: string;
}

export interface Parts {
  readonly config: Config;
  readonly secrets: Secrets;
  readonly db: Database;
  readonly queue: TrainingQueue;
  readonly blobs: BlobStore;
  readonly runner: RunnerClient;
  readonly site: Site | undefined;
  readonly createHasher: () => Hasher;
  /** The address at the other end of a request's connection. */
  readonly peerOf: (c: Context<AppEnv>) => string | undefined;
  readonly now: () => Date;
  readonly log: Log;
}

export interface Marketplace {
  readonly app: ReturnType<typeof createApp>;
  readonly deps: AppDeps;
}

export async function assemble(parts: Parts): Promise<Marketplace> {
  const { config, secrets, db, queue, blobs, runner, site, createHasher, peerOf, now, log } = parts;
  const auth = createAuth(db, {
    secret: secrets.auth,
    baseUrl: config.publicUrl ?? `http://${config.host}:${config.port}`,
    signUp: config.signUp,
    github: config.github,
  });
  const deps = {
    db,
    queue,
    blobs,
    auth,
    signer: await createSigner(secrets.signing),
    downloads: new DownloadCounter(),
    oidcIssuers: config.oidcIssuers,
    limitFactor: config.limitFactor,
    loadedBases: loadedBases(runner),
    storageQuota: config.storageQuota,
    upstream: config.upstream,
    site,
    addressOf: addressOf(config.trustProxy, peerOf),
    runner,
    runnerToken: secrets.runner,
    createHasher,
    now,
    log,
  };
  return { app: createApp(deps), deps };
}

/** The address that a request came from; the one that the proxy in front saw, where there is one. */
const addressOf = (trustProxy: boolean, peerOf: Parts['peerOf']) => (c: Context<AppEnv>) => {
  const forwarded = trustProxy ? c.req.header('x-forwarded-for')?.split(',').at(-1)?.trim() : undefined;
  return forwarded || peerOf(c) || 'unknown';
};
