/**
 * The marketplace as it grows: an API, two runners that answer, one that trains and verifies, each a process of its own, over a
 * real Postgres and a real S3 server. Between them are wires and a store's front that can be told to fail.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Pool } from 'pg';
import { type BlobStore, createBlobStore } from '../../api/blob-store.ts';
import { type OpenDatabase, openDatabase } from '../../db/open.ts';
import { baseFiles, baseId } from '../in-process.ts';
import { freePort, type PostgresForTests, startPostgres } from '../servers/postgres.ts';
import {
  type S3ForTests,
  startEmbeddedS3Process,
  startVersitygw,
  versitygwInstalled,
} from '../servers/versitygw.ts';
import { Client } from './client.ts';
import { Disk } from './disk.ts';
import { Link } from './link.ts';
import { Supervised } from './process.ts';
import { S3Faults } from './s3-faults.ts';
import type { Timeline } from './timeline.ts';
import { WebhookReceiver } from './webhook-receiver.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const TOKEN = 'token-of-the-runners-under-test';
const START_MS = 60_000;
const BUCKET = 'patchbay';

export class Deployment {
  readonly timeline: Timeline;
  readonly postgres: PostgresForTests;
  readonly s3: S3ForTests;
  readonly s3Faults: S3Faults;
  readonly webhooks: WebhookReceiver;
  /** By what they join. */
  readonly links: {
    readonly database: Link;
    readonly runner1: Link;
    readonly runner2: Link;
    /** By which all runners reach the API. */
    readonly api: Link;
    /** By which everybody reaches the object store. */
    readonly store: Link;
  };
  readonly disks: { readonly runner1: Disk; readonly runner2: Disk; readonly trainer: Disk };
  readonly api: Supervised;
  readonly runner1: Supervised;
  readonly runner2: Supervised;
  readonly trainer: Supervised;
  /** Until a server that was ended is up again. */
  readonly crashing: Record<'postgres' | 's3', Promise<void>> = {
    postgres: Promise.resolve(),
    s3: Promise.resolve(),
  };
  /** Past all wires: for what is looked at, not for what is tested. */
  readonly database: Pool;
  readonly open: OpenDatabase;
  readonly store: BlobStore;
  readonly url: string;
  private readonly folder: string;
  private readonly probes: readonly string[];
  private key = '';

  private constructor(parts: {
    folder: string;
    timeline: Timeline;
    postgres: PostgresForTests;
    s3: S3ForTests;
    s3Faults: S3Faults;
    webhooks: WebhookReceiver;
    links: Deployment['links'];
    databaseUrl: string;
    open: OpenDatabase;
    ports: { api: number; runner1: number; runner2: number };
    settings: Readonly<Record<string, string>>;
  }) {
    const { folder, timeline, postgres, s3, s3Faults, webhooks, links, databaseUrl, ports, settings } = parts;
    this.open = parts.open;
    this.folder = folder;
    this.timeline = timeline;
    this.postgres = postgres;
    this.s3 = s3;
    this.s3Faults = s3Faults;
    this.webhooks = webhooks;
    this.links = links;
    this.url = `http://127.0.0.1:${ports.api}`;
    this.probes = Object.values(ports).map((port) => `http://127.0.0.1:${port}/readyz`);
    const disk = (name: string) => new Disk(join(folder, name));
    this.disks = { runner1: disk('runner1'), runner2: disk('runner2'), trainer: disk('trainer') };
    this.database = new Pool({ connectionString: databaseUrl, max: 2 });
    this.database.on('error', () => undefined); // it is restarted under us
    const { endpoint, region, accessKeyId, secretAccessKey } = s3;
    this.store = createBlobStore({ endpoint, region, accessKeyId, secretAccessKey, bucket: BUCKET });
    const supervised = (name: string, entry: string, upWhen: string, environment: Record<string, string>) =>
      new Supervised({
        name,
        entry: join(root, entry),
        environment,
        upWhen,
        clockFile: join(folder, `${name}.clock`),
        timeline,
      });
    const shared = {
      PATCHBAY_RUNNER_TOKEN: TOKEN,
      PATCHBAY_RUNNER_THREADS: '1',
      PATCHBAY_API_URL: `http://127.0.0.1:${links.api.port}`,
      ...settings,
    };
    const runner = (name: 'runner1' | 'runner2') =>
      supervised(name, 'gpu-runner/main.ts', 'listening', {
        ...shared,
        PATCHBAY_RUNNER_CACHE: this.disks[name].folder,
        PATCHBAY_RUNNER_PORT: String(ports[name]),
        PATCHBAY_RUNNER_PUBLIC_URL: `http://127.0.0.1:${links[name].port}`,
      });
    this.runner1 = runner('runner1');
    this.runner2 = runner('runner2');
    const throughLink = new URL(databaseUrl);
    throughLink.port = String(links.database.port);
    this.api = supervised('api', 'api/start.js', 'ready http', {
      PORT: String(ports.api),
      PATCHBAY_DATA: join(folder, 'api'),
      DATABASE_URL: throughLink.href,
      S3_ENDPOINT: `http://127.0.0.1:${links.store.port}`,
      S3_REGION: region,
      S3_ACCESS_KEY_ID: accessKeyId,
      S3_SECRET_ACCESS_KEY: secretAccessKey,
      S3_BUCKET: BUCKET,
      PATCHBAY_RUNNERS: 'reporting',
      PATCHBAY_RUNNER_TOKEN: TOKEN,
      PATCHBAY_WEBHOOKS_ANYWHERE: 'yes',
    });
    this.trainer = supervised('trainer', 'gpu-runner/train-main.ts', 'waiting for jobs', {
      ...shared,
      PATCHBAY_RUNNER_CACHE: this.disks.trainer.folder,
      PATCHBAY_RUNNER_NAME: 'trainer',
    });
  }

  /** With a base, prices, and a webhook. @param settings of the runners */
  static async start(
    timeline: Timeline,
    settings: Readonly<Record<string, string>> = {},
  ): Promise<Deployment> {
    const folder = await mkdtemp(join(tmpdir(), 'patchbay-faults-'));
    const [postgres, s3, webhooks] = await Promise.all([
      startPostgres(),
      versitygwInstalled ? startVersitygw() : startEmbeddedS3Process(),
      WebhookReceiver.open(),
    ]);
    const databaseUrl = await postgres.createDatabase('patchbay');
    const ports = { api: await freePort(), runner1: await freePort(), runner2: await freePort() };
    const s3Faults = await S3Faults.open(s3.endpoint);
    const deployment = new Deployment({
      folder,
      timeline,
      postgres,
      s3,
      s3Faults,
      webhooks,
      links: {
        database: await Link.open(postgres.port),
        runner1: await Link.open(ports.runner1),
        runner2: await Link.open(ports.runner2),
        api: await Link.open(ports.api),
        store: await Link.open(Number(new URL(s3Faults.endpoint).port)),
      },
      databaseUrl,
      open: await openDatabase({ url: databaseUrl }),
      ports,
      settings,
    });
    try {
      await deployment.ready();
      await deployment.furnish();
    } catch (error) {
      const logs = deployment.processes.map(({ name, log }) => `--- ${name}\n${log.slice(-4_000)}`);
      await deployment.remove();
      throw new Error(`the deployment did not come up: ${(error as Error).message}\n${logs.join('\n')}`);
    }
    return deployment;
  }

  client(): Client {
    return new Client(this.url, this.key);
  }

  get processes(): readonly Supervised[] {
    return [this.api, this.runner1, this.runner2, this.trainer];
  }

  /** Waits until everybody answers. @throws Error */
  async ready(): Promise<void> {
    const deadline = performance.now() + START_MS;
    const isUp = async () => {
      if (!this.key) this.key = / key (pb_\S+)/.exec(this.api.log)?.[1] ?? '';
      if (!this.key) return false;
      const answers = this.probes.map((probe) => fetch(probe));
      return (await Promise.all(answers)).every(({ ok }) => ok) && this.processes.every(({ isUp }) => isUp);
    };
    while (!(await isUp().catch(() => false))) {
      if (performance.now() > deadline) throw new Error('not everything answers');
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  async remove(): Promise<void> {
    await this.trainer.stop();
    await Promise.all([this.runner1.stop(), this.runner2.stop()]);
    await this.api.stop();
    await Promise.all([this.database.end(), this.open.close()]);
    this.store.close();
    await Promise.all(Object.values(this.links).map((link) => link.close()));
    await this.s3Faults.close();
    await this.webhooks.close();
    await Promise.all([this.s3.close(), this.postgres.close()]);
    for (const disk of Object.values(this.disks)) disk.remove();
    await rm(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }

  private async furnish(): Promise<void> {
    const client = this.client();
    await client.publish(`/api/bases/${baseId}`, {}, await baseFiles());
    for (const [kind, dollars] of [
      ['prompt', 1],
      ['completion', 3],
      ['training', 2],
    ] as const)
      await client.ok('POST', '/api/prices', { kind, perMillion: dollars });
    const { secret } = (await client.ok('POST', '/api/webhooks', { url: this.webhooks.url })) as {
      secret: string;
    };
    this.webhooks.secret = secret;
  }
}
