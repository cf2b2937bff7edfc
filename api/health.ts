/**
 * What a probe may ask without a key. `/healthz`: the process answers. `/readyz`: requests will be answered as they should be,
 * which needs the database with our schema in it and the object store. Without a runner the catalog is still served, so that
 * counts as degraded. Nothing is told that an outsider should not know, and reasons go into the log.
 */
import { Hono } from 'hono';
import { isMigrated } from '../db/migrated.ts';
import type { Database } from '../db/open.ts';
import { UNTRACED, within } from '../observe/trace.ts';
import type { BlobStore } from './blob-store.ts';
import { byItself, type Outlive } from './outlive.ts';
import type { RunnerClient } from './runner-client.ts';

/** What was found is believed this long: a probe in every millisecond costs no more than one in every second. */
const FRESH_MS = 1_000;
/** Something that takes longer to answer is not there. Below what Kubernetes and load balancers wait, set to five seconds. */
const DEADLINE_MS = 3_000;
/** A check that has not ended by then waits for a machine that is gone: a new one may find the one in its place. */
const GIVEN_UP_MS = 10_000;

export interface HealthDeps {
  readonly db: Database;
  readonly blobs: BlobStore;
  readonly runner: Pick<RunnerClient, 'health'>;
  readonly log: { error(fields: object, message: string): void };
  readonly outlive: Outlive;
}

export function healthRoutes({ db, blobs, runner, log, outlive }: HealthDeps): Hono {
  const failing = (what: string) => (error: Error) =>
    log.error({ what, error: error.message }, 'not ready: something this server needs is failing');
  const database = new Probe(() => isMigrated(db), failing('database'), outlive);
  const objectStore = new Probe((signal) => blobs.probe(signal), failing('object store'), outlive);
  const health = async () => void (await runner.health());
  const fleet = new Probe(health, failing('runner'), outlive);
  const app = new Hono();
  // By their paths: these routes lie at the root, where a rule without one would be a rule for the whole API.
  for (const path of ['/healthz', '/readyz'])
    app.use(path, async (c, next) => {
      await next();
      c.header('cache-control', 'no-store');
    });
  return app
    .get('/healthz', (c) => c.json({ status: 'ok' }))
    .get('/readyz', async (c) => {
      const [hasDatabase, hasObjects, hasRunner] = await Promise.all([
        database.passes(),
        objectStore.passes(),
        fleet.passes(),
      ]);
      const isReady = hasDatabase && hasObjects;
      const status = !isReady ? 'not_ready' : hasRunner ? 'ready' : 'degraded';
      const told = (passes: boolean) => (passes ? 'ok' : 'failing');
      const checks = {
        database: told(hasDatabase),
        object_store: told(hasObjects),
        runner: told(hasRunner),
      };
      return c.json({ status, checks }, isReady ? 200 : 503);
    });
}

/** A check that runs once at a time, however many ask and however long it takes. */
export class Probe {
  private readonly check: (signal: AbortSignal) => Promise<void>;
  private readonly onFailure: (error: Error) => void;
  private readonly outlive: Outlive;
  private running: Promise<boolean> | undefined;
  /** A check that is still under way when its time is up: no second one is started beside it, for a while. */
  private checking: { readonly since: number; readonly result: Promise<void> } | undefined;
  private known: { readonly at: number; readonly passes: boolean } | undefined;

  /** @param check throws where it fails. @param onFailure told when it begins to fail, not while it does */
  constructor(
    check: (signal: AbortSignal) => Promise<void>,
    onFailure: (error: Error) => void,
    outlive: Outlive = byItself,
  ) {
    this.outlive = outlive;
    this.check = check;
    this.onFailure = onFailure;
  }

  async passes(): Promise<boolean> {
    if (this.known && performance.now() - this.known.at < FRESH_MS) return this.known.passes;
    this.running ??= this.run().finally(() => {
      this.running = undefined;
    });
    return this.running;
  }

  private async run(): Promise<boolean> {
    const signal = AbortSignal.timeout(DEADLINE_MS);
    const late = new Promise<never>((_, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
    });
    const { result } = this.underWay() ?? this.begin(signal);
    this.outlive(result.catch(() => undefined));
    const passes = await Promise.race([result, late]).then(
      () => true,
      (error: unknown) => {
        if (this.known?.passes !== false) this.onFailure(error as Error);
        return false;
      },
    );
    this.known = { at: performance.now(), passes };
    return passes;
  }

  private underWay() {
    return this.checking && performance.now() - this.checking.since < GIVEN_UP_MS ? this.checking : undefined;
  }

  private begin(signal: AbortSignal) {
    const checked = within(UNTRACED, () => this.check(signal)); // every few seconds, and nobody's request
    const result = checked.finally(() => {
      if (this.checking === begun) this.checking = undefined;
    });
    const begun = { since: performance.now(), result };
    this.checking = begun;
    return begun;
  }
}
