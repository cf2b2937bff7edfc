/** The folder that holds everything of a single machine. One server at a time: PGlite has no lock of its own. */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { link, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { z } from 'zod';

/** Why the server cannot start, in words for whoever started it. */
export class StartError extends Error {
  override readonly name = 'StartError';
}

const Lock = z.object({ pid: z.int(), startedAt: z.string() });
/** `signing` signs verification records. */
const NAMES = ['auth', 's3', 'runner', 'signing'] as const;
const Secrets = z.partialRecord(z.enum(NAMES), z.string());
export type Secrets = Readonly<Record<(typeof NAMES)[number], string>>;

export interface DataFolder {
  readonly path: string;
  readonly secrets: Secrets;
  release(): Promise<void>;
}

/** @param given from where the process runs. @throws StartError not writable, in use */
export async function openDataFolder(given: string): Promise<DataFolder> {
  const path = resolve(given);
  try {
    await makeFolder(path);
    await lock(path);
    return { path, secrets: await readSecrets(path), release: () => rm(join(path, 'lock'), { force: true }) };
  } catch (error) {
    if (error instanceof StartError) throw error;
    throw new StartError(
      `the data folder ${path} cannot be written: ${(error as Error).message}. Set PATCHBAY_DATA to one that can.`,
    );
  }
}

/** As mkdir -p. Node's own `recursive` never returns where a folder that is there takes no entries, such as /proc. */
async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { mode: 0o700 });
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') return;
    const parent = dirname(path);
    if (code !== 'ENOENT' || parent === path || existsSync(parent)) throw error;
    await makeFolder(parent);
    await mkdir(path, { mode: 0o700 });
  }
}

async function lock(path: string): Promise<void> {
  const file = join(path, 'lock');
  for (let attempt = 0; attempt < 3; attempt++) {
    if (
      await createWhole(file, JSON.stringify({ pid: process.pid, startedAt: await startTime(process.pid) }))
    )
      return;
    const holder = await readLock(file);
    if (holder && (await isRunning(holder))) {
      throw new StartError(
        `the data folder ${path} is in use by process ${holder.pid}. Stop it, or set PATCHBAY_DATA to another folder.`,
      );
    }
    await rm(file, { force: true }); // its owner was killed
  }
  throw new StartError(`the data folder ${path} is being opened by another process.`);
}

async function readLock(file: string): Promise<z.infer<typeof Lock> | undefined> {
  try {
    return Lock.parse(JSON.parse(await readFile(file, 'utf8')));
  } catch {
    return undefined;
  }
}

/** The number alone does not tell: it may be another process by now. */
async function isRunning({ pid, startedAt }: z.infer<typeof Lock>): Promise<boolean> {
  try {
    process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
  return (await startTime(pid)) === startedAt;
}

/** Ticks since boot at which a process started (field 22 of proc(5) stat); empty where there is no /proc. */
async function startTime(pid: number): Promise<string> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}

/** Made when the folder is; a folder of an older version lacks some. */
async function readSecrets(path: string): Promise<Secrets> {
  const file = join(path, 'secrets.json');
  const text = await readFile(file, 'utf8').catch(() => undefined);
  const known = text === undefined ? {} : Secrets.parse(JSON.parse(text));
  const whole = NAMES.map((name) => [name, known[name] ?? randomBytes(32).toString('hex')] as const);
  const secrets = Object.fromEntries(whole) as Secrets;
  if (NAMES.some((name) => known[name] === undefined)) {
    const temporary = `${file}.${process.pid}`;
    await writeFile(temporary, JSON.stringify(secrets), { mode: 0o600, flush: true });
    await rename(temporary, file);
  }
  return secrets;
}

/** Under its name only once all of it is written. @returns false: there is such a file already */
async function createWhole(file: string, text: string): Promise<boolean> {
  const temporary = `${file}.${process.pid}`;
  await writeFile(temporary, text, { mode: 0o600, flush: true });
  try {
    await link(temporary, file);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    return false;
  } finally {
    await rm(temporary, { force: true });
  }
}
