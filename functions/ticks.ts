/**
 * Schedules without a scheduler: whoever finds that a function is due claims its tick in the database (db/schedules.ts), so of any
 * number of servers, containers and Lambdas exactly one runs it.
 */
import { type Claim, claimTick, endTick } from '../db/schedules.ts';
import { inTime, invoke, type Trigger } from './definition.ts';
import type { Ports, ServerFunction } from './ports.ts';

export type Scheduled = ServerFunction & { readonly trigger: Extract<Trigger, { kind: 'schedule' }> };

export const isScheduled = (definition: ServerFunction): definition is Scheduled =>
  definition.trigger.kind === 'schedule';

export function claim({ name, trigger, needs }: Scheduled, { db }: Pick<Ports, 'db'>): Promise<Claim> {
  return claimTick(db, name, {
    everySeconds: trigger.everySeconds,
    // One that may run several times at once begins the next tick though the last one is not over.
    leaseSeconds: needs.concurrency === 1 ? needs.timeoutSeconds : 0,
  });
}

/** @throws what the function throws; its next tick comes all the same */
export async function runClaimed(definition: Scheduled, claimId: string, ports: Ports): Promise<unknown> {
  try {
    const result = await inTime(definition, invoke(definition, {}, ports));
    await endTick(ports.db, definition.name, claimId, { result });
    return result;
  } catch (error) {
    await endTick(ports.db, definition.name, claimId, { error: (error as Error).message });
    throw error;
  }
}

/** Runs what is due, for a process that is woken now and then. What fails is reported, and its next tick comes all the same. */
export async function runDue(
  functions: readonly ServerFunction[],
  ports: Ports,
  log: { error(fields: object, message: string): void },
): Promise<void> {
  for (const definition of functions.filter(isScheduled)) {
    try {
      const claimed = await claim(definition, ports);
      if (claimed.isMine) await runClaimed(definition, claimed.id, ports);
    } catch (error) {
      log.error({ function: definition.name, error: (error as Error).message }, 'a function failed');
    }
  }
}
