/**
 * Every function there is. The lists are written out, not read from the folder: bundlers must see through them, and at the edge
 * there is no folder. registry.test.ts compares them with it.
 */
import { ANYWHERE } from './anywhere.ts';
import type { FunctionDefinition } from './definition.ts';
import { ON_RUNNERS } from './on-runners.ts';

export const FUNCTIONS: readonly FunctionDefinition[] = [...ANYWHERE, ...ON_RUNNERS];
