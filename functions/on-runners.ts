/** The functions that need a base in memory, and what computes with it. A runner knows these and no others. */
import type { FunctionDefinition } from './definition.ts';
import { train } from './train.ts';
import { verify } from './verify.ts';

export const ON_RUNNERS: readonly FunctionDefinition[] = [train, verify];
