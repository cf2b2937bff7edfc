/**
 * After the last fault: everybody gets what a real system has plenty of, time. Leases of the dead run out after a minute, and what
 * could not be delivered is tried again after minutes; the API's clock is moved on instead of waiting.
 */
import type { Deployment } from './deployment.ts';

/** A minute and a little: the longest that anything waits for a runner that went silent. */
const JUMP_MS = 61_000;
const BETWEEN_JUMPS_MS = 3_000;
/** The same while somebody works, who would lose a lease at each: three of them, and the work is given up. */
const BETWEEN_JUMPS_AT_WORK_MS = 30_000;
const LOOK_MS = 250;
/** A lease that was given is in its runner's log a little later. */
const UNSEEN_MS = 2_000;
const GIVES_UP_MS = 120_000;

interface Open {
  readonly jobs: number;
  readonly verifications: number;
  /** Deliveries that nobody has come to yet. */
  readonly due: number;
  /** Those that wait for their next attempt. */
  readonly later: number;
  /** That have not run out. */
  readonly leases: readonly string[];
}

/** @param $1 what the API's clock is ahead by, in seconds */
const OPEN = `select
  (select count(*)::int from training_jobs where status not in ('succeeded', 'failed', 'cancelled', 'paused')) as jobs,
  (select count(*)::int from verifications where status in ('waiting', 'running')) as verifications,
  (select count(*)::int from deliveries where status = 'waiting' and next_at <= now() + make_interval(secs => $1)) as due,
  (select count(*)::int from deliveries where status = 'waiting' and next_at > now() + make_interval(secs => $1)) as later,
  array(select lease_id from training_jobs where lease_expires_at > now() + make_interval(secs => $1)
    union all select lease_id from verifications
      where status = 'running' and lease_expires_at > now() + make_interval(secs => $1)) as leases`;

export interface Settled {
  /** What was left open; undefined: nothing. */
  readonly open: string | undefined;
  /** How often leases ran out because the clock was moved on. */
  readonly jumps: number;
}

/** @param busy whether clients still wait for something */
export async function settle(deployment: Deployment, busy: () => boolean): Promise<Settled> {
  const { timeline, api, database } = deployment;
  for (const one of deployment.processes) await one.setClock(0);
  await deployment.ready();
  timeline.note('settle', 'everything answers');
  const began = timeline.ms;
  let jumps = 0;
  let lastJump = began;
  /** Leases that nobody works on, and since when that is seen. */
  let unseen = new Map<string, number>();
  for (;;) {
    const ahead = jumps * JUMP_MS;
    const { rows } = await database.query<Open>(OPEN, [ahead / 1000]);
    const { leases, ...open } = rows[0]!;
    const orphaned = leases.filter((lease) => !isWorkedOn(deployment, lease));
    unseen = new Map(orphaned.map((lease) => [lease, unseen.get(lease) ?? timeline.ms]));
    const dead = [...unseen.values()].filter((since) => timeline.ms - since > UNSEEN_MS).length;
    const isOver = open.jobs + open.verifications + open.due + open.later === 0 && !busy();
    const isTooLate = timeline.ms - began > GIVES_UP_MS;
    if (isOver || isTooLate) {
      await api.setClock(0);
      return {
        open: isOver ? undefined : `${JSON.stringify({ ...open, leases, busy: busy() })} is open`,
        jumps,
      };
    }
    // Those who work lose their leases, too: so the clock is not moved on for the sake of a delivery while somebody works.
    const waits = dead > 0 || (open.later > 0 && open.jobs + open.verifications === 0);
    const patience = orphaned.length < leases.length ? BETWEEN_JUMPS_AT_WORK_MS : BETWEEN_JUMPS_MS;
    if (waits && timeline.ms - lastJump > patience) {
      lastJump = timeline.ms;
      jumps++;
      timeline.note(
        'settle',
        `${JSON.stringify({ ...open, dead })}: the API's clock is moved on to +${(jumps * JUMP_MS) / 1000} s`,
      );
      await api.setClock(jumps * JUMP_MS);
    }
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
  }
}

/** The runner that runs now took it, and has not left it. */
function isWorkedOn({ trainer }: Deployment, lease: string): boolean {
  const lines = trainer.life.split('\n');
  const at = lines.findIndex((line) => line.includes(lease));
  if (at < 0) return false;
  const { job, version } = JSON.parse(lines[at]!) as { job?: string; version?: string };
  // A runner whose lease ran out may have taken the same job again before it hears that the first lease is over.
  const isOfAnother = (line: string) => /The lease \S+ is over/.test(line) && !line.includes(lease);
  const last = lines.findLast((line) => line.includes(`"${job ?? version}"`) && !isOfAnother(line));
  return !/"msg":"(left|lost|gives|verified|a version could)/.test(last ?? '');
}
