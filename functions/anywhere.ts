/** The functions that need nothing but the database and the object store: they run in the server, in a Lambda, in a container. */
import { orphans } from './orphans.ts';
import type { ServerFunction } from './ports.ts';
import { reverify } from './reverify.ts';
import { rollup } from './rollup.ts';
import { scale } from './scale.ts';
import { sweep } from './sweep.ts';
import { webhook } from './webhook.ts';

export const ANYWHERE: readonly ServerFunction[] = [orphans, reverify, rollup, scale, sweep, webhook];
