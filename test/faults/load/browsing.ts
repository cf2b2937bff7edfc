/** Clients that look around, and download. */
import { createHash } from 'node:crypto';
import { codeOf } from '../client.ts';
import { type Load, sleep } from './load.ts';
import { reasonOf } from './streams.ts';

export interface Look {
  readonly path: string;
  readonly beganAt: number;
  readonly endedAt: number;
  /** Undefined: the connection ended. */
  readonly status: number | undefined;
  readonly code: string | undefined;
  /** It was the object store that answered, where the API had sent the client. */
  readonly byStore: boolean;
  /** What it should not have answered. */
  readonly problem: string | undefined;
}

export interface Download {
  readonly path: string;
  readonly sha256: string;
}

const PATHS = [
  '/api/adapters?q=test',
  '/api/adapters?sort=newest&limit=5',
  '/api/bases',
  '/v1/models',
  '/api/models?limit=5',
];
const PAUSE_MS = 120;

export async function lookAround(
  load: Load,
  client: number,
  downloads: readonly Download[],
  seen: Look[],
): Promise<void> {
  const random = load.random(client);
  while (load.timeline.ms < load.endsAt) {
    const download = random.chance(0.3) ? random.pick(downloads) : undefined;
    const look = await get(load, download?.path ?? random.pick(PATHS), download?.sha256);
    seen.push(look);
    if (look.status !== 200)
      load.timeline.note(`browser ${client}`, `${look.path}: ${look.status ?? 'broke'} ${look.code ?? ''}`);
    await sleep(random.between(0, PAUSE_MS));
  }
}

async function get({ client, timeline }: Load, path: string, sha256: string | undefined): Promise<Look> {
  const beganAt = timeline.ms;
  const seen = (more: Partial<Look>): Look => ({
    path,
    beganAt,
    endedAt: timeline.ms,
    status: undefined,
    code: undefined,
    byStore: false,
    problem: undefined,
    ...more,
  });
  try {
    const response = await client.send('GET', path);
    const bytes = new Uint8Array(await response.arrayBuffer());
    const { status } = response;
    const byStore = !response.url.startsWith(client.url);
    if (!response.ok) return seen({ status, code: codeOf(jsonOf(bytes), status), byStore });
    const actual = createHash('sha256').update(bytes).digest('hex');
    if (sha256 && actual !== sha256) return seen({ status, problem: `has the sha256 ${actual}` });
    return seen({ status });
  } catch (error) {
    const hung = (error as Error).name === 'TimeoutError';
    return seen({ problem: hung ? `hung: ${reasonOf(error)}` : undefined });
  }
}

function jsonOf(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
}
