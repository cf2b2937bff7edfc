/** What a runner says that has nothing to do and nothing in memory. */
import type { RunnerHealth } from '../functions/generate.ts';

export const idleHealth: RunnerHealth = {
  status: 'ok',
  provider: 'cpu',
  baseBytes: 1e9,
  slots: 4,
  maxWaiting: 4,
  bases: [],
  running: 0,
  waiting: 0,
  adaptersInMemory: 0,
  adapters: [],
  answerSeconds: null,
};
