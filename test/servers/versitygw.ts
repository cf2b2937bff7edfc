/**
 * A real S3 server for the tests: Versity's gateway over a folder, where it is installed (`.ci/run` installs it with Go).
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './postgres.ts';

export const versitygwInstalled = spawnSync('versitygw', ['--version']).status === 0;

interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly region: string;
}

export interface S3Server extends Credentials {
  readonly endpoint: string;
  close(): Promise<void>;
}

export interface S3ForTests extends S3Server {
  pid(): number;
  /** Ends at once. */
  crash(): Promise<void>;
  /** After a crash, on the same folder and port. */
  restart(): Promise<void>;
}

const OWN: Credentials = {
  accessKeyId: 'patchbay',
  secretAccessKey: 'secret-of-the-tests',
  region: 'us-east-1',
};

export async function startVersitygw(credentials: Credentials = OWN): Promise<S3ForTests> {
  const port = await freePort();
  return startS3('versitygw', port, credentials, (folder) => [
    '--access',
    credentials.accessKeyId,
    '--secret',
    credentials.secretAccessKey,
    '--region',
    credentials.region,
    '--port',
    `127.0.0.1:${port}`,
    'posix',
    folder,
  ]);
}

/** The server that Patchbay brings along, in a process of its own: where no other is installed. */
export async function startEmbeddedS3Process(): Promise<S3ForTests> {
  const port = await freePort();
  const entry = join(import.meta.dirname, 'embedded-s3.ts');
  return startS3(process.execPath, port, OWN, (folder) => [
    entry,
    JSON.stringify({ folder, host: '127.0.0.1', port, bucket: 'patchbay', credentials: OWN }),
  ]);
}

async function startS3(
  command: string,
  port: number,
  credentials: Credentials,
  args: (folder: string) => readonly string[],
): Promise<S3ForTests> {
  const folder = await mkdtemp(join(tmpdir(), 'patchbay-s3-'));
  const endpoint = `http://127.0.0.1:${port}`;
  const start = async () => {
    const started = spawn(command, args(folder), { stdio: 'ignore' });
    await untilAnswers(endpoint);
    return started;
  };
  let child = await start();
  return {
    endpoint,
    ...credentials,
    pid: () => child.pid!,
    crash: () => end(child, 'SIGKILL'),
    async restart() {
      child = await start();
    },
    async close() {
      await end(child, 'SIGTERM');
      await rm(folder, { recursive: true, force: true });
    },
  };
}

/** @throws what the last attempt did */
async function untilAnswers(endpoint: string): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      await fetch(endpoint);
      return;
    } catch (error) {
      if (attempt === 100) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise((resolve) => child.once('exit', resolve));
  child.kill(signal);
  await exited;
}
