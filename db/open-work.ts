/** What waits for a runner that works on leases, or is worked on by one. */
import { count, inArray } from 'drizzle-orm';
import type { Database } from './open.ts';
import { tasks, trainingJobs, verifications } from './schema.ts';

/** By the name of the function that does it. */
export async function openWork(db: Database): Promise<Readonly<Record<string, number>>> {
  const [jobs] = await db
    .select({ open: count() })
    .from(trainingJobs)
    .where(inArray(trainingJobs.status, ['validating_files', 'queued', 'running']));
  const [checks] = await db
    .select({ open: count() })
    .from(verifications)
    .where(inArray(verifications.status, ['waiting', 'running']));
  const others = await db
    .select({ name: tasks.function, open: count() })
    .from(tasks)
    .where(inArray(tasks.status, ['queued', 'running']))
    .groupBy(tasks.function);
  return {
    train: jobs!.open,
    verify: checks!.open,
    ...Object.fromEntries(others.map(({ name, open }) => [name, open])),
  };
}
