/** Takes tasks from the API and works on them, one at a time, until it is stopped. */
import { join } from 'node:path';
import type { Logger } from 'pino';
import { type FunctionDefinition, invoke } from '../../functions/definition.ts';
import type { EvaluateEngine } from '../../functions/evaluate.ts';
import type { MergeEngine, MergeResult } from '../../functions/merge.ts';
import type { ReproduceEngine } from '../../functions/reproduce.ts';
import { type Progress, type TaskContext, TaskLease, TaskRefusal } from '../../functions/tasks.ts';
import type { TrainRunnerConfig } from '../config.ts';
import type { Downloads } from '../downloads.ts';
import { Fault } from '../faults.ts';
import { LeasedWork } from '../leased-work.ts';
import type { RunnerApi } from '../runner-api.ts';
import type { TrainerPool } from '../train/trainer-pool.ts';
import { KeptBase } from '../verify/kept-base.ts';
import { measureModel } from './evaluation.ts';
import { mergeAndHandIn, sizeOf } from './merging.ts';
import { trainAgain } from './training-again.ts';

/** What the functions of tasks are handed. */
export type TaskEngine = EvaluateEngine & MergeEngine & ReproduceEngine;

/** Resolves when what it was working on is given back. @param functions that it can do */
export async function runTasks(
  functions: readonly FunctionDefinition[],
  {
    config,
    api,
    downloads,
    pool,
    log,
  }: { config: TrainRunnerConfig; api: RunnerApi; downloads: Downloads; pool: TrainerPool; log: Logger },
  stop: AbortSignal,
): Promise<void> {
  await using kept = new KeptBase(config, downloads);
  let progress: Progress | undefined;
  const engineOf = (leaseId: string, context: TaskContext): TaskEngine => ({
    evaluate: async (event) =>
      measureModel(event, await kept.open(event.base, context.signal), downloads, context),
    merge: (event) => {
      const folder = join(config.cacheFolder, 'merged', leaseId);
      return mergeAndHandIn(event, { api, downloads, leaseId, folder }, context);
    },
    reproduce: (event) => trainAgain(event, { config, downloads, pool, leaseId }, context),
  });
  const definitionOf = (name: string): FunctionDefinition => {
    const definition = functions.find((one) => one.name === name);
    if (!definition) throw new Error(`the API gave out ${name}, which was not asked for`);
    return definition;
  };
  const work = {
    path: 'tasks' as const,
    request: { runner: config.name, functions: functions.map(({ name }) => name) },
    lease: TaskLease,
    describe: ({ taskId, function: name }: TaskLease) => ({ task: taskId, function: name }),
    functionOf: ({ function: name }: TaskLease) => definitionOf(name),
    beat: () => (progress ? { progress } : {}),
    rest: () => kept.closeIfIdle(),
    left: () => undefined,
    async do({ leaseId, function: name, event }: TaskLease, signal: AbortSignal) {
      progress = undefined;
      const report = (now: Progress) => {
        progress = now;
      };
      try {
        const result = await invoke(
          definitionOf(name),
          event,
          engineOf(leaseId, { signal, report }) as never,
        );
        const { files = [] } = result as Partial<MergeResult>;
        await api.post(`tasks/${leaseId}/result`, { result }, undefined, sizeOf(files));
      } catch (error) {
        const refusal = refusalOf(error);
        if (!refusal) throw error;
        await api.post(`tasks/${leaseId}/failed`, refusal.failure);
      } finally {
        kept.used();
      }
    },
  };
  await new LeasedWork(work, api, log).run(stop);
}

/** What is wrong with the task itself; undefined: the runner is at fault. */
function refusalOf(error: unknown): TaskRefusal | undefined {
  if (error instanceof TaskRefusal) return error;
  if (error instanceof Fault && error.code === 'adapter_invalid')
    return new TaskRefusal({ code: 'adapter_invalid', message: error.message, field: 'model' });
  return undefined;
}
