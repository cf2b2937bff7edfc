/** The code that Lambdas get, as it is built, on a real Postgres and a real object store. */
import { execFile, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Client } from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startEmbeddedS3 } from '../../../api/embedded/s3.ts';
import { ANYWHERE } from '../../../functions/anywhere.ts';
import { startPostgres } from '../../../test/servers/postgres.ts';
import { setUp } from '../../../test/servers/set-up.ts';
import { queueAgeLine } from './queue-age.ts';
import { askApi } from './scale.ts';
import { secretSettings } from './secrets.ts';
import { ORIGIN_HEADER, VIEWER_HEADER } from './viewer.ts';

const ORIGIN_TOKEN = 'f'.repeat(64);

let code: string;
let environment: Record<string, string>;
let looking: Client;
const close: (() => unknown)[] = [];

beforeAll(async () => {
  code = mkdtempSync(join(tmpdir(), 'patchbay-lambda-'));
  close.push(() => rmSync(code, { recursive: true }));
  execFileSync(process.execPath, [join(import.meta.dirname, '../build.ts'), code], { stdio: 'ignore' });
  const postgres = await startPostgres();
  close.push(() => postgres.close());
  const url = await postgres.createDatabase('patchbay');
  const keys = { region: 'us-east-1', accessKeyId: 'patchbay', secretAccessKey: 'secret-of-the-tests' };
  const s3 = await startEmbeddedS3({
    folder: join(code, 'objects'),
    host: '127.0.0.1',
    port: 0,
    bucket: 'patchbay',
    credentials: keys,
  });
  close.push(() => s3.close());
  // What the task that sets up does before anybody asks.
  await setUp(url);
  looking = new Client({ connectionString: url });
  await looking.connect();
  close.push(() => looking.end());
  environment = {
    PATH: process.env['PATH']!,
    DATABASE_URL: url,
    S3_ENDPOINT: s3.endpoint,
    // As Lambda lends them to a function.
    AWS_ACCESS_KEY_ID: keys.accessKeyId,
    AWS_SECRET_ACCESS_KEY: keys.secretAccessKey,
  };
});

afterAll(async () => {
  for (const step of close.reverse()) await step();
});

/** @returns what the handler of a new instance answers to EventBridge, and how many are connected to the database then */
async function tick(name: string): Promise<{ result: unknown; connected: number }> {
  const program = `
    const { handler } = await import(${JSON.stringify(join(code, 'api/function/index.mjs'))});
    console.log(JSON.stringify(await handler({ 'detail-type': 'Scheduled Event', source: 'aws.events', detail: {} })));
    process.stdin.resume(); // frozen: it is there, and does nothing`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    env: { ...environment, PATCHBAY_FUNCTION: name },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = new Promise<string>((resolve) => child.once('exit', () => resolve('"it ended"')));
  const line = new Promise<string>((resolve) => child.stdout.once('data', (chunk) => resolve(`${chunk}`)));
  const result = JSON.parse(await Promise.race([line, ended]));
  // A connection that was closed is there until its process on the server has ended.
  const deadline = performance.now() + 5000;
  let connected = await countConnected();
  while (connected > 0 && performance.now() < deadline) connected = await countConnected();
  child.kill();
  await ended;
  return { result, connected };
}

async function countConnected(): Promise<number> {
  const { rows } = await looking.query<{ connected: number }>(
    'select count(*)::int as connected from pg_stat_activity where datname = $1 and pid <> pg_backend_pid()',
    ['patchbay'],
  );
  return rows[0]!.connected;
}

describe('a function of the registry, as Lambda starts it', () => {
  it.each(ANYWHERE.map(({ name, result }) => [name, result] as const))(
    '%s does its work',
    async (name, result) => {
      expect(() => result.parse({ wrong: true })).toThrow();
      const ticked = await tick(name);
      result.parse(ticked.result);
      expect(ticked.connected).toBe(0); // else the database never sleeps
    },
  );

  it('does what another has just done only when it is due again', async () => {
    expect(await tick('rollup')).toEqual({ result: { dueInMs: expect.any(Number) }, connected: 0 });
  });
});

interface Asked {
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** @returns what the handler of one instance of the API answers, one after the other */
async function ask(
  requests: readonly Asked[],
  settings: Readonly<Record<string, string>> = {},
): Promise<readonly { readonly status: number; readonly body: string }[]> {
  // What Lambda's runtime offers to a handler that streams.
  const program = `
    globalThis.awslambda = {
      streamifyResponse: (handler) => handler,
      HttpResponseStream: { from: (stream, metadata) => Object.assign(stream, { metadata }) },
    };
    const { PassThrough } = await import('node:stream');
    const { text } = await import('node:stream/consumers');
    const { handler } = await import(${JSON.stringify(join(code, 'api/lambda/index.mjs'))});
    const answers = [];
    for (const { path, headers } of ${JSON.stringify(requests)}) {
      const stream = new PassThrough();
      const http = { method: 'GET', path, sourceIp: '203.0.113.7', protocol: 'HTTP/1.1', userAgent: 'test' };
      const requestContext = { domainName: 'abc.lambda-url.us-east-1.on.aws', http, accountId: 'anonymous' };
      const event = {
        version: '2.0', routeKey: '$default', rawPath: path, rawQueryString: '', requestContext, isBase64Encoded: false,
        headers: { accept: 'text/html', host: requestContext.domainName, ...headers },
      };
      const body = text(stream);
      await handler(event, stream, {});
      answers.push({ status: stream.metadata.statusCode, body: await body });
    }
    console.log(JSON.stringify(answers));
    process.exit(0);`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program], {
    env: {
      ...environment,
      PATCHBAY_PUBLIC_URL: 'https://adapters.example.com',
      PATCHBAY_RUNNERS: 'reporting',
      PATCHBAY_RUNNER_TOKEN: '0'.repeat(64),
      PATCHBAY_AUTH_SECRET: '0'.repeat(64),
      PATCHBAY_SIGNING_KEY: '0'.repeat(64),
      PATCHBAY_ORIGIN_TOKEN: ORIGIN_TOKEN,
      ...settings,
    },
  });
  return JSON.parse(stdout);
}

