/** Real training runners, in processes of their own, against the API: what they make, and what becomes of it when they die. */

import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { like } from 'drizzle-orm';
import OpenAI, { toFile } from 'openai';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { writeSafetensors } from '../adapter/safetensors.ts';
import { sampleConfig, sampleTensors } from '../adapter/sample-adapter.ts';
import { usage } from '../db/schema.ts';
import { blobKey } from '../functions/object-keys.ts';
import { LEASE_SECONDS } from '../functions/train.ts';
import { base, baseFiles, baseId, declare, InProcess } from './in-process.ts';
import { ScriptedRunner } from './scripted-runner.ts';
import { TrainRunnerProcess } from './train-runner.ts';

let api: InProcess;
let url: string;
let client: OpenAI;
let runners: TrainRunnerProcess[] = [];

const row = (i: number) =>
  JSON.stringify({
    messages: [
      { role: 'user', content: `question ${i}` },
      { role: 'assistant', content: `answer ${i * 7} and ${i % 3}` },
    ],
  });
const rows = (count: number, from = 0) => Array.from({ length: count }, (_, i) => row(from + i)).join('\n');
/** 30 steps, and a checkpoint after every fourth. */
const LONG = { n_epochs: 3, batch_size: 2, save_steps: 4, validation_split: 0.1 };

beforeAll(async () => {
  api = await InProcess.open();
  url = await api.listen();
  client = new OpenAI({
    apiKey: await api.key('alice', ['train', 'read']),
    baseURL: `${url}/v1`,
    maxRetries: 0,
  });
});

afterEach(async () => {
  await Promise.all(runners.map((runner) => runner.stop('SIGKILL')));
  runners = [];
  for await (const job of client.fineTuning.jobs.list())
    if (!['succeeded', 'failed', 'cancelled'].includes(job.status))
      await client.fineTuning.jobs.cancel(job.id);
  expect(api.unexpected).toEqual([]);
});

afterAll(() => api.close());

async function start(settings: Record<string, string> = {}): Promise<TrainRunnerProcess> {
  const runner = await TrainRunnerProcess.start(url, settings);
  runners.push(runner);
  return runner;
}

const upload = async (text: string, name = 'train.jsonl') =>
  (await client.files.create({ file: await toFile(Buffer.from(text), name), purpose: 'fine-tune' })).id;

let names = 0;
async function create(text: string, hyperparameters: object = {}, options: object = {}) {
  return client.fineTuning.jobs.create({
    model: baseId,
    training_file: await upload(text),
    suffix: `made-${names++}`,
    seed: 11,
    method: { type: 'supervised', supervised: { hyperparameters } },
    ...options,
  });
}

async function eventsOf(id: string) {
  const events = [];
  for await (const event of client.fineTuning.jobs.listEvents(id)) events.unshift(event);
  return events;
}
const messagesOf = async (id: string) => (await eventsOf(id)).map(({ message }) => message);
const stepsOf = async (id: string) =>
  (await eventsOf(id)).flatMap(({ type, data }) =>
    type === 'metrics' ? [(data as { step: number }).step] : [],
  );

/** Waits for something to be so. */
async function until<T>(what: string, look: () => Promise<T | undefined | false>): Promise<T> {
  for (let waited = 0; waited < 60_000; waited += 50) {
    const seen = await look();
    if (seen) return seen;
    await sleep(50);
  }
  throw new Error(`waited for ${what} in vain\n${runners.map(({ log }) => log).join('\n')}`);
}

const statusOf = async (id: string): Promise<string> => (await client.fineTuning.jobs.retrieve(id)).status;

async function finished(id: string) {
  return until(`the end of ${id}`, async () => {
    const job = await client.fineTuning.jobs.retrieve(id);
    const { code, message } = job.error ?? {};
    if (code === 'server_error' || message?.includes('runners in a row'))
      throw new Error([message, ...runners.map(({ log }) => log)].join('\n'));
    return ['succeeded', 'failed', 'cancelled'].includes(job.status) && job;
  });
}
const afterStep = (id: string, step: number) =>
  until(`step ${step}`, async () => ((await stepsOf(id)).at(-1) ?? 0) >= step);

