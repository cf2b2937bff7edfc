/**
 * A real S3 server for the tests: Versity's gateway over a folder, where it is installed (`.ci/run` installs it with Go).
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './postgres.ts';

export const versitygwInstalled = spawnSync('versitygw', ['--version']).status === 0;

export interface S3ForTests {
  readonly endpoint: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly region: string;
  close(): Promise<void>;
}

const OWN = { accessKeyId: 'patchbay', secretAccessKey: 'secret-of-the-tests', region: 'us-east-1' };

export async function startVersitygw({
  accessKeyId,
  secretAccessKey,
  region,
}: Omit<S3ForTests, 'endpoint' | 'close'> = OWN): Promise<S3ForTests> {
  const folder = await mkdtemp(join(tmpdir(), 'patchbay-versitygw-'));
  const port = await freePort();
  const args = [
    '--access',
    accessKeyId,
    '--secret',
    secretAccessKey,
    '--region',
    region,
    '--port',
    `127.0.0.1:${port}`,
    'posix',
    folder,
  ];
  const child = spawn('versitygw', args, { stdio: 'ignore' });
  const endpoint = `http://127.0.0.1:${port}`;
  for (let attempt = 0; ; attempt++) {
    try {
      await fetch(endpoint);
      break;
    } catch (error) {
      if (attempt === 100) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
  return {
    endpoint,
    accessKeyId,
    secretAccessKey,
    region,
    async close() {
      const exited = new Promise((resolve) => child.once('exit', resolve));
      child.kill();
      await exited;
      await rm(folder, { recursive: true, force: true });
    },
  };
}
