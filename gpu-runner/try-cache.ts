/** Whether the cache folder can be written, asked before a runner takes work. */
import { mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Leaves an empty file there and takes it away: else a runner that cannot would fetch nothing, and fail each job that it is given.
 * An empty one needs no space: a full disk is trouble that passes.
 * @throws Error naming the folder, and the setting that says where it is
 */
export async function tryCache(folder: string): Promise<void> {
  const file = join(folder, `patchbay-${process.pid}`);
  try {
    await mkdir(folder, { recursive: true });
    await writeFile(file, '');
    await rm(file);
  } catch (error) {
    throw new Error(
      `PATCHBAY_RUNNER_CACHE is ${folder}, where user ${process.getuid?.() ?? ''} cannot write (${(error as Error).message}). ` +
        'Give the folder to that user, or name another one.',
    );
  }
}
