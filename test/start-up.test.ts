/** Starting and stopping, as npm and the terminal do it, and what is said when it cannot be. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { run, TestServer } from './harness.ts';
import { credentials, runnerToken, startEmbedded } from './in-process.ts';
import { startPostgres } from './servers/postgres.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

// Each test starts servers, on machines that may be slow.
vi.setConfig({ testTimeout: 180_000 });

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'patchbay-start-'));
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

/** `npm start` in a process group of its own, as a shell starts it. */
async function npmStart(data: string): Promise<ChildProcess> {
  const child = spawn('npm', ['start'], {
    cwd: root,
    detached: true,
    env: { ...process.env, PORT: '0', PATCHBAY_DATA: data },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  let text = '';
  for await (const chunk of child.stdout!) {
    text += chunk;
    if (text.includes('\nready ')) break;
  }
  expect(text).toContain('\nready ');
  return child;
}

const exitOf = (child: ChildProcess): Promise<number | null> =>
  new Promise((resolve) => child.once('exit', (code) => resolve(code)));

describe('stopping what `npm start` started', () => {
  it.each([
    // Ctrl-C: the terminal tells the whole group, and npm passes it on as well.
    ['Ctrl-C in a terminal', 'SIGINT', (pid: number) => -pid],
    ['SIGTERM to npm alone', 'SIGTERM', (pid: number) => pid],
  ] as const)('%s ends everything well', async (_name, signal, target) => {
    const data = join(folder, 'npm');
    const child = await npmStart(data);
    const exited = exitOf(child);
    process.kill(target(child.pid!), signal);
    expect(await exited).toBe(0);
    await expect(stat(join(data, 'lock'))).rejects.toThrow('ENOENT');
  });
});

describe('a data folder', () => {
  it.each([
    ['makes its database', 'postgres.new'],
    ['has made it', 'postgres'],
  ])(
    'outlives a first start that was killed when it %s, and still gives its key',
    async (_when, database) => {
      const data = join(folder, `killed ${database}`);
      const child = spawn('node', [join(root, 'api/start.js')], {
        cwd: root,
        env: { ...process.env, PORT: '0', PATCHBAY_DATA: data },
        stdio: 'ignore',
      });
      const exited = exitOf(child);
      await expect.poll(() => stat(join(data, database, 'PG_VERSION')), { timeout: 30_000 }).toBeTruthy();
      child.kill('SIGKILL');
      await exited;
      expect(JSON.parse(await readFile(join(data, 'lock'), 'utf8'))).toMatchObject({ pid: child.pid });

      const server = await TestServer.start({ PATCHBAY_DATA: data });
      expect(server.key).toMatch(/^pb_/);
      expect((await server.call('GET', '/api/whoami')).status).toBe(200);
      await server.remove();
    },
  );

  it('is not taken for locked by a process that has only inherited the number', async () => {
    const data = join(folder, 'stale');
    await mkdir(data);
    await writeFile(join(data, 'lock'), JSON.stringify({ pid: process.pid, startedAt: '1' }));
    const server = await TestServer.start({ PATCHBAY_DATA: data });
    expect(server.url).toMatch(/^http/);
    await server.remove();
  });
});

it('servers that start together on an empty database and an empty object store all come up, and share them', async () => {
  const postgres = await startPostgres();
  const objects = await startEmbedded(join(folder, 'objects'));
  const url = await postgres.createDatabase('together');
  const servers = await Promise.all(
    Array.from({ length: 3 }, () =>
      TestServer.start({
        DATABASE_URL: url,
        S3_ENDPOINT: objects.endpoint,
        S3_ACCESS_KEY_ID: credentials.accessKeyId,
        S3_SECRET_ACCESS_KEY: credentials.secretAccessKey,
        PATCHBAY_RUNNERS: 'reporting',
        PATCHBAY_RUNNER_TOKEN: runnerToken,
        PATCHBAY_AUTH_SECRET: 'the secret that all of these servers share',
        PATCHBAY_SIGNING_KEY: 'ab'.repeat(32),
      }),
    ),
  );
  const keys = servers.map((server) => server.key).filter(Boolean);
  expect(keys).toHaveLength(1); // the others find that there is one
  const key = keys[0]!;
  for (const server of servers) {
    server.key = key;
    expect((await server.call('GET', '/api/whoami')).status).toBe(200);
    const { adapters } = (await (await server.call('GET', '/api/adapters')).json()) as {
      adapters: object[];
    };
    expect(adapters).toHaveLength(5);
  }
  for (const server of servers) await server.remove();
  await objects.close();
  await postgres.close();
});

describe('what is said when it cannot start', () => {
  it('a port that is taken', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const { port } = other.address() as { port: number };
    const started = TestServer.start({ PORT: String(port), LOG_LEVEL: 'silent' });
    await expect(started).rejects.toThrow(`port ${port} of 127.0.0.1 is taken. Set PORT`);
    other.close();
  });

  it.each([
    ['the server', 'api/start.js', 1, /Node 20\.1\.0.*needs Node 24.*npm start/],
    ['the command', 'cli/bin/patchbay.js', 2, /Node 20\.1\.0.*needs Node 24/],
  ])('an old Node: %s', (_name, entry, code, message) => {
    const old = `Object.defineProperty(process.versions, 'node', { value: '20.1.0' })`;
    const { status, stderr } = spawnSync(
      'node',
      ['--import', `data:text/javascript,${encodeURIComponent(old)}`, join(root, entry)],
      { encoding: 'utf8' },
    );
    expect(status).toBe(code);
    expect(stderr).toMatch(message);
  });

  it('a runner that cannot run', async () => {
    const finished = await run('node', [join(root, 'api/start.js')], {
      PORT: '0',
      PATCHBAY_DATA: join(folder, 'runnerless'),
      PATCHBAY_RUNNER_THREADS: 'many',
    });
    expect(finished.code).toBe(1);
    expect(finished.stdout).toBe('');
    expect(finished.stderr).toMatch(/PATCHBAY_RUNNER_THREADS/);
    expect(finished.stderr).toMatch(/the runner ended with code 1 before it was ready/);
  });
});
