/** For whoever runs the server: what runs, what waits, what is stored. */
import { z } from '@hono/zod-openapi';
import type { Database } from '../../db/open.ts';
import { type Operations, operations } from '../../db/operations.ts';
import { RunnerHealth } from '../../functions/generate.ts';
import { ApiError } from '../errors.ts';
import type { Fleet } from '../fleet/fleet.ts';
import { type App, needs, ok, problems, routesOf } from './kit.ts';

const route = routesOf('Operator');

export interface OperatorDeps {
  readonly db: Database;
  readonly now: () => Date;
  readonly runner: Fleet;
}

const counts = z.record(z.string(), z.int());
const Operator = z
  .object({
    runner: RunnerHealth.nullable().openapi({
      description: 'All runners together; `waiting` is how deep their queues are. Null: none can be reached',
    }),
    runners: z
      .array(z.object({ url: z.string(), health: RunnerHealth }))
      .openapi({ description: 'Each, as it last said itself' }),
    adapters: z.int(),
    people: z.int(),
    drafts: z.int().openapi({ description: 'Uploads under way' }),
    stored: z.object({ blobs: z.int(), files: z.int() }).openapi({ description: 'Bytes' }),
    jobs: counts.openapi({ description: 'Training jobs by status' }),
    verifications: counts.openapi({ description: 'By status' }),
    tasks: counts.openapi({ description: 'By status' }),
    leases: z
      .array(z.object({ function: z.string(), what: z.string(), expiresAt: z.string() }))
      .openapi({ description: 'What runners work on: jobs, versions and tasks' }),
    reports: z
      .array(
        z.object({
          at: z.string(),
          adapter: z.string(),
          by: z.string().nullable(),
          reason: z.string(),
          message: z.string(),
        }),
      )
      .openapi({ description: 'What somebody found wrong with an adapter; the newest' }),
  })
  .openapi('Operator');

export function operatorRoutes(app: App, { db, now, runner }: OperatorDeps): void {
  app.openapi(
    route({
      method: 'get',
      path: '/operator',
      summary: 'Runner, queues, storage and reports',
      ...needs('admin'),
      responses: { 200: ok(Operator, 'As it is now'), ...problems },
    }),
    async (c) => {
      const [health, members, known] = await Promise.all([
        runner.health().catch((error: unknown) => {
          if (error instanceof ApiError) return null; // that it is away is what is asked for
          throw error;
        }),
        runner.members(),
        operations(db, now()),
      ]);
      const runners = members.map(({ url, health: own }) => ({ url, health: own }));
      return c.json({ runner: health, runners, ...view(known) }, 200);
    },
  );
}

const view = ({ leases, reports, jobs, verifications, tasks, ...rest }: Operations) => ({
  ...rest,
  jobs: { ...jobs },
  verifications: { ...verifications },
  tasks: { ...tasks },
  leases: leases.map(({ expiresAt, ...lease }) => ({ ...lease, expiresAt: expiresAt.toISOString() })),
  reports: reports.map(({ at, ...report }) => ({ ...report, at: at.toISOString() })),
});
