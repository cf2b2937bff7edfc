/** Which server, and which key: from the environment, else from what `patchbay login` stored. */
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { CliError, EXIT } from './errors.ts';

export const DEFAULT_URL = 'http://127.0.0.1:8787';

const Stored = z.object({ url: z.url(), key: z.string() });

export interface Settings {
  readonly url: string;
  readonly key: string | undefined;
}

function settingsFile(environment: NodeJS.ProcessEnv): string {
  return join(environment['XDG_CONFIG_HOME'] ?? join(homedir(), '.config'), 'patchbay', 'login.json');
}

export async function readSettings(environment: NodeJS.ProcessEnv): Promise<Settings> {
  const stored = await readStored(settingsFile(environment));
  const url = serverUrl(environment['PATCHBAY_URL'] || stored?.url || DEFAULT_URL);
  // A stored key belongs to the server it was stored for, and is sent to no other.
  const key = environment['PATCHBAY_KEY'] ?? (stored && stored.url === url ? stored.key : undefined);
  return { url, key };
}

/** As it was given, without the slash at its end. @throws CliError: of an address without its `http://`, nobody would hear that it is that */
export function serverUrl(given: string): string {
  if (URL.canParse(given) && /^https?:$/.test(new URL(given).protocol)) return given.replace(/\/+$/, '');
  throw new CliError(
    EXIT.usage,
    `${given} is not the URL of a server`,
    `One begins with http:// or https://, as ${DEFAULT_URL} does.`,
  );
}

async function readStored(file: string): Promise<z.infer<typeof Stored> | undefined> {
  const text = await readFile(file, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    return Stored.parse(JSON.parse(text));
  } catch {
    throw new CliError(
      EXIT.failed,
      `${file} is not what \`patchbay login\` wrote`,
      'Run `patchbay login` again, or delete it.',
    );
  }
}

/** @returns where it was stored; only its owner can read it */
export async function storeSettings(
  url: string,
  key: string,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<string> {
  const file = settingsFile(environment);
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  await writeFile(file, `${JSON.stringify({ url, key }, null, 2)}\n`, { mode: 0o600 });
  await chmod(file, 0o600);
  return file;
}

/** Where the command remembers what it can do without. */
export function cacheFolder(environment: NodeJS.ProcessEnv = process.env): string {
  return join(environment['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'patchbay');
}
