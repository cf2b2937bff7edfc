/** Uploads that are cut off, by either side, go on where they stopped and leave nothing behind. */
import type { ChildProcess } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { z } from 'zod';
import { moduleTable, parseBaseConfig } from '../adapter/base-config.ts';
import { writeSafetensors } from '../adapter/safetensors.ts';
import { sampleConfig, sampleTensor } from '../adapter/sample-adapter.ts';
import { seedFolder, TestServer } from './harness.ts';
import { freePort } from './servers/postgres.ts';

/** Of the adapters sent: tens of megabytes, so several parts. */
const RANK = 512;

// Each test starts servers, on machines that may be slow.
vi.setConfig({ testTimeout: 180_000 });

let server: TestServer;
let work: string;

beforeAll(async () => {
  // A port of its own: a server that comes back is found where it was.
  server = await TestServer.start({ PORT: String(await freePort()) });
  work = await mkdtemp(join(tmpdir(), 'patchbay-large-'));
});

afterAll(async () => {
  await server.remove();
  await rm(work, { recursive: true, force: true });
});

async function largeAdapter(name: string, rank: number): Promise<string> {
  const { path } = z
    .object({ base: z.object({ path: z.string() }) })
    .parse(JSON.parse(await readFile(join(seedFolder, 'index.json'), 'utf8'))).base;
  const base = parseBaseConfig(JSON.parse(await readFile(join(seedFolder, path, 'config.json'), 'utf8')));
  const linear = [...moduleTable(base)].filter(([module]) => module.endsWith('_proj'));
  const tensors = linear.flatMap(([module, { in: inputs, out: outputs }]) => [
    sampleTensor(`base_model.model.${module}.lora_A.weight`, [rank, inputs]),
    sampleTensor(`base_model.model.${module}.lora_B.weight`, [outputs, rank]),
  ]);
  const config = sampleConfig({
    r: rank,
    target_modules: [...new Set(linear.map(([module]) => module.split('.').at(-1)))],
  });
  const folder = join(work, name);
  await mkdir(folder);
  await writeFile(join(folder, 'adapter_config.json'), JSON.stringify(config));
  await writeFile(join(folder, 'adapter_model.safetensors'), writeSafetensors(tensors));
  return folder;
}

/** Parts that have arrived, over all uploads. */
async function arrivedParts(): Promise<number> {
  const uploads = join(server.folder, 'objects', 'uploads');
  const folders = await Promise.all(
    (await readdir(uploads)).map((id) => readdir(join(uploads, id)).catch(() => [])),
  );
  return folders.flat().filter((name) => /^\d+$/.test(name)).length;
}

/** Publishes in the background, until some parts have arrived. */
async function publishUntilHalfway(folder: string, target: string): Promise<ChildProcess> {
  const child = server.spawnCli('publish', folder, '--base', 'patchbay/tiny', '--as', target);
  while ((await arrivedParts()) < 2) {
    expect(child.exitCode).toBeNull();
    await sleep(5);
  }
  return child;
}

const exitOf = (child: ChildProcess): Promise<number | null> =>
  child.exitCode === null && child.signalCode === null
    ? new Promise((resolve) => child.once('exit', (code) => resolve(code)))
    : Promise.resolve(child.exitCode);

it('goes on after the command was killed', async () => {
  const folder = await largeAdapter('command', RANK);
  const child = await publishUntilHalfway(folder, 'alice/command');
  child.kill('SIGKILL');
  await exitOf(child);
  expect(await arrivedParts()).toBeGreaterThan(0);
  expect((await server.call('GET', '/api/adapters/alice/command')).status).toBe(404);

  const again = await server.cli(
    '--json',
    'publish',
    folder,
    '--base',
    'patchbay/tiny',
    '--as',
    'alice/command',
  );
  expect(again.stderr).toBe('');
  expect(JSON.parse(again.stdout)).toMatchObject({ created: true, version: { rank: RANK } });
  // The same draft was used: another one would have left the first one's parts.
  expect(await readdir(join(server.folder, 'objects', 'uploads'))).toEqual([]);
});

it('goes on after the server was killed', async () => {
  const folder = await largeAdapter('server', RANK - 1);
  const child = await publishUntilHalfway(folder, 'alice/server');
  await server.stop('SIGKILL');
  await server.start();
  // The command has been trying again all the while. Where the server was away for longer, it says how to go on.
  if ((await exitOf(child)) !== 0) {
    const again = await server.cli(
      '--json',
      'publish',
      folder,
      '--base',
      'patchbay/tiny',
      '--as',
      'alice/server',
    );
    expect(again.stderr).toBe('');
  }
  expect((await server.call('GET', '/api/adapters/alice/server')).status).toBe(200);
  expect(await readdir(join(server.folder, 'objects', 'uploads'))).toEqual([]);
});
