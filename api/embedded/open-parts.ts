/** The parts of a server on one machine: what the settings name, and an embedded one where they name none. */
import { join } from 'node:path';
import type { Logger } from 'pino';
import { type OpenDatabase, openDatabase } from '../../db/open.ts';
import { type BlobStore, createBlobStore } from '../blob-store.ts';
import type { Config } from '../config.ts';
import { type DataFolder, StartError } from './data-folder.ts';
import { RunnerProcess } from './runner-process.ts';
import { type EmbeddedS3, startEmbeddedS3 } from './s3.ts';

export async function openDatabaseOf(config: Config, folder: DataFolder): Promise<OpenDatabase> {
  if (!config.databaseUrl) return openDatabase({ folder: join(folder.path, 'postgres') });
  try {
    return await openDatabase({ url: config.databaseUrl });
  } catch (error) {
    const { host } = new URL(config.databaseUrl);
    throw new StartError(`Postgres at ${host} cannot be used: ${reason(error)}. Check DATABASE_URL.`);
  }
}

export async function openBlobs(
  config: Config,
  folder: DataFolder,
): Promise<{ blobs: BlobStore; server: EmbeddedS3 | undefined }> {
  const { endpoint, region, bucket, accessKeyId, secretAccessKey } = config.s3;
  const own = {
    accessKeyId: accessKeyId ?? 'patchbay',
    secretAccessKey: secretAccessKey ?? folder.secrets.s3,
  };
  const server = endpoint
    ? undefined
    : await startEmbeddedS3({
        folder: join(folder.path, 'objects'),
        host: config.host,
        port: 0,
        bucket,
        credentials: { region, ...own },
      });
  const keys = endpoint ? { accessKeyId, secretAccessKey } : own;
  const blobs = createBlobStore({ endpoint: endpoint ?? server!.endpoint, region, bucket, ...keys }, server);
  try {
    await blobs.prepare();
  } catch (error) {
    throw new StartError(
      `S3 at ${endpoint ?? server!.endpoint} cannot be used: ${reason(error)}. Check S3_ENDPOINT and its keys.`,
    );
  }
  return { blobs, server };
}

/** @returns undefined: runners are elsewhere */
export async function startRunner(
  config: Config,
  folder: DataFolder,
  log: Logger,
): Promise<RunnerProcess | undefined> {
  if (config.runner) return undefined;
  const runner = new RunnerProcess({
    entry: 'main.ts',
    settings: {
      PATCHBAY_RUNNER_TOKEN: folder.secrets.runner,
      PATCHBAY_RUNNER_CACHE: join(folder.path, 'runner'),
      PATCHBAY_RUNNER_PORT: '0',
    },
    environment: process.env,
    log,
  });
  await runner.start();
  return runner;
}

/** Asks the server at `url` for jobs, as one in a container does. */
export async function startTrainRunner(url: string, folder: DataFolder, log: Logger): Promise<RunnerProcess> {
  const runner = new RunnerProcess({
    entry: 'train-main.ts',
    settings: {
      PATCHBAY_API_URL: url,
      PATCHBAY_RUNNER_TOKEN: folder.secrets.runner,
      PATCHBAY_RUNNER_CACHE: join(folder.path, 'train-runner'),
    },
    environment: process.env,
    log,
  });
  await runner.start();
  return runner;
}

export function reason(error: unknown): string {
  if (error instanceof AggregateError) return reason(error.errors[0]);
  const { message, cause } = error as Error;
  return cause instanceof Error ? reason(cause) : message;
}