async function fileOf(model: string, path = 'adapter_model.safetensors'): Promise<Uint8Array> {
  const [name, number] = model.split('@v');
  const response = await fetch(`${url}/api/adapters/${name}/versions/${number}/files/${path}`);
  expect(response.status).toBe(200);
  return new Uint8Array(await response.arrayBuffer());
}
const digest = async (model: string) =>
  createHash('sha256')
    .update(await fileOf(model))
    .digest('hex');

async function versionOf(model: string) {
  const [name, number] = model.split('@v');
  return (await (await fetch(`${url}/api/adapters/${name}/versions/${number}`)).json()) as {
    receipt: Record<string, unknown>;
    lineage: Record<string, unknown>;
  };
}

/** Whoever was silent until now has lost its lease. */
function leasesEnd(): void {
  api.now = new Date(api.now.getTime() + (LEASE_SECONDS + 1) * 1000);
}

/** What the same data and settings make without any disturbance. */
let undisturbed: string;

describe('training', () => {
  it('makes an adapter, shows how it learns, and publishes it with its receipt', async () => {
    await start();
    const { id } = await create(rows(22), LONG);
    const job = await finished(id);
    expect(job).toMatchObject({ status: 'succeeded', error: null });
    expect(job.hyperparameters).toEqual({ n_epochs: 3, batch_size: 2, learning_rate_multiplier: 1 });
    undisturbed = await digest(job.fine_tuned_model!);

    const events = await eventsOf(id);
    expect(await stepsOf(id)).toEqual(Array.from({ length: 30 }, (_, i) => i + 1));
    expect(events.find(({ type }) => type === 'metrics')?.data).toEqual({
      step: 1,
      total_steps: 30,
      train_loss: expect.any(Number),
      train_mean_token_accuracy: expect.any(Number),
      learning_rate: expect.any(Number),
      gradient_norm: expect.any(Number),
      tokens_per_second: expect.any(Number),
    });
    const messages = events.map(({ message }) => message);
    expect(messages).toContainEqual(
      expect.stringMatching(/^training_file: 22 rows of messages, 22 examples/),
    );
    expect(messages).toContainEqual(expect.stringMatching(/^2 of 22 examples are kept out/));
    expect(messages).toContainEqual(expect.stringMatching(/^learning_rate is .*hidden size/));
    expect(messages).toContainEqual(expect.stringMatching(/^30 steps: about \d+ s,/));
    expect(messages).toContainEqual(expect.stringMatching(/^Before the first step: validation loss=/));

    const [metrics] = job.result_files;
    expect(await client.files.retrieve(metrics!)).toMatchObject({ purpose: 'fine-tune-results' });
    const lines = (await (await client.files.content(metrics!)).text()).trim().split('\n');
    expect(lines[0]).toBe('step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy');
    expect(lines[1]).toMatch(/^0,,,\d/); // before the first step
    expect(lines.slice(2).map((line) => Number.parseInt(line, 10))).toEqual(
      Array.from({ length: 30 }, (_, i) => i + 1),
    );
    expect(lines.at(-1)).toMatch(/^30(,\d+(\.\d+)?){4}$/);

    const checkpoints = (await client.fineTuning.jobs.checkpoints.list(id)).data;
    expect(checkpoints.map(({ step_number }) => step_number)).toEqual([30, 28, 24, 20, 16, 12, 8, 4]);
    expect(checkpoints[0]!.metrics.full_valid_loss).toEqual(expect.any(Number));

    // As it was trained: in pieces, from checkpoint to checkpoint.
    const entered = await api.deps.db
      .select()
      .from(usage)
      .where(like(usage.requestId, `${id} from %`));
    expect(entered).toHaveLength(8);
    expect(entered.reduce((sum, { quantity }) => sum + quantity, 0)).toBe(job.trained_tokens);

    const { receipt, lineage } = await versionOf(job.fine_tuned_model!);
    expect(receipt).toMatchObject({
      base: { id: baseId, digest: expect.any(String) },
      training_file: { id: job.training_file, sha256: expect.any(String) },
      template: expect.stringMatching(/^[0-9a-f]{64}$/),
      seed: 11,
      steps: 30,
      trained_tokens: job.trained_tokens,
      train_loss: expect.any(Number),
      valid_loss: expect.any(Number),
      engine: { provider: 'cpu', version: expect.any(Number) },
    });
    expect(lineage).toMatchObject({ jobId: id, base: { id: baseId } });
    expect(new TextDecoder().decode(await fileOf(job.fine_tuned_model!, 'README.md'))).toMatch(
      /base_model: /,
    );
  });

  it.each([1, 6, 13])(
    'whose runner is killed after step %i goes on elsewhere, and ends with the same bytes',
    async (step) => {
      const first = await start();
      const { id } = await create(rows(22), LONG);
      await afterStep(id, step);
      await first.stop('SIGKILL');
      leasesEnd();
      await start();
      const job = await finished(id);
      expect(await digest(job.fine_tuned_model!)).toBe(undisturbed);
      expect(await stepsOf(id)).toEqual(Array.from({ length: 30 }, (_, i) => i + 1));
      if (step > 4)
        expect(await messagesOf(id)).toContainEqual(expect.stringMatching(/^Continues after step/));
    },
  );

  it.each([
    ['has leased it', /\/leases$/, 1],
    ['keeps its third checkpoint', /\/checkpoints\/\d+$/, 3],
    ['declares its result', /\/result$/, 1],
    ['publishes it', /\/result\/complete$/, 1],
  ])(
    'whose runner is killed when it %s, before or after the API has heard of it, is published once',
    async (_when, path, nth) => {
      for (const heard of [false, true]) {
        const first = await start();
        let count = 0;
        api.intercept = async (request, next) => {
          const isIt = path.test(new URL(request.url).pathname) && request.method === 'POST';
          if (!isIt) return next();
          const answer = heard ? await next() : undefined;
          if (answer?.status === 204 && path.source.endsWith('leases$')) return answer; // nothing to lease yet
          if (++count < nth) return answer ?? next();
          api.intercept = (_request, then) => then();
          await first.stop('SIGKILL');
          return answer ?? new Response(null, { status: 503 });
        };
        const { id } = await create(rows(22), LONG);
        await until('the kill', async () => count >= nth && first.log !== '');
        leasesEnd();
        await start();
        const job = await finished(id);
        expect(job.fine_tuned_model).toMatch(/@v1$/);
        expect(await digest(job.fine_tuned_model!)).toBe(undisturbed);
        await Promise.all(runners.map((runner) => runner.stop('SIGKILL')));
        runners = [];
      }
    },
  );

  it('goes on as it began, on a runner with other settings', async () => {
    const first = await start();
    const { id } = await create(rows(22), LONG);
    await afterStep(id, 6);
    await first.stop('SIGKILL');
    leasesEnd();
    await start({ PATCHBAY_RUNNER_THREADS: '2', PATCHBAY_TRAIN_TOKENS: '32' });
    const job = await finished(id);
    expect(await digest(job.fine_tuned_model!)).toBe(undisturbed);
    expect((await versionOf(job.fine_tuned_model!)).receipt).toMatchObject({ engine: { threads: 1 } });
  });

  it('goes on while the API is away for a while', async () => {
    await start();
    const { id } = await create(rows(22), LONG);
    await afterStep(id, 3);
    const away = Date.now() + 3_000;
    api.intercept = async (request, next) =>
      Date.now() < away && request.url.includes('/api/runner/')
        ? new Response(null, { status: 503 })
        : next();
    const job = await finished(id);
    api.intercept = (_request, next) => next();
    expect(await digest(job.fine_tuned_model!)).toBe(undisturbed);
    expect(await messagesOf(id)).not.toContainEqual(expect.stringMatching(/silent/));
  });

  it('whose runner is stopped keeps where it is, and goes on elsewhere to the same bytes', async () => {
    const first = await start();
    const { id } = await create(rows(22), { ...LONG, save_steps: 1000 });
    await afterStep(id, 5);
    expect(await first.stop('SIGTERM')).toBe(0);
    const [kept] = (await client.fineTuning.jobs.checkpoints.list(id)).data;
    expect(kept!.step_number).toBeGreaterThanOrEqual(5);
    await start();
    const job = await finished(id);
    expect(await digest(job.fine_tuned_model!)).toBe(undisturbed);
  });

  it('pauses, and goes on when it is resumed', async () => {
    await start();
    const slow = { n_epochs: 4, batch_size: 1 };
    const { id } = await create(rows(100), slow);
    await afterStep(id, 3);
    await client.fineTuning.jobs.pause(id);
    await until('the pause', async () => (await statusOf(id)) === 'paused');
    const steps = (await stepsOf(id)).length;
    expect(steps).toBeLessThan(400);
    await sleep(1500);
    expect((await stepsOf(id)).length).toBe(steps);
    await client.fineTuning.jobs.resume(id);
    const [job, other] = [await finished(id), await finished((await create(rows(100), slow)).id)];
    expect(await digest(job.fine_tuned_model!)).toBe(await digest(other.fine_tuned_model!));
  });

  it('is cancelled while it runs, and its runner takes the next job', async () => {
    await start({ PATCHBAY_TRAIN_JOBS: '1' });
    const { id } = await create(rows(400), { n_epochs: 50 });
    await afterStep(id, 2);
    await client.fineTuning.jobs.cancel(id);
    const next = await create(rows(4), { n_epochs: 1 });
    expect((await finished(next.id)).status).toBe('succeeded');
    expect((await client.fineTuning.jobs.retrieve(id)).status).toBe('cancelled');
  });

  it('of several jobs at once gives each what it gets alone', async () => {
    await start();
    const jobs = await Promise.all([
      create(rows(22), LONG),
      create(rows(22), { ...LONG, r: 4 }),
      create(rows(22, 500), LONG),
      create(rows(22), { ...LONG, r: 1 }),
      create('this is not JSON'),
    ]);
    const [first, second, third, thin, bad] = await Promise.all(jobs.map(({ id }) => finished(id)));
    expect(bad!.status).toBe('failed');
    expect(await digest(first!.fine_tuned_model!)).toBe(undisturbed);
    const alone = await create(rows(22), { ...LONG, r: 4 });
    expect(await digest((await finished(alone.id)).fine_tuned_model!)).toBe(
      await digest(second!.fine_tuned_model!),
    );
    const thinAlone = await create(rows(22), { ...LONG, r: 1 });
    expect(await digest((await finished(thinAlone.id)).fine_tuned_model!)).toBe(
      await digest(thin!.fine_tuned_model!),
    );
    expect(await digest(third!.fine_tuned_model!)).not.toBe(undisturbed);
  });

  it.each([
    ['DoRA', { use_dora: true }],
    ['token embedding and head', { target_modules: ['attention', 'embed_tokens', 'lm_head'] }],
    ['gradient checkpointing', { gradient_checkpointing: true }],
    ['packing', { packing: true }],
  ])('with %s ends with the same bytes, killed or not, alone or not', async (_name, settings) => {
    const first = await start();
    const job = await create(rows(22), { ...LONG, ...settings });
    await afterStep(job.id, 6);
    await first.stop('SIGKILL');
    leasesEnd();
    const beside = await create(rows(22), { ...LONG, ...settings });
    await start();
    const [killed, whole] = await Promise.all([finished(job.id), finished(beside.id)]);
    expect(killed.error).toBeNull();
    expect(await digest(killed.fine_tuned_model!)).toBe(await digest(whole.fine_tuned_model!));
  });

  it('answers the same prompts again and again, so that one sees it learn', async () => {
    await start();
    const prompts = ['question 1', 'question 2'];
    const { id } = await create(rows(8), {
      n_epochs: 40,
      learning_rate: 0.01,
      eval_steps: 20,
      sample_prompts: prompts,
    });
    const job = await finished(id);
    expect(job.error).toBeNull();
    const samples = (await eventsOf(id)).flatMap(({ data }) =>
      'answer' in ((data ?? {}) as object) ? [data as { step: number; prompt: string; answer: string }] : [],
    );
    expect(samples.slice(0, 2).map(({ step, prompt }) => [step, prompt])).toEqual([
      [0, 'question 1'],
      [0, 'question 2'],
    ]);
    expect(samples.at(-2)).toMatchObject({ prompt: 'question 1', answer: 'answer 7 and 1' });
  });

  it('that stops early publishes the best step', async () => {
    await start();
    const validation_file = await upload(rows(6, 900), 'valid.jsonl');
    const { id } = await create(
      rows(6),
      { n_epochs: 50, batch_size: 2, eval_steps: 5, early_stopping_patience: 2, learning_rate: 0.01 },
      { validation_file },
    );
    const job = await finished(id);
    const { receipt } = await versionOf(job.fine_tuned_model!);
    const losses = (await eventsOf(id)).flatMap(({ data }) => {
      const { step, valid_loss } = (data ?? {}) as { step: number; valid_loss?: number };
      return valid_loss === undefined || step === 0 ? [] : [{ step, valid_loss }];
    });
    const best = losses.reduce((a, b) => (b.valid_loss < a.valid_loss ? b : a));
    expect(receipt).toMatchObject({ best_step: best.step, valid_loss: best.valid_loss });
    expect(receipt['steps']).toBe(best.step + 10);
    expect(receipt['steps']).toBeLessThan(150);
  });

  it('goes on from another adapter', async () => {
    await start();
    const parent = await finished(
      (await create(rows(22), { ...LONG, target_modules: 'attention', r: 3 })).id,
    );
    const { id } = await create(rows(8), { n_epochs: 1 }, { model: parent.fine_tuned_model });
    const child = await finished(id);
    const config = JSON.parse(
      new TextDecoder().decode(await fileOf(child.fine_tuned_model!, 'adapter_config.json')),
    );
    expect(config).toMatchObject({ r: 3 });
    expect((await versionOf(child.fine_tuned_model!)).lineage).toMatchObject({
      parent: parent.fine_tuned_model!.replace('@v', '@'),
    });
    const refused = await finished((await create(rows(8), { r: 8 }, { model: parent.fine_tuned_model })).id);
    expect(refused.error).toMatchObject({ code: 'invalid_hyperparameters', param: 'hyperparameters.r' });
  });
});

