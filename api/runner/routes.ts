/** The routes of functions/train.ts, verify.ts, tasks.ts and fleet.ts, for runners, which show the runner token instead of a key. */
import { Hono, type MiddlewareHandler } from 'hono';
import { z } from 'zod';
import { reportRunner, runnerLeft } from '../../db/runners.ts';
import { RunnerLeft, RunnerReport } from '../../functions/fleet.ts';
import { DeclaredFiles, TaskBeat, TaskFailure, TaskRequest, TaskResult } from '../../functions/tasks.ts';
import {
  DeclaredCheckpoint,
  DeclaredResult,
  EventBatch,
  Heartbeat,
  JobFailure,
  KeptCheckpoint,
  LeaseRequest,
  TrainRelease,
  Validated,
} from '../../functions/train.ts';
import { Release, Verdict } from '../../functions/verify.ts';
import { secretCheck } from '../access-token.ts';
import type { AppEnv } from '../context.ts';
import { ApiError } from '../errors.ts';
import type { TrainingDeps } from '../fine-tuning.ts';
import { desired } from '../fleet/desired.ts';
import {
  failJob,
  heartbeat,
  keepDeclared,
  markValidated,
  releaseJob,
  reportEvents,
  startCheckpoint,
  takeLease,
} from '../leases.ts';
import { parseInput, readJsonBody } from '../request.ts';
import { completeResult, startResult } from '../results.ts';
import { failTask, finishTask, heartbeatTask, releaseTask, startFiles, takeTask } from '../task-leases.ts';
import {
  decide,
  releaseVerification,
  renewVerification,
  takeVerification,
  type VerifyDeps,
} from '../verify.ts';

export interface RunnerDeps extends TrainingDeps, VerifyDeps {
  readonly runnerToken: string;
  /** Accepted too, while it is being changed. */
  readonly otherRunnerToken?: string | undefined;
}

const Step = z.coerce.number().int().min(0);

export function runnerRoutes(deps: RunnerDeps) {
  const app = new Hono<AppEnv>();
  app.use(needsToken([deps.runnerToken, deps.otherRunnerToken].filter((token) => token !== undefined)));
  const read = async <T extends z.ZodType>(schema: T, request: Request): Promise<z.infer<T>> =>
    parseInput(schema, await readJsonBody(request));

  app.post('/leases', async (c) => {
    const { runner } = await read(LeaseRequest, c.req.raw);
    const lease = await takeLease(deps, runner);
    return lease ? c.json(lease) : c.body(null, 204);
  });
  app.post('/leases/:id/heartbeat', async (c) =>
    c.json(await heartbeat(deps, c.req.param('id'), await read(Heartbeat, c.req.raw))),
  );
  app.post('/leases/:id/validated', async (c) => {
    await markValidated(deps, c.req.param('id'), await read(Validated, c.req.raw));
    return c.body(null, 204);
  });
  app.post('/leases/:id/events', async (c) =>
    c.json(await reportEvents(deps, c.req.param('id'), await read(EventBatch, c.req.raw))),
  );
  app.post('/leases/:id/checkpoints', async (c) =>
    c.json(await startCheckpoint(deps, c.req.param('id'), await read(DeclaredCheckpoint, c.req.raw))),
  );
  app.post('/leases/:id/checkpoints/:step', async (c) => {
    const step = parseInput(Step, c.req.param('step'));
    await keepDeclared(deps, c.req.param('id'), step, await read(KeptCheckpoint, c.req.raw));
    return c.body(null, 204);
  });
  app.post('/leases/:id/result', async (c) =>
    c.json(await startResult(deps, c.req.param('id'), await read(DeclaredResult, c.req.raw))),
  );
  app.post('/leases/:id/result/complete', async (c) => c.json(await completeResult(deps, c.req.param('id'))));
  app.post('/leases/:id/failed', async (c) => {
    await failJob(deps, c.req.param('id'), await read(JobFailure, c.req.raw));
    return c.body(null, 204);
  });
  app.post('/leases/:id/release', async (c) => {
    await releaseJob(deps, c.req.param('id'), await read(TrainRelease, c.req.raw));
    return c.body(null, 204);
  });

  app.post('/runners', async (c) => {
    const { url, health } = await read(RunnerReport, c.req.raw);
    await reportRunner(deps.db, url, health);
    return c.body(null, 204);
  });
  app.post('/runners/left', async (c) => {
    await runnerLeft(deps.db, (await read(RunnerLeft, c.req.raw)).url);
    return c.body(null, 204);
  });
  app.get('/desired', async (c) => c.json(await desired(deps.db, deps.now())));

  app.post('/verifications', async (c) => {
    const { runner } = await read(LeaseRequest, c.req.raw);
    const lease = await takeVerification(deps, runner);
    return lease ? c.json(lease) : c.body(null, 204);
  });
  app.post('/verifications/:id/heartbeat', async (c) => {
    await renewVerification(deps, c.req.param('id'));
    return c.body(null, 204);
  });
  app.post('/verifications/:id/verdict', async (c) => {
    await decide(deps, c.req.param('id'), await read(Verdict, c.req.raw));
    return c.body(null, 204);
  });
  app.post('/verifications/:id/release', async (c) => {
    const { failed } = await read(Release, c.req.raw);
    await releaseVerification(deps, c.req.param('id'), failed);
    return c.body(null, 204);
  });

  app.post('/tasks', async (c) => {
    const lease = await takeTask(deps, await read(TaskRequest, c.req.raw));
    return lease ? c.json(lease) : c.body(null, 204);
  });
  app.post('/tasks/:id/heartbeat', async (c) => {
    const { progress } = await read(TaskBeat, c.req.raw);
    return c.json({ action: await heartbeatTask(deps, c.req.param('id'), progress) });
  });
  app.post('/tasks/:id/files', async (c) =>
    c.json(await startFiles(deps, c.req.param('id'), await read(DeclaredFiles, c.req.raw))),
  );
  app.post('/tasks/:id/result', async (c) => {
    const { result } = await read(TaskResult, c.req.raw);
    await finishTask(deps, c.req.param('id'), result);
    return c.body(null, 204);
  });
  app.post('/tasks/:id/failed', async (c) => {
    await failTask(deps, c.req.param('id'), await read(TaskFailure, c.req.raw));
    return c.body(null, 204);
  });
  app.post('/tasks/:id/release', async (c) => {
    const { failed } = await read(Release, c.req.raw);
    await releaseTask(deps, c.req.param('id'), failed);
    return c.body(null, 204);
  });
  return app;
}

function needsToken(tokens: readonly string[]): MiddlewareHandler<AppEnv> {
  const isKnown = secretCheck(tokens);
  return async (c, next) => {
    if (!(await isKnown(c.req.header('authorization'))))
      throw new ApiError('unauthorized', 'This needs the token of the runners.');
    await next();
  };
}
