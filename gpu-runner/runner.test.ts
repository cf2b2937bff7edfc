import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, onTestFinished } from 'vitest';
import { GenerateRequest } from '../functions/generate.ts';
import { readConfig } from './config.ts';
import { Runner } from './runner.ts';
import { FileServer } from './testing/file-server.ts';

it('a base makes room for another one while somebody still reads an answer of it', async () => {
  const files = await FileServer.open();
  const folder = await mkdtemp(join(tmpdir(), 'patchbay-runner-'));
  const [first, second] = [files.base('llama3'), files.base('qwen3')];
  const weights = [first, second].map((base) =>
    base.files.reduce((sum, { path, size }) => sum + (path.endsWith('.safetensors') ? size : 0), 0),
  );
  const runner = new Runner(
    readConfig({
      PATCHBAY_RUNNER_TOKEN: 'a token for tests only',
      PATCHBAY_RUNNER_CACHE: folder,
      PATCHBAY_RUNNER_THREADS: '1',
      PATCHBAY_RUNNER_BASE_BYTES: `${Math.max(...weights)}`,
    }),
  );
  onTestFinished(async () => {
    await events.return(undefined);
    await runner.drain();
    await files.close();
    await rm(folder, { recursive: true });
  });
  const request = GenerateRequest.parse({
    requestId: 'slow reader',
    base: first,
    adapters: [],
    prompt: { kind: 'tokens', tokens: [293] },
    sampling: { temperature: 0, maxTokens: 400, logitBias: { 316: -100, 319: -100 } },
  });
  const events = runner.generate(request, new AbortController().signal, () => undefined);
  await events.next();
  await expect(runner.open(second)).rejects.toMatchObject({ code: 'busy' });
  const opened = () => runner.open(second).then(Boolean, () => false);
  await expect.poll(opened, { timeout: 30_000 }).toBe(true);
  expect(runner.health().bases).toMatchObject([{ digest: second.digest }]);
  expect((await Array.fromAsync(events)).at(-1)).toMatchObject({ type: 'finish', completionTokens: 400 });
});
