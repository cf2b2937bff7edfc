/**
 * The marketplace, put together of parts that are open. An entry (Node, workerd, Lambda) opens them as its runtime can, and
 * serves what comes out of here; nothing else differs between runtimes.
 */
import type { Context } from 'hono';
import type { Database } from '../db/open.ts';
import type { TrainingQueue } from '../db/queue.ts';
import { liveRunners } from '../db/runners.ts';
import { COLD_START_MS, SILENT_MS } from '../functions/fleet.ts';
import { addressOf } from './address.ts';
import { type AppDeps, createApp, type Log } from './app.ts';
import { createAuth } from './auth.ts';
import type { BlobStore } from './blob-store.ts';
import type { Config } from './config.ts';
import type { CreateHasher } from './content.ts';
import type { AppEnv } from './context.ts';
import { DownloadCounter } from './downloads.ts';
import { Demand } from './fleet/demand.ts';
import { createFleet } from './fleet/fleet.ts';
import type { Outlive } from './outlive.ts';
import { loadedBases } from './runner-client.ts';
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
  /** Where the runner of this very process listens, while it does; absent: all are elsewhere. */
  readonly embeddedRunner?: (() => string | undefined) | undefined;
  readonly site: Site | undefined;
  readonly createHasher: CreateHasher;
  /** The address at the other end of a request's connection. */
  readonly peerOf: (c: Context<AppEnv>) => string | undefined;
  readonly outlive: Outlive;
  /** Aborted when a server begins to stop. */
  readonly stopping?: AbortSignal | undefined;
  /** Aborted when a server that stops waits for its answers no longer; absent where the platform sees to that. */
  readonly ending?: AbortSignal | undefined;
  /** Whether a request may have a few megabytes only. */
  readonly smallBodies?: boolean;
  readonly now: () => Date;
  readonly log: Log;
  /** What /metrics answers; absent where there is none. */
  readonly scrape?: (() => Promise<string>) | undefined;
}

/** A child process that died is there again by then. */
const RESTART_MS = 15_000;

export interface Marketplace {
  readonly app: ReturnType<typeof createApp>;
  readonly deps: AppDeps;
}

export async function assemble(parts: Parts): Promise<Marketplace> {
  const { config, secrets, db, queue, blobs, embeddedRunner, site } = parts;
  const { createHasher, peerOf, outlive, stopping, ending, now, log, scrape } = parts;
  const auth = createAuth(db, {
    secret: secrets.auth,
    baseUrl: config.publicUrl ?? `http://${config.host}:${config.port}`,
    signUp: config.signUp,
    github: config.github,
  });
  const demand = new Demand(db, log, outlive);
  const runner = createFleet({
    token: secrets.runner,
    registered: () => liveRunners(db, SILENT_MS),
    fixed: () =>
      embeddedRunner ? [embeddedRunner()].flatMap((url) => url ?? []) : (config.runner?.urls ?? []),
    coldStartMs: embeddedRunner ? RESTART_MS : COLD_START_MS,
    asked: (baseId, answers) => demand.count(baseId, answers),
    crowd: () => demand.crowd,
    stopping,
    outlive,
  });
  const deps = {
    db,
    queue,
    blobs,
    auth,
    signer: await createSigner(secrets.signing, config.formerSigningKeys),
    downloads: new DownloadCounter(),
    oidcIssuers: config.oidcIssuers,
    limitFactor: config.limitFactor,
    publicUrl: config.publicUrl,
    loadedBases: loadedBases(runner),
    storageQuota: config.storageQuota,
    upstream: config.upstream,
    smallBodies: parts.smallBodies,
    site,
    addressOf: addressOf(config.trustProxy, peerOf),
    runner,
    runnerToken: secrets.runner,
    otherRunnerToken: config.otherRunnerToken,
    metrics: scrape && { scrape, token: config.metricsToken },
    createHasher,
    outlive,
    stopping,
    ending,
    now,
    log,
  };
  return { app: createApp(deps), deps };
}
