/**
 * Patchbay at the edge: a worker for workerd. It answers requests and does nothing between them, so another process of the same
 * marketplace migrates the database and keeps the queue's house.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { isMigrated } from '../db/migrated.ts';
import { openPerRequest, RequestConnection } from '../db/per-request.ts';
import { joinTrainingQueue } from '../db/queue.ts';
import { ANYWHERE } from '../functions/anywhere.ts';
import { POST_MS, type Post } from '../functions/ports.ts';
import { runDue } from '../functions/ticks.ts';
import type { Log } from './app.ts';
import { assemble, type Marketplace } from './assemble.ts';
import { createBlobStore } from './blob-store.ts';
import { type Config, readConfig } from './config.ts';
import { consoleLog } from './console-log.ts';
import { builtFiles, type Service } from './edge-site.ts';
import { ApiError, problemJson } from './errors.ts';
import { createHasher } from './hasher.ts';
import type { Outlive } from './outlive.ts';
import { reachedByOthers, remoteParts } from './remote-parts.ts';
import type { Site } from './site.ts';

export interface EdgeBindings {
  /** The built site's files. */
  readonly ASSETS: Service;
  /** Leads nowhere but to public addresses: what strangers name is asked through it. */
  readonly PUBLIC: Service;
  /** The settings; null: not set. */
  readonly [setting: string]: unknown;
}

interface ExecutionContext {
  /** Until then the request's I/O lives on, though the answer was sent, or nobody waits for it any more. */
  waitUntil(work: Promise<unknown>): void;
}

/** @param pages the site's, as built */
export function createWorker(pages: Omit<Site, 'asset'>) {
  let opened: Promise<Edge> | undefined;
  const edge = (bindings: EdgeBindings, context: ExecutionContext): Promise<Edge> => {
    opened ??= Edge.open(bindings, pages, context).catch((error: Error) => {
      opened = undefined; // the next request tries again
      throw error;
    });
    // Others wait for it, too: it must not end with the request that began it.
    context.waitUntil(opened.catch(() => undefined));
    return opened;
  };
  return {
    async fetch(request: Request, bindings: EdgeBindings, context: ExecutionContext): Promise<Response> {
      try {
        return await (await edge(bindings, context)).answer(request, context);
      } catch (error) {
        return cannotServe(error as Error);
      }
    },

    /** By a cron trigger: runs what is due of the schedules, unless another process does. */
    async scheduled(_event: unknown, bindings: EdgeBindings, context: ExecutionContext): Promise<void> {
      await (await edge(bindings, context)).runDue(bindings.PUBLIC, context);
    },
  };
}

/** What belongs to one request, or to one event of a trigger. */
interface Scope {
  readonly connection: RequestConnection;
  readonly outlive: Outlive;
}

class Edge {
  private readonly scopes: AsyncLocalStorage<Scope>;
  private readonly databaseUrl: string;
  private readonly marketplace: Marketplace;
  private readonly log: Log;

  private constructor(
    scopes: AsyncLocalStorage<Scope>,
    databaseUrl: string,
    marketplace: Marketplace,
    log: Log,
  ) {
    this.scopes = scopes;
    this.databaseUrl = databaseUrl;
    this.marketplace = marketplace;
    this.log = log;
  }

  /** @throws Error naming the setting that is missing or wrong, or what cannot be reached */
  static async open(
    bindings: EdgeBindings,
    pages: Omit<Site, 'asset'>,
    context: ExecutionContext,
  ): Promise<Edge> {
    const config = configOf(bindings);
    const log = consoleLog(config.logLevel);
    const { databaseUrl, store, secrets } = remoteParts(config);
    const scopes = new AsyncLocalStorage<Scope>();
    const scope = () => scopes.getStore() ?? outside();
    const db = openPerRequest(() => scope().connection);
    const opening = scopeOf(databaseUrl, context);
    const marketplace = await scopes.run(opening, async () => {
      await isMigrated(db);
      return assemble({
        config,
        secrets,
        db,
        queue: await joinTrainingQueue(db),
        blobs: createBlobStore(store),
        site: { ...pages, asset: builtFiles(bindings.ASSETS) },
        createHasher,
        // workerd does not say; a proxy in front does (PATCHBAY_TRUST_PROXY).
        peerOf: () => undefined,
        outlive: (work) => scope().outlive(work),
        now: () => new Date(),
        log,
      });
    });
    await opening.connection.close();
    return new Edge(scopes, databaseUrl, marketplace, log);
  }

  async answer(request: Request, context: ExecutionContext): Promise<Response> {
    const { app, deps } = this.marketplace;
    const scope = scopeOf(this.databaseUrl, context);
    const answering = this.scopes.run(scope, async () => app.fetch(request));
    // As on Node, what was begun is brought to its end though the client has left.
    scope.outlive(
      answering
        .then(() => this.scopes.run(scope, () => deps.downloads.write(deps.db, deps.now())))
        .catch((error: Error) => this.log.error({ error: error.message }, 'counting downloads failed'))
        .finally(() => scope.connection.close()),
    );
    const answer = await answering;
    // Else the runtime would compress once more what says that it is compressed.
    return answer.headers.has('content-encoding')
      ? new Response(answer.body, { ...partsOf(answer), encodeBody: 'manual' } as ResponseInit)
      : answer;
  }

  async runDue(outside: Service, context: ExecutionContext): Promise<void> {
    const { deps } = this.marketplace;
    const post: Post = async (url, headers, body) => {
      const signal = AbortSignal.timeout(POST_MS);
      const request = new Request(url, { method: 'POST', headers, body, redirect: 'manual', signal });
      const { status, body: answer } = await outside.fetch(request);
      await answer?.cancel();
      return status;
    };
    const scope = scopeOf(this.databaseUrl, context);
    await this.scopes.run(scope, () => runDue(ANYWHERE, { ...deps, post }, this.log));
    await scope.connection.close();
  }
}

const scopeOf = (databaseUrl: string, context: ExecutionContext): Scope => ({
  connection: new RequestConnection(databaseUrl),
  outlive: (work) => context.waitUntil(work),
});

function outside(): never {
  throw new Error('outside of any request');
}

const partsOf = ({ status, headers }: Response) => ({ status, headers });

function configOf(bindings: EdgeBindings): Config {
  const settings = Object.entries(bindings).filter(([, value]) => typeof value === 'string');
  return readConfig(reachedByOthers(Object.fromEntries(settings) as Record<string, string>));
}

/** Whoever asked is told no more than that it is on our side. */
function cannotServe(error: Error): Response {
  const requestId = crypto.randomUUID();
  consoleLog('error').error({ requestId, error: error.stack ?? String(error) }, 'cannot serve');
  const problem = new ApiError('unavailable', 'This server is not ready; its operator finds why in the log.');
  return Response.json(problemJson(problem, requestId), {
    status: problem.status,
    headers: { 'content-type': 'application/problem+json', 'x-request-id': requestId },
  });
}
