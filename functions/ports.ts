/** What functions that run anywhere are handed: the database, and the world outside as they need it. */
import type { z } from 'zod';
import type { Database } from '../db/open.ts';
import type { TrainingQueue } from '../db/queue.ts';
import type { FunctionDefinition } from './definition.ts';

export interface ListedObject {
  readonly key: string;
  readonly size: number;
  readonly modifiedAt: Date;
}

export interface ObjectStore {
  /** Page by page, in the order of their keys. */
  list(prefix: string): AsyncIterable<readonly ListedObject[]>;
  /** One that is not there is removed already. */
  remove(key: string): Promise<void>;
  /** Forgets the parts of an upload, and the object that it may have become. */
  abortUpload(key: string, uploadId: string): Promise<void>;
}

/** What one `Post` may take, from the look-up of the name to the status. */
export const POST_MS = 15_000;

/**
 * Sends to an address that a stranger named: it must not lead into our own network, and what it answers beyond the status is not read.
 * @returns the status of the answer
 */
export type Post = (url: string, headers: Record<string, string>, body: string) => Promise<number>;

export interface Ports {
  readonly db: Database;
  readonly queue: TrainingQueue;
  readonly blobs: ObjectStore;
  readonly now: () => Date;
  readonly post: Post;
}

/** One that runs anywhere: it needs some of the ports, and is handed all. */
export type ServerFunction = FunctionDefinition<z.ZodType, z.ZodType, Ports>;
