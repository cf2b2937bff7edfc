/** The functions that need a base in memory, and what computes with it. A runner knows these and no others. */
import type { FunctionDefinition } from './definition.ts';
import { evaluate } from './evaluate.ts';
import { merge } from './merge.ts';
import { reproduce } from './reproduce.ts';
import { train } from './train.ts';
import { verify } from './verify.ts';
import { warm } from './warm.ts';

export const ON_RUNNERS: readonly FunctionDefinition[] = [evaluate, merge, reproduce, train, verify, warm];

/** Of a function that is no more, in a server that was upgraded: none. */
export const retriesOf = (name: string): number =>
  ON_RUNNERS.find((one) => one.name === name)?.needs.retries ?? 0;
