/** One marketplace on real servers, and the ways into it: the same database, objects and runner, whichever runtime answers. */
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pino from 'pino';
import { RunnerProcess } from '../../api/embedded/runner-process.ts';
import { RunnerHealth } from '../../functions/generate.ts';
import { TestServer } from '../harness.ts';
import type { ChildServer } from '../servers/child.ts';
import { startLambda } from '../servers/lambda.ts';
import { startPostgres } from '../servers/postgres.ts';
import { startS3 } from '../servers/s3.ts';
import { buildWorker, startWorkerd } from '../servers/workerd.ts';

const log = pino({ level: 'silent' });
const RUNNER_TOKEN = 'token-of-the-conformance-tests';

export interface Marketplace {
  /** The server that migrates, and keeps house. */
  readonly node: TestServer;
  /** What every way in is told. */
  readonly settings: Readonly<Record<string, string>>;
  /** A runner that trains and verifies, and asks at `url` for what there is to do. */
  startTrainRunner(url: string): Promise<RunnerProcess>;
  /** Answers that the runner is making. */
  running(): Promise<number>;
  close(): Promise<void>;
}

export async function startMarketplace(): Promise<Marketplace> {
  const folder = await mkdtemp(join(tmpdir(), 'patchbay-conformance-'));
  const runner = new RunnerProcess({
    entry: 'main.ts',
    settings: {
      PATCHBAY_RUNNER_TOKEN: RUNNER_TOKEN,
      PATCHBAY_RUNNER_CACHE: join(folder, 'runner'),
      PATCHBAY_RUNNER_PORT: '0',
    },
    environment: process.env,
    log,
  });
  const [postgres, s3] = await Promise.all([startPostgres(), startS3(), runner.start()]);
  const settings = {
    DATABASE_URL: await postgres.createDatabase('patchbay'),
    S3_ENDPOINT: s3.endpoint,
    S3_REGION: s3.region,
    S3_ACCESS_KEY_ID: s3.accessKeyId,
    S3_SECRET_ACCESS_KEY: s3.secretAccessKey,
    PATCHBAY_RUNNER_URL: runner.url!,
    PATCHBAY_RUNNER_TOKEN: RUNNER_TOKEN,
    PATCHBAY_AUTH_SECRET: 'secret-of-the-conformance-tests-sessions',
    PATCHBAY_SIGNING_KEY: '5'.repeat(64),
    PATCHBAY_SIGN_UP: 'open',
  };
  const node = await TestServer.start(settings);
  return {
    node,
    settings,
    async startTrainRunner(url) {
      const training = new RunnerProcess({
        entry: 'train-main.ts',
        settings: {
          PATCHBAY_API_URL: url,
          PATCHBAY_RUNNER_TOKEN: RUNNER_TOKEN,
          PATCHBAY_RUNNER_CACHE: join(folder, 'train-runner'),
        },
        environment: process.env,
        log,
      });
      await training.start();
      return training;
    },
    async running() {
      const headers = { authorization: `Bearer ${RUNNER_TOKEN}` };
      const health = await (await fetch(`${runner.url}/health`, { headers })).json();
      return RunnerHealth.parse(health).running;
    },
    async close() {
      await node.remove();
      await runner.stop();
      await s3.close();
      await postgres.close();
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

/** A copy that says something else, so that it is not there already; measured on few rows, so that the gate is quick. */
export async function copyAdapter(from: string, to: string, card: string): Promise<void> {
  await cp(from, to, { recursive: true });
  await writeFile(join(to, 'README.md'), card);
  const rows = (await readFile(join(from, 'eval.jsonl'), 'utf8')).split('\n');
  await writeFile(join(to, 'eval.jsonl'), rows.slice(0, 8).join('\n'));
}

export interface WayIn extends Pick<ChildServer, 'stop' | 'log'> {
  readonly url: string;
}

export interface Runtime {
  readonly name: string;
  /** Before the tests: it may be built. */
  prepare(): void;
  /** What cannot be so here, and why. */
  readonly gaps: { readonly leaving?: string };
  open(marketplace: Marketplace): Promise<WayIn>;
}

export const RUNTIMES: readonly Runtime[] = [
  {
    name: 'Node',
    prepare: () => undefined,
    gaps: {},
    open: async ({ node }) => ({ url: node.url, log: () => node.log, stop: async () => undefined }),
  },
  {
    name: 'workerd',
    prepare: buildWorker,
    gaps: {},
    open: ({ settings }) => startWorkerd(settings),
  },
  {
    name: 'Lambda',
    prepare: () => undefined,
    gaps: { leaving: 'AWS does not tell a function that its client has left: the answer is made to its end' },
    open: ({ settings }) => startLambda(settings),
  },
];
