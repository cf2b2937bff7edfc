/** What a runner that works on leases does side by side, and so how many of them there should be: pure, and read by API and runner alike. */
import type { FunctionDefinition, Needs } from './definition.ts';
import { evaluate } from './evaluate.ts';
import { COLD_START_MS } from './fleet.ts';
import { merge } from './merge.ts';
import { reproduce } from './reproduce.ts';
import { train } from './train.ts';
import { verify } from './verify.ts';

/** What is in a lane waits for others of the same one, and for nothing else: training again takes as long as it took. */
export const LANES: readonly (readonly FunctionDefinition[])[] = [
  [train],
  [verify],
  [evaluate, merge],
  [reproduce],
];

/** Events that one runner is done with before another one would be there; of work that takes longer, those that it has at once. */
export const doneByOne = ({ concurrency, usualSeconds }: Needs): number =>
  usualSeconds === undefined
    ? concurrency
    : concurrency * Math.max(1, Math.floor(COLD_START_MS / 1000 / usualSeconds));

/**
 * Enough for the lane that has most to do: each runner has them all.
 * @param open events by the name of their function, those that are worked on included
 */
export function leasingRunners(open: Readonly<Record<string, number>>): number {
  const wanted = LANES.map((lane) =>
    lane.reduce((sum, { name, needs }) => sum + (open[name] ?? 0) / doneByOne(needs), 0),
  );
  return Math.ceil(Math.max(...wanted));
}
