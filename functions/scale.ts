/** Every ten seconds: how many runners each base should have. Who starts and stops them reads it (`GET /api/runner/desired`). */
import { z } from 'zod';
import { demands, forgetRunners, type KnownRunner, liveRunners, setDesired } from '../db/runners.ts';
import { defineFunction, Tick } from './definition.ts';
import { desiredRunners, runnersOf, type ScaleState } from './desired.ts';
import { SILENT_MS } from './fleet.ts';
import type { RunnerHealth } from './generate.ts';
import type { Ports } from './ports.ts';

/** What was said that long ago tells an operator nothing any more. */
const FORGET_MS = 60 * 60_000;

export const scale = defineFunction({
  name: 'scale',
  trigger: { kind: 'schedule', everySeconds: 10 },
  needs: { processor: 'cpu', memoryMiB: 256, timeoutSeconds: 30, retries: 0, concurrency: 1 },
  event: Tick,
  result: z.object({ desired: z.record(z.string(), z.int()) }),
  async handle(_tick, { db }: Pick<Ports, 'db'>) {
    await forgetRunners(db, FORGET_MS);
    const runners = await liveRunners(db, SILENT_MS);
    const desired: Record<string, number> = {};
    for (const { baseId, digest, arrivals, idleSeconds, atSeconds, state } of await demands(db)) {
      const seen = { atSeconds, arrivals, idleSeconds, ...loadOf(digest, runners) };
      const next = desiredRunners(state as ScaleState | null, seen);
      desired[baseId] = runnersOf(next);
      await setDesired(db, baseId, desired[baseId], { ...next });
    }
    return { desired };
  },
});

/** Of the runners that have a base. One that has several is counted for each: its queue is all of theirs. */
function loadOf(digest: string, runners: readonly KnownRunner[]) {
  const having = runners
    .map(({ health }) => health as RunnerHealth)
    .filter(({ status, bases }) => status === 'ok' && bases.some((base) => base.digest === digest));
  const timed = having.flatMap(({ answerSeconds }) => answerSeconds ?? []);
  const mean = (values: readonly number[]) =>
    values.length > 0 ? values.reduce((sum, value) => sum + value, 0) / values.length : null;
  return {
    waiting: having.reduce((sum, { waiting }) => sum + waiting, 0),
    slots: mean(having.map(({ slots }) => slots)),
    answerSeconds: mean(timed),
  };
}
