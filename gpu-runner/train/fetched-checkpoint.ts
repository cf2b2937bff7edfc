/** The last checkpoint of a job, on the disk: its URLs live for an hour, and memory to train in may be waited for longer. */
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { FileSource } from '../../functions/generate.ts';
import { fetchFile } from '../fetch-file.ts';
import type { Files } from './leased-job.ts';

export class FetchedCheckpoint implements AsyncDisposable {
  private readonly folder: string;
  private readonly paths: readonly string[];

  private constructor(folder: string, paths: readonly string[]) {
    this.folder = folder;
    this.paths = paths;
  }

  /** @param folder of its own, that is removed in the end. @throws Fault; what the signal was aborted with */
  static async fetch(
    files: readonly FileSource[],
    folder: string,
    signal: AbortSignal,
  ): Promise<FetchedCheckpoint> {
    await using undo = new AsyncDisposableStack();
    const paths = files.map(({ path }) => path);
    const fetched = undo.use(new FetchedCheckpoint(folder, paths));
    const settled = await Promise.allSettled(
      files.map((file) => fetchFile(file, join(folder, file.path), signal)),
    );
    for (const one of settled) if (one.status === 'rejected') throw one.reason;
    undo.move();
    return fetched;
  }

  async read(): Promise<Files> {
    const read = this.paths.map(async (path) => [path, await this.file(path)] as const);
    return new Map(await Promise.all(read));
  }

  async file(path: string): Promise<Uint8Array<ArrayBuffer>> {
    return new Uint8Array(await readFile(join(this.folder, path)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.folder, { recursive: true, force: true });
  }
}
