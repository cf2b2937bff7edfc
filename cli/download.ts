/** Files that the API gives out, compared with what it says of them. */
import { createHash } from 'node:crypto';
import { createWriteStream, rmdirSync, rmSync } from 'node:fs';
import { mkdir, mkdtemp, rename } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { z } from 'zod';
import type { Client, File } from './client.ts';
import { CliError, EXIT } from './errors.ts';
import { onInterrupt } from './interrupt.ts';
import { type Output, progress } from './output.ts';

type FileFacts = z.infer<typeof File>;

/** All of them, or none. @param routeOf a file by its path */
export async function downloadInto(
  client: Client,
  output: Output,
  folder: string,
  files: readonly FileFacts[],
  routeOf: (path: string) => string,
): Promise<void> {
  const made = await mkdir(folder, { recursive: true });
  // Beside where they will be, so that a rename is enough; nothing has its name before all of it is verified.
  const arriving = await mkdtemp(join(folder, '.pull-'));
  const undo = () => {
    rmSync(arriving, { recursive: true, force: true });
    if (made !== undefined) removeEmpty(resolve(folder), resolve(made));
  };
  using _ = onInterrupt(undo);
  const bar = progress(
    output,
    'downloading',
    files.reduce((sum, { size }) => sum + size, 0),
  );
  try {
    for (const file of files)
      await download(client, routeOf(file.path), file, join(arriving, file.path), bar.add);
    for (const { path } of files) await rename(join(arriving, path), join(folder, path));
  } finally {
    bar.done();
    undo();
  }
}

/** From the inside out, as far as there is nothing in them. @param first the outermost */
function removeEmpty(folder: string, first: string): void {
  try {
    rmdirSync(folder);
  } catch {
    return; // somebody put something into it
  }
  if (folder !== first) removeEmpty(dirname(folder), first);
}

/** @throws CliError when it is not what the server says */
async function download(
  client: Client,
  route: string,
  file: FileFacts,
  path: string,
  arrived: (count: number) => void,
): Promise<void> {
  const response = await client.send('GET', route);
  const hash = createHash('sha256');
  const measure = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hash.update(chunk);
      arrived(chunk.length);
      done(null, chunk);
    },
  });
  try {
    await pipeline(
      Readable.fromWeb(response.body as Parameters<typeof Readable.fromWeb>[0]),
      measure,
      createWriteStream(path),
    );
  } catch (error) {
    throw new CliError(
      EXIT.unavailable,
      `${file.path} did not arrive: ${(error as Error).message}`,
      'Run the same command again.',
    );
  }
  if (hash.digest('hex') !== file.sha256)
    throw new CliError(
      EXIT.failed,
      `${file.path} is not what the server says it is`,
      'Try again; if it stays so, tell the operator.',
    );
}
