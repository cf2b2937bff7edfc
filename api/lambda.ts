/**
 * Patchbay in AWS Lambda, behind a function URL that streams (`InvokeMode: RESPONSE_STREAM`). An instance answers one request at a
 * time and is frozen between them, so like the edge it leaves migrations and the queue's housekeeping to others; unlike there its
 * connections stay, for as long as the database lets them: it sleeps only when nobody is connected, and who is frozen cannot hang up.
 */
import type { Context } from 'hono';
import { getConnInfo, type LambdaEvent, streamHandle } from 'hono/aws-lambda';
import { isMigrated } from '../db/migrated.ts';
import { type Connected, connect } from '../db/postgres.ts';
import { joinTrainingQueue } from '../db/queue.ts';
import { assemble, type Marketplace } from './assemble.ts';
import { createBlobStore } from './blob-store.ts';
import { readConfig } from './config.ts';
import { consoleLog } from './console-log.ts';
import { openSite } from './embedded/site.ts';
import { createHasher } from './hasher.ts';
import type { Outlive } from './outlive.ts';
import { reachedByOthers, remoteParts } from './remote-parts.ts';

/** What hono hands on of an invocation. */
interface LambdaEnv {
  Bindings: { event: LambdaEvent & { headers: Record<string, string | undefined> } };
}

/** One request at a time asks few things at once. */
const CONNECTIONS = 2;
/** After so long without a question the database ends a session. */
const SESSION_SECONDS = 60;
/** After so long a pause no connection is trusted: less than the database gives it. */
const TRUSTED_MS = 30_000;

/** Tells of a request's headers who asks, where something of ours is in front; nothing: whoever asked Lambda. */
type ViewerOf = (headers: Readonly<Record<string, string | undefined>>) => string | undefined;

/**
 * To be awaited while the instance starts, which has a whole processor; one that cannot start is replaced.
 * @param settings the environment, and what is secret from wherever that is kept
 */
export async function createHandler(
  settings: Record<string, string | undefined>,
  viewerOf: ViewerOf = () => undefined,
) {
  const works = new Works();
  const { marketplace, connections } = await open(settings, works.outlive, viewerOf);
  let askedAt = Date.now();
  const fetch = async (request: Request, environment: object) => {
    if (Date.now() - askedAt > TRUSTED_MS) await connections.dropIdle();
    const response = await answer(marketplace, works, request, environment);
    askedAt = Date.now();
    return response;
  };
  return streamHandle({ fetch } as unknown as Marketplace['app']);
}

async function open(
  settings: Record<string, string | undefined>,
  outlive: Outlive,
  viewerOf: ViewerOf,
): Promise<{ marketplace: Marketplace; connections: Connected }> {
  const config = readConfig(reachedByOthers(settings));
  const { databaseUrl, store, secrets } = remoteParts(config);
  const connections = connect(databaseUrl, CONNECTIONS, SESSION_SECONDS);
  const { db } = connections;
  await isMigrated(db);
  const marketplace = await assemble({
    config,
    secrets,
    db,
    queue: await joinTrainingQueue(db),
    blobs: createBlobStore(store),
    site: await openSite(),
    createHasher,
    peerOf: (c) => peerOf(c as unknown as Context<LambdaEnv>, viewerOf),
    outlive,
    smallBodies: true, // 6 MB, as base64
    now: () => new Date(),
    log: consoleLog(config.logLevel),
  });
  return { marketplace, connections };
}

/** Read off the event: a page of the site asks the API in the name of whoever looks at it, with the same event and other headers. */
const peerOf = (c: Context<LambdaEnv>, viewerOf: ViewerOf): string | undefined =>
  viewerOf(c.env.event.headers) ?? getConnInfo(c).remote.address;

/** Ends only when what it left to be done is done: the instance is frozen then. */
async function answer(
  { app, deps }: Marketplace,
  works: Works,
  request: Request,
  environment: object,
): Promise<Response> {
  const response = await app.fetch(request, environment);
  const settle = async () => {
    await works.settled();
    await deps.downloads
      .write(deps.db, deps.now())
      .catch((error: Error) => deps.log.error({ error: error.message }, 'counting downloads failed'));
  };
  if (response.body)
    return new Response(response.body.pipeThrough(new TransformStream({ flush: settle })), response);
  await settle();
  return response;
}

/** What is still to be done when the answer has been sent. */
class Works {
  private readonly running = new Set<Promise<unknown>>();

  readonly outlive: Outlive = (work) => {
    const settled = work.catch(() => undefined).finally(() => this.running.delete(settled));
    this.running.add(settled);
  };

  async settled(): Promise<void> {
    while (this.running.size > 0) await Promise.all(this.running);
  }
}
