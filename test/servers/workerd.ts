/** Patchbay in workerd, as docs/edge.md says: the bundle, and the configuration that comes with it. */
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { answering, type ChildServer, spawnChild } from './child.ts';
import { freePort } from './postgres.ts';

const edge = (file: string) => fileURLToPath(new URL(`../../infra/edge/${file}`, import.meta.url));

/** @throws with what the bundler says */
export function buildWorker(): void {
  const { status, stderr } = spawnSync('node', [edge('build.ts')], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`the worker could not be built\n${stderr}`);
}

/** The path of the binary; the package is CommonJS without types. */
const { default: workerd } = createRequire(import.meta.url)('workerd') as { default: string };

type Settings = Readonly<Record<string, string>>;

async function spawn(settings: Settings, ...config: string[]): Promise<ChildServer> {
  const address = `127.0.0.1:${await freePort()}`;
  const url = `http://${address}`;
  const args = ['serve', ...config, '--socket-addr', `http=${address}`];
  return spawnChild(url, workerd, args, { PATCHBAY_PUBLIC_URL: url, ...settings });
}

/** It need not answer yet. */
export const spawnWorkerd = (settings: Settings): Promise<ChildServer> =>
  spawn(settings, edge('patchbay.capnp'));

export const startWorkerd = async (settings: Settings): Promise<ChildServer> =>
  answering(await spawnWorkerd(settings));

/** With a trigger: a POST to anywhere is to it as if the time of a schedule had come. */
export const startWorkerdWithTrigger = async (settings: Settings): Promise<ChildServer> =>
  answering(
    await spawn(settings, '--experimental', fileURLToPath(new URL('scheduled.capnp', import.meta.url))),
  );
