#!/usr/bin/env node
// Plain JavaScript, so that an old Node can read it and say what it lacks: the rest is TypeScript, run as written.
import module from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';

const [major] = process.versions.node.split('.').map(Number);
if (major < 24) {
  process.stderr.write(
    `patchbay: this is Node ${process.versions.node}; the command needs Node 24 or newer.\n`,
  );
  process.stderr.write(
    'In the repository, `npm run patchbay -- <command>` uses the Node that `npm ci` installed.\n',
  );
  process.exit(2);
}
// What was compiled once is kept: half of the start.
const cache = process.env.XDG_CACHE_HOME || join(homedir(), '.cache');
module.enableCompileCache(join(cache, 'patchbay', 'compiled'));
// Node's own ends the process when a server closes a connection whose last bytes wait for a slow reader:
// github.com/nodejs/undici/issues/5360, mended in this one.
const { Agent, fetch, FormData, setGlobalDispatcher } = await import('undici');
setGlobalDispatcher(new Agent()); // else it shares Node's own, if that was there first
Object.assign(globalThis, { fetch, FormData }); // it knows no form but its own
await import('../main.ts');
