/**
 * What a runner that works on leases does side by side, and so how much memory it needs, and how many of them there should be: pure, and
 * read by API, runner and infrastructure alike.
 */
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

/** These take their memory from one pool, in which who does not fit waits (gpu-runner/train/trainer-pool.ts). Every other lane has its own. */
const POOLED: readonly FunctionDefinition[] = [train, reproduce];
const MEMORIES = [POOLED, ...LANES.filter((lane) => !lane.some((one) => POOLED.includes(one)))];

/** What one process needs for all lanes that have one of these functions. */
export const memoryMiB = (functions: readonly FunctionDefinition[]): number =>
  MEMORIES.map((sharing) => sharing.filter((one) => functions.includes(one)))
    .map((sharing) => Math.max(0, ...sharing.map(({ needs }) => needs.memoryMiB)))
    .reduce((sum, most) => sum + most, 0);

/** Of these, what others need than those that train. */
export const memoryMiBBesideTraining = (functions: readonly FunctionDefinition[]): number =>
  memoryMiB(functions.filter((one) => !POOLED.includes(one)));

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