describe('a job is refused', () => {
  const cases: [string, string, object, object][] = [
    [
      'for lines that cannot be used',
      `${row(1)}\nnonsense\n{"messages":[]}`,
      {},
      {
        code: 'invalid_training_file',
        param: 'training_file',
        message: expect.stringMatching(/2 lines.*Line 2.*Line 3, messages/),
      },
    ],
    [
      'for data with nothing to learn',
      '{"messages":[{"role":"assistant","content":"x","weight":0}]}',
      {},
      { code: 'invalid_training_file', message: expect.stringMatching(/nothing would be trained/) },
    ],
    [
      'for modules that are none',
      row(1),
      { target_modules: ['q_proj', 'nose'] },
      {
        code: 'invalid_hyperparameters',
        param: 'hyperparameters.target_modules',
        message: expect.stringMatching(/nose/),
      },
    ],
    [
      'for a length beyond the base',
      row(1),
      { max_length: 100_000 },
      { param: 'hyperparameters.max_length' },
    ],
    [
      'for one example that should be split',
      row(1),
      { validation_split: 0.2 },
      { param: 'hyperparameters.validation_split' },
    ],
    [
      'for a pattern that could run for ever',
      row(1),
      { rank_pattern: { '(a{1,1000}){1,1000}': 4 } },
      { code: 'invalid_hyperparameters' },
    ],
  ];
  it.each(cases)('%s', async (_name, text, hyperparameters, error) => {
    await start();
    const job = await finished((await create(text, hyperparameters)).id);
    expect(job).toMatchObject({ status: 'failed', fine_tuned_model: null, error });
  });

  it('when it needs more memory than there is, before it takes any', async () => {
    await start({ PATCHBAY_TRAIN_BYTES: '400000000' });
    const job = await finished((await create(row(1))).id);
    expect(job.error).toMatchObject({ code: 'out_of_memory', param: 'hyperparameters.max_length' });
  });

  it('when the files of its base are gone', async () => {
    await start();
    const files = Object.entries(await baseFiles()).filter(([name]) => name.endsWith('.safetensors'));
    const keys = declare(Object.fromEntries(files)).map(({ sha256 }) => blobKey(sha256));
    const kept = await Promise.all(keys.map(async (key) => new Response(await api.blobs.read(key)).bytes()));
    for (const key of keys) await api.blobs.remove(key);
    const job = await finished((await create(rows(4))).id);
    expect(job.error).toMatchObject({
      code: 'files_unavailable',
      message: expect.stringMatching(/model\.safetensors: the object store answered 404/),
    });
    for (const [i, key] of keys.entries())
      await fetch(await api.blobs.putUrl(key), { method: 'PUT', body: kept[i]! });
  });

  it('when it diverges, with the lines named', async () => {
    await start();
    const tensors = sampleTensors(base).map((tensor) => {
      const values = new Float32Array(tensor.data.length / 4).fill(3e38);
      return { ...tensor, data: new Uint8Array(values.buffer) };
    });
    const huge = {
      'adapter_config.json': JSON.stringify(sampleConfig()),
      'adapter_model.safetensors': writeSafetensors(tensors),
    };
    const published = await api.publish('/api/adapters/admin/huge/versions', huge);
    expect(await published.text()).toContain('admin/huge');
    const job = await finished((await create(rows(8), { batch_size: 2 }, { model: 'admin/huge@1' })).id);
    expect(job.error).toMatchObject({
      code: 'training_diverged',
      message: expect.stringMatching(
        /^step 1: the loss is not a finite number.* lines \d+, \d+ of the training file\.$/,
      ),
    });
  });
});

