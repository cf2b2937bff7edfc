/** Patchbay's Lambda entry behind a function URL, both as AWS describes them. */
import { fileURLToPath } from 'node:url';
import { answering, type ChildServer, spawnChild } from './child.ts';
import { freePort } from './postgres.ts';

const runtime = fileURLToPath(new URL('./lambda-runtime.ts', import.meta.url));

export async function startLambda(settings: Readonly<Record<string, string>>): Promise<ChildServer> {
  const port = String(await freePort());
  const url = `http://127.0.0.1:${port}`;
  return answering(spawnChild(url, 'node', [runtime, port], { PATCHBAY_PUBLIC_URL: url, ...settings }));
}
