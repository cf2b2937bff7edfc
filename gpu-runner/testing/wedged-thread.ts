/**
 * Preloaded into a runner under test (`node --import`): while there is a file that is named so, each thread but the first stands
 * still, as in a step of the model that does not end.
 */
import { existsSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';

const LOOK_MS = 20;
const file = process.env['PATCHBAY_TEST_WEDGE']!;
const still = new Int32Array(new SharedArrayBuffer(4));

if (!isMainThread)
  setInterval(() => {
    while (existsSync(file)) Atomics.wait(still, 0, 0, LOOK_MS);
  }, LOOK_MS).unref();
