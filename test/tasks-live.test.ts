/** Tasks with a real runner: it measures what the publish gate does, merges what answers as the parts do, and trains the same bytes again. */
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { and, eq } from 'drizzle-orm';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { versions } from '../db/schema.ts';
import { openCheckpoint } from '../gpu-runner/model/checkpoint.ts';
import { largestDifference, openParity, openStepper } from '../gpu-runner/testing/parity.ts';
import { run } from './harness.ts';
import { InProcess } from './in-process.ts';
import { TrainRunnerProcess } from './train-runner.ts';

const TIMEOUT_MS = 90_000;
const fixture = join(import.meta.dirname, 'fixtures/parity/smollm2/adapters');
/** As of the parity tests: two ways to the same sum. */
const TOLERANCE = 1e-4;

// biome-ignore lint/suspicious/noExplicitAny: answers are looked at as a client's program would
type Body = any;

let api: InProcess;
let runner: TrainRunnerProcess;
let folder: string;
let url: string;

const rows = Array.from({ length: 12 }, (_, i) =>
  JSON.stringify({ prompt: `question ${i}`, completion: ` answer ${i * 7}` }),
).join('\n');

beforeAll(async () => {
  api = await InProcess.open();
  api.verdict = undefined;
  folder = await mkdtemp(join(tmpdir(), 'patchbay-tasks-'));
  url = await api.listen();
  runner = await TrainRunnerProcess.start(url);
  for (const name of ['all-linear', 'second', 'dora']) {
    const bytes = async (file: string) => new Uint8Array(await readFile(join(fixture, name, file)));
    const answer = await api.publish(`/api/adapters/alice/${name}/versions`, {
      'adapter_config.json': await bytes('adapter_config.json'),
      'adapter_model.safetensors': await bytes('adapter_model.safetensors'),
      'eval.jsonl': rows,
    });
    expect(answer.status).toBe(200);
  }
}, TIMEOUT_MS);
afterAll(async () => {
  expect(await runner.stop()).toBe(0);
  await api.close();
  await rm(folder, { recursive: true });
  expect(api.unexpected).toEqual([]);
});

const get = async (path: string): Promise<Body> => (await api.call('GET', path)).json();

async function task(name: string, body: object): Promise<Body> {
  const made = (await (await api.call('POST', `/api/tasks/${name}`, body)).json()) as Body;
  return over(() => get(`/api/tasks/${made.id}`), ['succeeded', 'failed', 'cancelled']);
}

