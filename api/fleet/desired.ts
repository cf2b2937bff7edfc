/** How many runners there should be: for whoever starts and stops them, such as KEDA or an ECS service, and for the operator. */
import type { Database } from '../../db/open.ts';
import { openWork } from '../../db/open-work.ts';
import { waitingWork } from '../../db/operations.ts';
import { demands, liveRunners } from '../../db/runners.ts';
import { fleetSize, heldNow, runnersOf, type ScaleState } from '../../functions/desired.ts';
import { SILENT_MS } from '../../functions/fleet.ts';
import type { RunnerHealth } from '../../functions/generate.ts';
import { leasingRunners } from '../../functions/lanes.ts';

export interface Desired {
  /** Runners there should be, bases sharing them. */
  readonly runners: number;
  /** Runners that work on leases (train, verify...): enough for all that waits, and for what they have. */
  readonly training: number;
  /** How long the eldest work has waited that is to be leased; 0: nothing waits. */
  readonly waitingSeconds: number;
  /** Runners that answer, and are there. */
  readonly live: number;
  readonly bases: readonly { readonly base: string; readonly desired: number; readonly live: number }[];
}

export async function desired(db: Database, now: Date): Promise<Desired> {
  const healths = (await liveRunners(db, SILENT_MS)).map(({ health }) => health as RunnerHealth);
  const asked = (await demands(db)).map(({ state, idleSeconds, ...demand }) => ({
    ...demand,
    held: heldNow(state as ScaleState | null, idleSeconds),
  }));
  const smallest = healths.reduce(
    (least, { baseBytes }) => Math.min(least, baseBytes),
    Number.POSITIVE_INFINITY,
  );
  return {
    runners: fleetSize(asked, Number.isFinite(smallest) ? smallest : null),
    training: leasingRunners(await openWork(db)),
    waitingSeconds: await waitingSeconds(db, now),
    live: healths.length,
    bases: asked.map(({ baseId, digest, held }) => ({
      base: baseId,
      desired: runnersOf({ held }),
      live: healths.filter(({ bases }) => bases.some((base) => base.digest === digest)).length,
    })),
  };
}

async function waitingSeconds(db: Database, now: Date): Promise<number> {
  const ages = (await waitingWork(db)).flatMap(({ since }) => (since ? now.getTime() - since.getTime() : []));
  return Math.round(Math.max(0, ...ages) / 1000);
}
