/** Work that is asked for and takes a while: evaluating a model, merging adapters into their base, training again. */
import { z } from '@hono/zod-openapi';
import { isOver, listTasks, type Task } from '../../db/tasks.ts';
import { requirePrincipal } from '../context.ts';
import { orderReproduction } from '../reproduction.ts';
import {
  cancelTask,
  createTask,
  ORDERS,
  orderEvaluation,
  orderMerge,
  ownTask,
  taskFileUrl,
} from '../tasks.ts';
import type { PublishDeps } from '../versions.ts';
import { type App, json, needs, ok, problems, routesOf } from './kit.ts';
import * as t from './task-schemas.ts';

const route = routesOf('Tasks');

const SHOWN = 20;
/** Whoever may ask for some task may look after his own. */
const FOLLOW = ['infer', 'train'] as const;
const made = { 202: ok(t.Task, 'The task, which waits for a runner'), ...problems };

export function taskRoutes(app: App, deps: PublishDeps): void {
  app.openapi(
    route({
      method: 'post',
      path: '/tasks/evaluate',
      summary: 'Measure a base, a version or a mix on held-out rows, beside its base',
      ...needs('infer'),
      request: { headers: t.IdempotencyKey, body: { ...json(t.NewEvaluation), required: true } },
      responses: made,
    }),
    async (c) => {
      const principal = requirePrincipal(c, 'infer');
      const order = await orderEvaluation(deps, principal, c.req.valid('json'));
      const key = c.req.valid('header')['idempotency-key'];
      return c.json(view(await createTask(deps, principal, 'evaluate', order, key)), 202);
    },
  );

  app.openapi(
    route({
      method: 'post',
      path: '/tasks/merge',
      summary: 'Merge a version or a mix into its base, as a Hugging Face checkpoint to take away',
      ...needs('infer'),
      request: { headers: t.IdempotencyKey, body: { ...json(t.NewMerge), required: true } },
      responses: made,
    }),
    async (c) => {
      const principal = requirePrincipal(c, 'infer');
      const order = await orderMerge(deps, principal, c.req.valid('json').model);
      const key = c.req.valid('header')['idempotency-key'];
      return c.json(view(await createTask(deps, principal, 'merge', order, key)), 202);
    },
  );

  app.openapi(
    route({
      method: 'post',
      path: '/tasks/reproduce',
      summary: 'Train a version again from its receipt, and compare the bytes; nothing is published',
      ...needs('train'),
      request: { headers: t.IdempotencyKey, body: { ...json(t.NewReproduction), required: true } },
      responses: made,
    }),
    async (c) => {
      const principal = requirePrincipal(c, 'train');
      const order = await orderReproduction(deps, principal, c.req.valid('json'));
      const key = c.req.valid('header')['idempotency-key'];
      return c.json(view(await createTask(deps, principal, 'reproduce', order, key)), 202);
    },
  );

  app.openapi(
    route({
      method: 'get',
      path: '/tasks',
      summary: 'Your tasks, newest first',
      ...needs(...FOLLOW),
      request: {
        query: z.object({
          limit: z.coerce.number().int().min(1).max(100).default(SHOWN),
          after: t.TaskId.shape.task.optional().openapi({ description: '`next` of the page before' }),
        }),
      },
      responses: {
        200: ok(z.object({ tasks: z.array(t.Task), next: z.string().nullable() }), 'Tasks'),
        ...problems,
      },
    }),
    async (c) => {
      const principal = requirePrincipal(c, ...FOLLOW);
      const { limit, after } = c.req.valid('query');
      const last = after === undefined ? undefined : await ownTask(deps, principal, after);
      const found = await listTasks(deps.db, principal.userId, { limit, after: last });
      const shown = found.slice(0, limit);
      const next = found.length > limit ? shown.at(-1)!.id : null;
      return c.json({ tasks: shown.map(view), next }, 200);
    },
  );

  app.openapi(
    route({
      method: 'get',
      path: '/tasks/{task}',
      summary: 'A task: how far it is, and what came of it',
      ...needs(...FOLLOW),
      request: { params: t.TaskId },
      responses: { 200: ok(t.Task, 'The task'), ...problems },
    }),
    async (c) => {
      const principal = requirePrincipal(c, ...FOLLOW);
      return c.json(view(await ownTask(deps, principal, c.req.valid('param').task)), 200);
    },
  );

  app.openapi(
    route({
      method: 'post',
      path: '/tasks/{task}/cancel',
      summary: 'Cancel a task that is not over',
      ...needs(...FOLLOW),
      request: { params: t.TaskId },
      responses: { 200: ok(t.Task, 'The task'), ...problems },
    }),
    async (c) => {
      const principal = requirePrincipal(c, ...FOLLOW);
      return c.json(view(await cancelTask(deps, principal, c.req.valid('param').task)), 200);
    },
  );

  app.openapi(
    route({
      method: 'get',
      path: '/tasks/{task}/files/{path}',
      summary: 'A file that a task made, by a URL that is good for an hour',
      ...needs('infer'),
      request: { params: t.TaskId.extend({ path: z.string().max(255) }) },
      responses: { 302: { description: 'Where it is' }, ...problems },
    }),
    async (c) => {
      const principal = requirePrincipal(c, 'infer');
      const { task, path } = c.req.valid('param');
      return c.redirect(await taskFileUrl(deps, principal, task, path), 302);
    },
  );
}

function view(task: Task): z.input<typeof t.Task> {
  const { id, status, progress, error, filesExpireAt, createdAt, startedAt, finishedAt } = task;
  const { model, base, adapters } = ORDERS.merge.parse(task.order);
  const { file } = ORDERS.evaluate.partial().parse(task.order);
  return {
    id,
    function: task.function,
    model,
    base,
    versions: adapters.map(({ id: adapter, number, weight }) => ({
      version: `${adapter}@${number}`,
      weight,
    })),
    file: file?.id ?? null,
    status,
    progress: isOver(task) ? null : progress,
    result: task.result as z.input<typeof t.Task>['result'],
    filesExpireAt: task.files.length > 0 && status === 'succeeded' ? filesExpireAt!.toISOString() : null,
    error,
    createdAt: createdAt.toISOString(),
    startedAt: startedAt?.toISOString() ?? null,
    finishedAt: finishedAt?.toISOString() ?? null,
  };
}