describe('a runner', () => {
  const many = rows(20_000, 1_000);
  /** Where a job is that is not in its steps: its own settings, and how one sees that it is there, or was. */
  const places = {
    'its file is read': {
      create: () => create([many, rows(40_000, 50_000)].join('\n')),
      there: /^Runner .* took the job$/,
      after: /^training_file: 60000 rows/,
    },
    'it waits for memory': {
      create: async () => {
        const other = await create(rows(400), { n_epochs: 50, target_modules: 'mlp' });
        await afterStep(other.id, 1);
        return create(rows(22), { target_modules: 'attention' });
      },
      there: /^Waits for memory/,
      after: /^Fine-tuning job started/,
    },
    'it is measured': {
      create: async () => create(rows(22), {}, { validation_file: await upload(many, 'valid.jsonl') }),
      there: /^Fine-tuning job started/,
      after: /^Before the first step/,
    },
  };
  /** One base with one set of modules fits. */
  const settings = { PATCHBAY_TRAIN_BYTES: '600000000' };

  beforeEach(() => {
    api.intercept = async (request, next) => {
      const answer = await next();
      if (!request.url.endsWith('/api/runner/leases') || answer.status !== 200) return answer;
      return Response.json({ ...((await answer.json()) as object), heartbeatSeconds: 0.2 });
    };
  });
  afterEach(() => {
    api.intercept = (_request, next) => next();
  });

  describe.each(Object.entries(places))('while %s', (_place, place) => {
    async function arrive() {
      const runner = await start(settings);
      const { id } = await place.create();
      await until('the place', async () =>
        (await messagesOf(id)).some((message) => place.there.test(message)),
      );
      return { runner, id };
    }
    const left = async (id: string, runner: TrainRunnerProcess) => {
      await until('its runner to leave it', async () => /left a job|lost a job/.test(logOf(runner, id)));
      expect(await messagesOf(id)).not.toContainEqual(expect.stringMatching(place.after));
      expect(await stepsOf(id)).toEqual([]);
    };
    const logOf = ({ log }: TrainRunnerProcess, id: string) =>
      log
        .split('\n')
        .filter((line) => line.includes(id))
        .join('\n');

    it('leaves a job that is cancelled', async () => {
      const { runner, id } = await arrive();
      await client.fineTuning.jobs.cancel(id);
      await left(id, runner);
    });

    it('leaves a job that is paused', async () => {
      const { runner, id } = await arrive();
      await client.fineTuning.jobs.pause(id);
      await left(id, runner);
      expect(await statusOf(id)).toBe('paused');
    });

    it('that is stopped gives its job back', async () => {
      const { runner, id } = await arrive();
      expect(await runner.stop('SIGTERM')).toBe(0);
      await left(id, runner);
      expect(await messagesOf(id)).toContainEqual('The runner gave the job back');
    });
  });
});

describe('a lease', () => {
  it('that another runner has taken over is dropped by the first', async () => {
    const first = await start({ PATCHBAY_TRAIN_JOBS: '1' });
    const { id } = await create(rows(400), { n_epochs: 50 });
    await afterStep(id, 2);
    leasesEnd();
    const second = new ScriptedRunner(api, 'second');
    await until('the second lease', () => second.take());
    await until('the first to notice', async () => first.log.includes('lost a job'));
    expect(await second.heartbeat()).toBe('continue');
    await client.fineTuning.jobs.cancel(id);
  });
});
