/** The publish gate with a real runner: what it lets pass, and what it finds. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type TensorToWrite, writeSafetensors } from '../adapter/safetensors.ts';
import { sampleConfig, sampleTensors } from '../adapter/sample-adapter.ts';
import { base, type Files, InProcess } from './in-process.ts';
import { TrainRunnerProcess } from './train-runner.ts';

const TIMEOUT_MS = 60_000;
const fixture = join(import.meta.dirname, 'fixtures/parity/smollm2/adapters');

let api: InProcess;
let runner: TrainRunnerProcess;

beforeAll(async () => {
  api = await InProcess.open();
  api.verdict = undefined;
  runner = await TrainRunnerProcess.start(await api.listen());
});
afterAll(async () => {
  expect(await runner.stop()).toBe(0);
  await api.close();
  expect(api.unexpected).toEqual([]);
});

const rows = Array.from({ length: 12 }, (_, i) =>
  JSON.stringify({ messages: [{ role: 'user', content: `question ${i}` }], answer: `answer ${i * 7}` }),
).join('\n');

function withValue(tensors: readonly TensorToWrite[], value: number): TensorToWrite[] {
  return tensors.map((tensor) => ({
    ...tensor,
    data: new Uint8Array(new Float32Array(tensor.data.length / 4).fill(value).buffer),
  }));
}

// biome-ignore lint/suspicious/noExplicitAny: answers are looked at as a client's program would
const read = (response: Response): Promise<any> => response.json();

const publish = async (name: string, files: Files) => {
  const response = await api.publish(`/api/adapters/alice/${name}/versions`, files);
  return { status: response.status, body: await read(response) };
};

const sample = (value: number, config: object = {}): Files => ({
  'adapter_config.json': JSON.stringify(sampleConfig({ ...config })),
  'adapter_model.safetensors': writeSafetensors(withValue(sampleTensors(base), value)),
});

it('passes an adapter that PEFT made, and says what it changes', { timeout: TIMEOUT_MS }, async () => {
  const bytes = async (file: string) => new Uint8Array(await readFile(join(fixture, 'all-linear', file)));
  const { status, body } = await publish('real', {
    'adapter_config.json': await bytes('adapter_config.json'),
    'adapter_model.safetensors': await bytes('adapter_model.safetensors'),
    'eval.jsonl': rows,
  });
  expect({ status, body }).toMatchObject({ status: 200, body: { version: { status: 'passed' } } });
  const detail = await read(await api.call('GET', '/api/adapters/alice/real/versions/1'));
  const { smoke, evaluation, spectrum } = detail.verification.findings;
  expect(smoke.prompts).toBe(8);
  expect(smoke.maxLogprobDifference).toBeGreaterThan(1e-4);
  expect(evaluation).toMatchObject({ of: 'publisher', rows: 12 });
  expect(evaluation.lossDifference.low).toBeLessThan(evaluation.lossDifference.high);
  expect(spectrum.length).toBeGreaterThan(0);
  for (const { rank, singularValues, effectiveRank, rankFor99, amplification } of spectrum) {
    expect(singularValues).toHaveLength(rank);
    expect(effectiveRank).toBeLessThanOrEqual(rank + 1e-3);
    expect(rankFor99).toBeLessThanOrEqual(rank);
    expect(amplification).toBeGreaterThan(0);
  }
});

it('refuses an adapter whose scores are no numbers', { timeout: TIMEOUT_MS }, async () => {
  const { status, body } = await publish('huge', sample(1e30));
  expect(status).toBe(422);
  expect(body.problems).toMatchObject([{ code: 'does_not_run', field: 'adapter_model.safetensors' }]);
});

it('refuses one that says what its base says', { timeout: TIMEOUT_MS }, async () => {
  const { status, body } = await publish('nothing', sample(1e-9));
  expect(status).toBe(422);
  expect(body.problems).toMatchObject([{ code: 'no_effect' }]);
});

it('refuses held-out rows that cannot be read, together with everything else', {
  timeout: TIMEOUT_MS,
}, async () => {
  const { status, body } = await publish('both', {
    ...sample(1e-9),
    'eval.jsonl': `${rows}\n{"answer": 1}\n`,
  });
  expect(status).toBe(422);
  expect(body.problems).toMatchObject([
    { code: 'evaluation_unreadable', detail: expect.stringContaining('line 13'), field: 'eval.jsonl' },
    { code: 'no_effect' },
  ]);
});