describe('the API', () => {
  it('answers through a stream, with the site', async () => {
    const paths = ['/healthz', '/readyz', '/', '/v1/models'];
    const [healthz, readyz, page, models] = await ask(paths.map((path) => ({ path })));
    expect(healthz).toEqual({ status: 200, body: '{"status":"ok"}' });
    expect(readyz!.status).toBe(200);
    expect(page!.status).toBe(200);
    expect(page!.body).toContain('</html>');
    expect(models!.status).toBe(401);
  });

  it('counts by the address that CloudFront saw, whatever the viewer says', async () => {
    const viewer = (ip: string, i: number) => ({
      path: '/api/adapters',
      headers: { [ORIGIN_HEADER]: ORIGIN_TOKEN, [VIEWER_HEADER]: ip, 'x-forwarded-for': `192.0.2.${i}` },
    });
    const answers = await ask(
      [1, 2, 3, 4].map((i) => viewer('198.51.100.1', i)).concat(viewer('198.51.100.2', 1)),
      { PATCHBAY_LIMIT_FACTOR: '0.001' }, // three requests
    );
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 429, 200]);
  });

  it('counts by the address that Lambda saw, where it is not CloudFront that asks', async () => {
    const answers = await ask(
      [1, 2, 3, 4].map((i) => ({
        path: '/api/adapters',
        headers: {
          [ORIGIN_HEADER]: `guess ${i}`,
          [VIEWER_HEADER]: `198.51.100.1${i}`,
          'x-forwarded-for': `192.0.2.${i}`,
        },
      })),
      { PATCHBAY_LIMIT_FACTOR: '0.001' },
    );
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 429]);
  });

  it('does not start where it cannot tell CloudFront from others', async () => {
    await expect(ask([], { PATCHBAY_ORIGIN_TOKEN: '' })).rejects.toThrow(/PATCHBAY_ORIGIN_TOKEN is needed/);
  });
});

it('every handler of the stack is built', () => {
  const stack = ['api.ts', 'functions.ts', 'scaler.ts'].map((file) =>
    readFileSync(join(import.meta.dirname, '..', file), 'utf8'),
  );
  const handlers = stack.flatMap((text) =>
    [...text.matchAll(/handler: '([^']+)\.handler'/g)].map(([, file]) => file!),
  );
  expect(handlers).toHaveLength(3);
  for (const file of handlers) expect(existsSync(join(code, `${file}.mjs`)), file).toBe(true);
});

describe('secrets', () => {
  it('become the settings that they stand for', async () => {
    const stored: Record<string, string> = {
      'arn:auth': 'a secret',
      'arn:database': JSON.stringify({
        host: 'db.internal',
        port: 5432,
        dbname: 'patchbay',
        username: 'p',
        password: '^a=b',
      }),
    };
    const names = {
      PATCHBAY_SECRETS: JSON.stringify({ PATCHBAY_AUTH_SECRET: 'arn:auth' }),
      PATCHBAY_DATABASE_SECRET: 'arn:database',
    };
    expect(await secretSettings(names, async (id) => stored[id]!)).toEqual({
      PATCHBAY_AUTH_SECRET: 'a secret',
      DATABASE_URL: 'postgres://p:%5Ea%3Db@db.internal:5432/patchbay?sslmode=verify-full',
    });
  });
});

it('what waits is told as CloudWatch reads it', () => {
  expect(JSON.parse(queueAgeLine('cluster', 90, new Date(1_764_104_400_000)))).toEqual({
    _aws: {
      Timestamp: 1_764_104_400_000,
      CloudWatchMetrics: [
        {
          Namespace: 'Patchbay',
          Dimensions: [['Cluster']],
          Metrics: [{ Name: 'QueueAgeSeconds', Unit: 'Seconds' }],
        },
      ],
    },
    Cluster: 'cluster',
    QueueAgeSeconds: 90,
  });
});

describe('the number of runners', () => {
  it.each([
    [{ runners: 2, training: 1 }, [2, 1]],
    [{ runners: 0, training: 0 }, [0, 0]],
    [{ runners: 50, training: 9 }, [4, 2]],
  ])('%j becomes %j, never more than allowed', async (desired, counts) => {
    const server = createServer(({ headers, url }, response) => {
      const allowed = headers.authorization === 'Bearer token' && url === '/api/runner/desired';
      response
        .writeHead(allowed ? 200 : 401)
        .end(JSON.stringify({ ...desired, waitingSeconds: 90, live: 0, bases: [] }));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const settings = {
      PATCHBAY_API_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      PATCHBAY_RUNNER_TOKEN_SECRET: 'arn:token',
      CLUSTER: 'cluster',
      SERVING_SERVICE: 'serving',
      TRAINING_SERVICE: 'training',
      MAX_RUNNERS: '4',
      MAX_TRAIN_RUNNERS: '2',
    };
    const { counts: wanted, waitingSeconds } = await askApi(settings, 'token');
    expect(waitingSeconds).toBe(90);
    expect(wanted.map(({ service, desiredCount }) => [service, desiredCount])).toEqual([
      ['serving', counts[0]],
      ['training', counts[1]],
    ]);
    await expect(askApi(settings, 'another')).rejects.toThrow('401');
    server.close();
  });
});
