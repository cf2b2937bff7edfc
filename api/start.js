// Plain JavaScript, so that an old Node can read it and say what it lacks: the rest is TypeScript, run as written.
const [major] = process.versions.node.split('.').map(Number);
if (major < 24) {
  process.stderr.write(
    `patchbay: this is Node ${process.versions.node}; Patchbay needs Node 24 or newer. \`npm start\` uses the right one, which \`npm ci\` installs.\n`,
  );
  process.exit(1);
}
// Node's own ends the process when a server closes a connection whose last bytes wait for a slow reader:
// github.com/nodejs/undici/issues/5360, mended in this one.
const { Agent, fetch, setGlobalDispatcher } = await import('undici');
setGlobalDispatcher(new Agent()); // else it shares Node's own, if that was there first
globalThis.fetch = fetch;
await import('./node.ts');
