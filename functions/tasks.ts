/**
 * Tasks, as the API and a runner see them: a function of the registry that somebody asked for, worked on under a lease. A runner names
 * the functions that it can do, and gets the task whose turn it is (db/turns.ts).
 *
 *   POST tasks                 TaskRequest   -> 204 nothing to do | TaskLease
 *   POST tasks/{id}/heartbeat  TaskBeat      -> TaskAnswer
 *   POST tasks/{id}/files      DeclaredFiles -> FileUploads    parts that have arrived are told; asked until none is missing
 *   POST tasks/{id}/result     TaskResult    -> 204            what was declared has arrived
 *   POST tasks/{id}/failed     TaskFailure   -> 204            the task is at fault: to try again would change nothing
 *   POST tasks/{id}/release    Release       -> 204            given back; after some failures it fails
 *
 * A lease ends when the task does, when it is released, or when no heartbeat came for LEASE_SECONDS; then every call is answered 409 `lease_over`.
 */
import { z } from 'zod';
import { DeclaredFile } from './train.ts';

export const TaskRequest = z.object({
  /** What the runner calls itself. */
  runner: z.string().min(1).max(128),
  functions: z.array(z.string().min(1).max(64)).min(1).max(64),
});
export type TaskRequest = z.infer<typeof TaskRequest>;

export const TaskLease = z.object({
  leaseId: z.uuid(),
  taskId: z.string(),
  function: z.string(),
  /** Of the request that asked for it, as W3C writes it. */
  traceparent: z.string().max(64).optional(),
  /** Of the function. */
  event: z.unknown(),
  heartbeatSeconds: z.number().positive(),
});
export type TaskLease = z.infer<typeof TaskLease>;

/** How far it is, for show. */
export const Progress = z.object({
  what: z.string().min(1).max(200),
  done: z.number().nonnegative(),
  total: z.number().nonnegative(),
});
export type Progress = z.infer<typeof Progress>;

export const TaskBeat = z.object({ progress: Progress.optional() });
export const TaskAnswer = z.object({ action: z.enum(['continue', 'cancel']) });

/** A checkpoint in shards has tens of files. */
export const DeclaredFiles = z.object({ files: z.array(DeclaredFile).min(1).max(256) });
export type DeclaredFiles = z.infer<typeof DeclaredFiles>;

/** Of the function; checked by its schema. */
export const TaskResult = z.object({ result: z.unknown() });

export const TaskFailure = z.object({
  code: z.string().min(1).max(64),
  message: z.string().min(1).max(8192),
  /** Of the order, where it is to blame. */
  field: z.string().max(64).optional(),
});
export type TaskFailure = z.infer<typeof TaskFailure>;

/** What an engine is told of the work that it does for a task. */
export interface TaskContext {
  readonly signal: AbortSignal;
  report(progress: Progress): void;
}

/** The task cannot be done, by whichever runner. */
export class TaskRefusal extends Error {
  override readonly name = 'TaskRefusal';
  readonly failure: TaskFailure;

  constructor(failure: TaskFailure) {
    super(failure.message);
    this.failure = failure;
  }
}
