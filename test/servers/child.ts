/** A server in a process of its own, which is up once it answers. */
import { spawn } from 'node:child_process';

const START_TIMEOUT_MS = 30_000;
const ASK_AGAIN_MS = 25;

export interface ChildServer {
  readonly url: string;
  /** Whether it is still there. */
  isRunning(): boolean;
  /** Everything it has written. */
  log(): string;
  stop(): Promise<void>;
}

export function spawnChild(
  url: string,
  command: string,
  args: readonly string[],
  environment: Readonly<Record<string, string>>,
): ChildServer {
  const child = spawn(command, args, {
    cwd: new URL('../..', import.meta.url),
    env: { ...process.env, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let log = '';
  for (const output of [child.stdout, child.stderr])
    output.on('data', (chunk) => {
      log += chunk;
    });
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  return {
    url,
    isRunning: () => child.exitCode === null && child.signalCode === null,
    log: () => log,
    async stop() {
      child.kill();
      await exited;
    },
  };
}

/** @throws with what it wrote when it does not come up */
export async function answering(server: ChildServer): Promise<ChildServer> {
  const deadline = performance.now() + START_TIMEOUT_MS;
  while ((await fetch(`${server.url}/healthz`).catch(() => undefined))?.status !== 200) {
    if (!server.isRunning() || performance.now() > deadline) {
      if (server.isRunning()) await server.stop();
      throw new Error(`${server.url} did not come up\n${server.log()}`);
    }
    await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN_MS));
  }
  return server;
}