async function over(look: () => Promise<Body>, statuses: readonly string[]): Promise<Body> {
  for (;;) {
    const now = await look();
    if (statuses.includes(now.status)) return now;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** As if its training had been told so. */
const tell = (id: string, receipt: Record<string, unknown>) =>
  api.deps.db
    .update(versions)
    .set({ receipt })
    .where(and(eq(versions.adapterId, id), eq(versions.number, 1)));

async function upload(content: string): Promise<string> {
  const form = new FormData();
  form.set('purpose', 'fine-tune');
  form.set('file', new Blob([content]), 'rows.jsonl');
  const headers = { authorization: `Bearer ${api.admin}` };
  const answer = await api.app.request('/v1/files', { method: 'POST', headers, body: form });
  return ((await answer.json()) as { id: string }).id;
}

/** @returns the folder they are in */
async function download({ id, result }: Body, name: string): Promise<string> {
  const target = join(folder, name);
  await mkdir(target);
  for (const { path, size, sha256 } of result.files) {
    const answer = await api.call('GET', `/api/tasks/${id}/files/${path}`);
    const bytes = new Uint8Array(await (await fetch(answer.headers.get('location')!)).arrayBuffer());
    expect([bytes.length, createHash('sha256').update(bytes).digest('hex')]).toEqual([size, sha256]);
    await writeFile(join(target, path), bytes);
  }
  return target;
}

it('evaluates as the publish gate does', { timeout: TIMEOUT_MS }, async () => {
  const file = await upload(rows);
  const { status, error, result } = await task('evaluate', { model: 'alice/all-linear', file });
  expect({ status, error }).toEqual({ status: 'succeeded', error: null });
  const { findings } = (await get('/api/adapters/alice/all-linear/versions/1')).verification;
  const { loss, accuracy, lossDifference } = findings.evaluation;
  expect(result.rows).toBe(12);
  expect([result.base.loss, result.model.loss]).toEqual([loss.base, loss.adapter]);
  expect([result.base.accuracy, result.model.accuracy]).toEqual([accuracy.base, accuracy.adapter]);
  expect(result.gain.value).toBeCloseTo(-lossDifference.value, 12);
  expect(result.gain.low).toBeCloseTo(-lossDifference.high, 12);

  const bare = (await task('evaluate', { model: 'parity/smollm2', file })).result;
  expect(bare).toMatchObject({ base: result.base, model: null, gain: null });
  const mix = (await task('evaluate', { model: 'alice/all-linear:0.5+alice/second:0.5', file })).result;
  expect(mix.model.loss).not.toBeCloseTo(result.model.loss, 6);
});

it('says which row cannot be read', { timeout: TIMEOUT_MS }, async () => {
  const file = await upload('{"prompt":"a","completion":"b"}\n{"neither":1}\n');
  const { status, error } = await task('evaluate', { model: 'alice/all-linear', file });
  expect(status).toBe('failed');
  expect(error).toMatchObject({ code: 'rows_unreadable', field: 'file' });
  expect(error.message).toMatch(/line 2/);
});

it('merges a mix, to the same bytes each time, that answer as the parts do', {
  timeout: TIMEOUT_MS,
}, async () => {
  const weights = { 'all-linear': 0.6, second: 0.4 };
  const model = 'alice/all-linear:0.6+alice/second:0.4';
  const [first, second] = [await task('merge', { model }), await task('merge', { model })];
  expect(first).toMatchObject({ status: 'succeeded', error: null });
  expect(second.result).toEqual(first.result);
  expect(first.result.files.map(({ path }: Body) => path)).toContain('tokenizer.json');

  const parity = await openParity('smollm2');
  const merged = await openStepper(await openCheckpoint(await download(first, 'merged')));
  const prompt = parity.cases[0]!.prompts[0]!.prompt;
  const logits = async (stepper: typeof merged, adapters: Awaited<ReturnType<typeof parity.adapters>>) => {
    const sequence = stepper.open(adapters);
    const values = (await stepper.prefill(sequence, prompt)).slice();
    stepper.close(sequence);
    return values;
  };
  const together = await logits(parity.stepper, await parity.adapters(weights));
  expect(largestDifference(await logits(merged, []), together)).toBeLessThan(TOLERANCE);
  expect(largestDifference(await logits(parity.stepper, []), together)).toBeGreaterThan(TOLERANCE);
  await merged.release();
  await parity.stepper.release();
});

it('does not merge what no mix is defined of', { timeout: TIMEOUT_MS }, async () => {
  expect(await task('merge', { model: 'alice/dora' })).toMatchObject({ status: 'succeeded' });
  expect(await task('merge', { model: 'alice/dora+alice/second' })).toMatchObject({
    status: 'failed',
    error: { code: 'adapter_invalid', field: 'model' },
  });
});

it('trains a version again, to the same bytes, and publishes nothing', { timeout: TIMEOUT_MS }, async () => {
  const hyperparameters = { n_epochs: 1, batch_size: 4, r: 2, validation_split: 0.25, eval_steps: 1 };
  const order = {
    model: 'parity/smollm2',
    training_file: await upload(rows),
    suffix: 'trained',
    seed: 5,
    method: { type: 'supervised', supervised: { hyperparameters } },
  };
  const job = (await (await api.call('POST', '/v1/fine_tuning/jobs', order)).json()) as Body;
  const ended = await over(() => get(`/v1/fine_tuning/jobs/${job.id}`), ['succeeded', 'failed']);
  const [id] = ended.fine_tuned_model.split('@');
  const before = await get(`/api/adapters/${id}/versions/1`);
  const { receipt } = before;
  const weights = 'adapter_model.safetensors';
  const digestOf = (path: string) => before.files.find((file: Body) => file.path === path).sha256;

  const same = await task('reproduce', { model: id });
  expect(same).toMatchObject({ status: 'succeeded', error: null });
  const digests = ['adapter_config.json', weights].map((path) => {
    return { path, before: digestOf(path), again: digestOf(path) };
  });
  expect(same.result).toEqual({ same: true, digests, differences: [] });
  expect((await get(`/api/adapters/${id}`)).latest).toBe(1);

  const threads = availableParallelism() + 1; // more than there are, so that it keeps to its own
  await tell(id, { ...receipt, seed: 6, engine: { ...receipt.engine, threads } });
  const { result } = await task('reproduce', { model: id });
  expect(result.same).toBe(false);
  expect(result.digests.find(({ path }: Body) => path === weights).again).not.toBe(digestOf(weights));
  expect(result.differences).toEqual([
    { what: 'engine.threads', before: threads, again: receipt.engine.threads },
  ]);

  // What it can do as the receipt says, it does, whatever it was set to.
  await tell(id, { ...receipt, engine: { ...receipt.engine, maxTokens: 16 } });
  const short = await task('reproduce', { model: id });
  expect(short.result).toMatchObject({ same: false, differences: [] });

  await tell(id, { ...receipt, engine: { ...receipt.engine, provider: 'cuda' } });
  const elsewhere = await task('reproduce', { model: id });
  expect(elsewhere).toMatchObject({ status: 'failed', error: { code: 'not_repeatable', field: 'model' } });
  expect(elsewhere.error.message).toMatch(/provider was cuda and is cpu here/);
});

it('does all of it from the command line', { timeout: TIMEOUT_MS }, async () => {
  const command = (...args: string[]) =>
    run('node', [join(import.meta.dirname, '../cli/bin/patchbay.js'), ...args], {
      PATCHBAY_URL: url,
      PATCHBAY_KEY: api.admin,
      XDG_CONFIG_HOME: folder,
    });
  const data = join(folder, 'rows.jsonl');
  await writeFile(data, rows);
  const evaluated = await command('evaluate', 'alice/all-linear', '--data', data);
  expect(evaluated.stdout).toMatch(/base +\d+\.\d+ .*model +\d+\.\d+ .*gain .*on 12 rows/s);

  const target = join(folder, 'by-command');
  const merged = await command('merge', 'alice/all-linear@1', target);
  expect(merged.stderr).toMatch(/waits for a runner/);
  expect(merged.stdout).toContain(`alice/all-linear@1 on parity/smollm2 is in ${target}`);
  expect((await openCheckpoint(target)).config.tieEmbeddings).toBe(true);

  const unreadable = join(folder, 'unreadable.jsonl');
  await writeFile(unreadable, '{"neither":1}\n');
  const failed = await command('evaluate', 'alice/all-linear', '--data', unreadable);
  expect([failed.code, failed.stderr]).toEqual([1, expect.stringMatching(/line 1/)]);
  const listed = await command('tasks');
  expect(listed.stdout).toMatch(/merge +succeeded/);
  const [id] = /task-\S+(?= +evaluate +failed)/.exec(listed.stdout)!;
  expect((await command('tasks', 'show', id)).stdout).toMatch(/line \d/);
  expect((await command('tasks', 'cancel', id)).code).not.toBe(0);
});

it('gives back what it trains again once it is stopped', { timeout: TIMEOUT_MS }, async () => {
  const id = (await get('/v1/fine_tuning/jobs')).data[0].fine_tuned_model.split('@')[0];
  const { receipt } = await get(`/api/adapters/${id}/versions/1`);
  const { engine, hyperparameters } = receipt;
  const long = { ...hyperparameters, n_epochs: 50, batch_size: 1 };
  await tell(id, { ...receipt, hyperparameters: long, engine: { ...engine, provider: 'cpu' } });
  const made = (await (await api.call('POST', '/api/tasks/reproduce', { model: id })).json()) as Body;
  const look = () => get(`/api/tasks/${made.id}`);
  await over(look, ['running']);
  expect(await runner.stop()).toBe(0);
  expect(await look()).toMatchObject({ status: 'queued', error: null });
  runner = await TrainRunnerProcess.start(url);
  await over(look, ['running']);
  await api.call('POST', `/api/tasks/${made.id}/cancel`);
  expect(await look()).toMatchObject({ status: 'cancelled', result: null });
});
