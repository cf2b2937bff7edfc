/** Programs that check what is written here for other systems, from Python's registry: `.ci/run` installs them where Python is at hand. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const path = (name: string) =>
  fileURLToPath(new URL(`../node_modules/.cache/checkers/bin/${name}`, import.meta.url));

export function check(
  name: string,
  ...args: string[]
): { readonly status: number | null; readonly output: string } {
  const { status, stdout, stderr } = spawnSync(path(name), args, { encoding: 'utf8' });
  return { status, output: `${stdout}${stderr}` };
}

export const isInstalled = (name: string): boolean => check(name, '--help').status === 0;
