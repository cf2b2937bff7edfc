import { expect, it, vi } from 'vitest';
import { z } from 'zod';
import { createLog } from '../observe/log.ts';
import { LeasedWork } from './leased-work.ts';
import type { RunnerApi } from './runner-api.ts';

const hung = vi.hoisted(() => ({ reasons: [] as string[] }));
vi.mock('./end-hung.ts', () => ({ endHung: (_log: unknown, reason: string) => hung.reasons.push(reason) }));

const TIMEOUT_SECONDS = 1;
const lease = { leaseId: 'a', heartbeatSeconds: 0.2 };

/** A runner that gets a piece of work once, and is stopped when it asks for the next one. @returns what it asked the API */
async function run(work: (signal: AbortSignal) => Promise<void>) {
  const asked: [string, unknown][] = [];
  const stop = new AbortController();
  const post = async (path: string, body: unknown) => {
    asked.push([path, body]);
    if (asked.length === 1) return lease;
    if (path === 'tasks') stop.abort();
    return path === 'tasks' ? undefined : {};
  };
  const needs = {
    processor: 'cpu',
    memoryMiB: 1,
    timeoutSeconds: TIMEOUT_SECONDS,
    retries: 0,
    concurrency: 1,
  } as const;
  await new LeasedWork(
    {
      path: 'tasks',
      request: {},
      lease: z.object({ leaseId: z.string(), heartbeatSeconds: z.number() }),
      describe: () => ({}),
      functionOf: () => ({ name: 'test', needs }),
      do: (_, signal) => work(signal),
      left: () => undefined,
      beat: () => ({}),
      rest: async () => undefined,
    },
    { post } as unknown as RunnerApi,
    createLog('test', 'silent'),
  ).run(stop.signal);
  return asked;
}

const untilAborted = (signal: AbortSignal) =>
  new Promise<void>((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));

const told = ([path]: [string, unknown]) => path;

it('work that takes longer than its function may is stopped, and given back as failed', async () => {
  const asked = await run(untilAborted);
  expect(asked.slice(-2)).toEqual([
    ['tasks/a/release', { failed: true }],
    ['tasks', {}],
  ]);
  expect(asked.map(told)).toContain('tasks/a/heartbeat');
  expect(hung.reasons).toEqual([]);
});

it('work that does not stop when it is told to is given back all the same, and ends the process', async () => {
  const asked = await run(() => new Promise(() => undefined));
  expect(asked.slice(-2)[0]).toEqual(['tasks/a/release', { failed: true }]);
  expect(hung.reasons).toEqual(['test took longer than 1 seconds.']);
});
