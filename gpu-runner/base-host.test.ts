import { expect, it, onTestFinished } from 'vitest';
import { Sampling } from '../functions/generate.ts';
import { BaseHost } from './base-host.ts';
import { copyCheckpoint } from './testing/training.ts';

const BYTES = 2 ** 28;
const LIMITS = { threads: 1, maxRows: 4, maxWaiting: 4, kvBytes: BYTES, adapterBytes: BYTES };

it('a reader that takes its time with an answer that has ended is not taken for a thread that hangs', async () => {
  const { folder } = await copyCheckpoint('llama3');
  const host = await BaseHost.open({ folder, ...LIMITS });
  onTestFinished(() => host.close());
  const sampling = Sampling.parse({ temperature: 0, maxTokens: 8 });
  const command = { prompt: [293], adapters: [], sampling, seed: 1, n: 2 };
  const ended = Promise.withResolvers<void>();
  let left = command.n;
  const see = (seen: object) => 'timing' in seen && --left === 0 && ended.resolve();
  const events = host.generate(command, new AbortController().signal, see);
  await events.next();
  await ended.promise;
  expect(host.silentMs).toBe(0);
  const rest = await Array.fromAsync(events);
  expect(rest.filter(({ type }) => type === 'finish')).toHaveLength(command.n);
});
