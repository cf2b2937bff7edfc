/** Fine-tuning through the unmodified openai client, with a runner that speaks the lease contract over HTTP. */
import { eq, like } from 'drizzle-orm';
import { type OpenAI, toFile } from 'openai';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { sampleAdapter } from '../adapter/sample-adapter.ts';
import { resolveModel } from '../api/invoke.ts';
import { waitingWork } from '../db/operations.ts';
import { drafts, usage } from '../db/schema.ts';
import { findJob } from '../db/training.ts';
import { invoke } from '../functions/definition.ts';
import { sweep } from '../functions/sweep.ts';
import { LEASE_SECONDS, train } from '../functions/train.ts';
import { counted } from './counted-metrics.ts';
import { base, baseId, InProcess } from './in-process.ts';
import { ScriptedRunner, sha256 } from './scripted-runner.ts';

vi.mock('../observe/metrics.ts', async (original) =>
  (await import('./counted-metrics.ts')).counting(await original()),
);

let api: InProcess;
let client: OpenAI;
let runner: ScriptedRunner;
const adapter = sampleAdapter(base);
/** Runners that a job may lose in a row. */
const LOSSES = train.needs.retries + 1;
const line = (i: number) =>
  `{"messages":[{"role":"user","content":"${i}"},{"role":"assistant","content":"${i}"}]}\n`;
const data = Array.from({ length: 20 }, (_, i) => line(i)).join('');

beforeAll(async () => {
  api = await InProcess.open();
  client = api.openai(await api.key('alice', ['train', 'read']));
});

beforeEach(async () => {
  runner = new ScriptedRunner(api);
  // What earlier tests left behind is nobody's.
  for await (const job of client.fineTuning.jobs.list())
    if (!['succeeded', 'failed', 'cancelled'].includes(job.status))
      await client.fineTuning.jobs.cancel(job.id);
});

afterEach(() => {
  expect(api.unexpected).toEqual([]);
});

afterAll(() => api.close());

const upload = (text = data, name = 'train.jsonl') =>
  toFile(Buffer.from(text), name).then((file) => client.files.create({ file, purpose: 'fine-tune' }));

type JobOptions = Partial<Parameters<typeof client.fineTuning.jobs.create>[0]>;

async function create(options: JobOptions = {}) {
  const training_file = options.training_file ?? (await upload()).id;
  return client.fineTuning.jobs.create({ model: baseId, training_file, ...options });
}

const statusOf = async (id: string): Promise<string> => (await client.fineTuning.jobs.retrieve(id)).status;

async function messages(id: string): Promise<string[]> {
  const all: string[] = [];
  for await (const { message } of client.fineTuning.jobs.listEvents(id)) all.unshift(message);
  return all;
}

/** A silent runner's lease is over after this. */
function later(seconds = LEASE_SECONDS + 1): void {
  api.now = new Date(api.now.getTime() + seconds * 1000);
}

describe('files', () => {
  it('come back as they were sent', async () => {
    const file = await upload();
    expect(file).toMatchObject({
      object: 'file',
      bytes: data.length,
      filename: 'train.jsonl',
      purpose: 'fine-tune',
    });
    expect(await client.files.retrieve(file.id)).toEqual(file);
    expect(await (await client.files.content(file.id)).text()).toBe(data);
  });

  it('arrive whole when they are larger than a part', async () => {
    const large = 'x'.repeat(9 * 2 ** 20);
    const file = await upload(large, 'large.jsonl');
    expect(file.bytes).toBe(large.length);
    expect(sha256(await (await client.files.content(file.id)).text())).toBe(sha256(large));
    await client.files.delete(file.id);
  });

  it('are listed in pages, and are gone when they are deleted', async () => {
    const made = [];
    for (let i = 0; i < 5; i++) {
      later(1);
      made.unshift((await upload(line(i), `${i}.jsonl`)).id);
    }
    const listed: string[] = [];
    for await (const { id } of client.files.list({ limit: 2 })) listed.push(id);
    expect(listed.slice(0, 5)).toEqual(made);
    expect((await client.files.list({ limit: 10_000 })).data.length).toBe(listed.length);
    expect((await client.files.list({ order: 'asc', limit: 1 })).data[0]?.id).toBe(listed.at(-1));
    expect(await client.files.delete(made[0]!)).toMatchObject({ id: made[0], deleted: true });
    await expect(client.files.retrieve(made[0]!)).rejects.toMatchObject({ status: 404 });
  });

  it('are private to their owner', async () => {
    const file = await upload();
    const other = api.openai(await api.key('bob', ['train']));
    await expect(other.files.retrieve(file.id)).rejects.toMatchObject({ status: 404 });
    expect((await other.files.list()).data).toEqual([]);
  });

  it('cannot be deleted while a job needs them', async () => {
    const job = await create();
    await expect(client.files.delete(job.training_file)).rejects.toMatchObject({ status: 409 });
    await client.fineTuning.jobs.cancel(job.id);
    await client.files.delete(job.training_file);
  });

  it.each([
    ['another purpose', { purpose: 'vision' as const }, 'purpose'],
    ['an empty file', { text: '' }, 'file'],
  ])(
    '%s is refused, and nothing of it stays',
    async (_name, {
      text = data,
      purpose = 'fine-tune',
    }: { text?: string; purpose?: 'vision' | 'fine-tune' }, param) => {
      const before = (await client.files.list()).data.length;
      const file = await toFile(Buffer.from(text), 'x.jsonl');
      await expect(client.files.create({ file, purpose })).rejects.toMatchObject({ status: 400, param });
      expect((await client.files.list()).data).toHaveLength(before);
    },
  );

  it('a body that is no form, or breaks off, is refused', async () => {
    const key = await api.key('alice', ['train']);
    const send = (body: string, type: string) =>
      api.app.request('/v1/files', {
        method: 'POST',
        body,
        headers: { authorization: `Bearer ${key}`, 'content-type': type },
      });
    expect((await send('{}', 'application/json')).status).toBe(400);
    const cut = '--x\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\nhello';
    expect((await send(cut, 'multipart/form-data; boundary=x')).status).toBe(400);
    expect((await send(`${cut}\r\n--x--`, 'multipart/form-data; boundary=x')).status).toBe(400); // no purpose
  });
});

describe('a job', () => {
  it('is trained, watched and published', async () => {
    const validation = await upload(line(99), 'valid.jsonl');
    const job = await create({
      suffix: 'echo',
      seed: 7,
      validation_file: validation.id,
      metadata: { team: 'a' },
      method: { type: 'supervised', supervised: { hyperparameters: { n_epochs: 3, batch_size: 'auto' } } },
    });
    expect(job).toMatchObject({
      object: 'fine_tuning.job',
      status: 'validating_files',
      seed: 7,
      model: baseId,
      fine_tuned_model: null,
      hyperparameters: { n_epochs: 3, batch_size: 'auto', learning_rate_multiplier: 'auto' },
      error: null,
    });

    const lease = await runner.take();
    expect(lease).toMatchObject({
      jobId: job.id,
      seed: 7,
      hyperparameters: { n_epochs: 3 },
      validated: false,
    });
    expect(lease?.base).toMatchObject({ id: baseId });
    expect(await (await fetch(lease!.trainingFile.url)).text()).toBe(data);
    expect(lease?.trainingFile).toMatchObject({ size: data.length, sha256: sha256(data) });
    expect(await (await fetch(lease!.validationFile!.url)).text()).toBe(line(99));
    expect(lease?.checkpoint).toBeUndefined();
    await runner.validated();
    expect(await client.fineTuning.jobs.retrieve(job.id)).toMatchObject({
      status: 'running',
      hyperparameters: { n_epochs: 3, batch_size: 4, learning_rate_multiplier: 1 },
    });
    for (const step of [1, 2, 3]) await runner.metrics(step, 3 - step / 2);
    expect(await runner.heartbeat({ step: 3, trainedTokens: 500 })).toBe('continue');
    expect((await client.fineTuning.jobs.retrieve(job.id)).trained_tokens).toBe(500);
    await runner.checkpoint(3);
    const model = await runner.publish(adapter);
    expect(model).toBe('alice/echo@v1');

    expect(await client.fineTuning.jobs.retrieve(job.id)).toMatchObject({
      status: 'succeeded',
      fine_tuned_model: model,
      trained_tokens: 1234,
    });
    expect((await client.models.retrieve(model)).id).toBe(model);
    const events = [];
    for await (const event of client.fineTuning.jobs.listEvents(job.id, { limit: 2 })) events.unshift(event);
    expect(events.filter(({ type }) => type === 'metrics').map(({ data: one }) => one)).toEqual([
      { step: 1, train_loss: 2.5 },
      { step: 2, train_loss: 2 },
      { step: 3, train_loss: 1.5 },
    ]);
    expect(events.at(-1)?.message).toBe('The job has successfully completed');
    const checkpoints = await client.fineTuning.jobs.checkpoints.list(job.id);
    expect(checkpoints.data).toMatchObject([
      {
        step_number: 3,
        fine_tuned_model_checkpoint: expect.stringMatching(/^alice\/echo@ftckpt-[0-9a-f-]{36}$/),
        metrics: { step: 3, train_loss: 1 },
      },
    ]);
    const { versions } = (await (await api.call('GET', '/api/adapters/alice/echo')).json()) as {
      versions: unknown[];
    };
    expect(versions).toMatchObject([
      {
        lineage: { jobId: job.id, base: { id: baseId }, trainingFile: sha256(data), parent: null },
        receipt: { engine: 'scripted' },
      },
    ]);
  });

  it('has checkpoints that can be asked and promoted, by those who work on it', async () => {
    const job = await create({ suffix: 'halfway' });
    await runner.take();
    await runner.validated();
    await runner.checkpoint(4);
    await runner.checkpoint(8, 'state', adapter);
    const [latest, bare] = (await client.fineTuning.jobs.checkpoints.list(job.id)).data;
    const principal = (owner: string) => api.auth.authenticate(`Bearer ${keys[owner]}`);
    const keys: Record<string, string> = {
      alice: await api.key('alice', ['train', 'publish', 'infer']),
      bob: await api.key('bob', ['train', 'publish', 'infer']),
    };
    const named = latest!.fine_tuned_model_checkpoint;
    const { base: of, adapters } = await resolveModel(api.deps, (await principal('alice'))!, named);
    expect(of.id).toBe(baseId);
    const weights = await fetch(adapters[0]!.weights.url);
    expect(new Uint8Array(await weights.arrayBuffer())).toEqual(adapter.weights);
    expect(adapters[0]?.config).toEqual(JSON.parse(adapter.config));
    await expect(resolveModel(api.deps, (await principal('bob'))!, named)).rejects.toThrow('no model');
    await expect(
      resolveModel(api.deps, (await principal('alice'))!, bare!.fine_tuned_model_checkpoint),
    ).rejects.toThrow('has no adapter_config.json');

    const promote = (owner: string, id: string) =>
      api.call('POST', `/v1/fine_tuning/jobs/${job.id}/checkpoints/${id}/promote`, undefined, keys[owner]);
    expect((await promote('bob', latest!.id)).status).toBe(404);
    expect((await promote('alice', 'ftckpt-none')).status).toBe(404);
    expect((await promote('alice', bare!.id)).status).toBe(409);
    for (const _again of [1, 2])
      expect(await (await promote('alice', latest!.id)).json()).toMatchObject({ model: 'alice/halfway@v1' });
    expect(await statusOf(job.id)).toBe('running');
    const detail = await api.call('GET', '/api/adapters/alice/halfway', undefined, keys['alice']);
    expect(await detail.json()).toMatchObject({
      versions: [{ lineage: { jobId: job.id, step: 8 }, receipt: null }],
    });
  });

  it('begins private where that was asked, from its first checkpoint on', async () => {
    const hidden = { visibility: 'private' } as object; // more than OpenAI's client knows of
    await create({ suffix: 'quiet', ...hidden });
    await runner.take();
    await runner.validated();
    await runner.publish(adapter);
    const seenBy = async (key: string) =>
      (await api.call('GET', '/api/adapters/alice/quiet', undefined, key)).status;
    expect(await seenBy(await api.key('alice', ['read']))).toBe(200);
    expect(await seenBy('')).toBe(404);
    // What is there, and public, stays so.
    await expect(create({ suffix: 'echo', ...hidden })).rejects.toMatchObject({
      status: 409,
      param: 'visibility',
    });
  });

  it('continues from an adapter, which its version names as parent', async () => {
    const first = await create({ suffix: 'parent' });
    await runner.take();
    await runner.validated();
    await runner.publish(adapter);
    const job = await create({ model: 'alice/parent', suffix: 'child' });
    const lease = await runner.take();
    expect(lease).toMatchObject({ jobId: job.id, base: { id: baseId }, parent: { weight: 1 } });
    const weights = await fetch(lease!.parent!.weights.url);
    expect(new Uint8Array(await weights.arrayBuffer())).toEqual(adapter.weights);
    expect(first.id).not.toBe(job.id);
    await runner.publish(adapter);
    const { versions } = (await (await api.call('GET', '/api/adapters/alice/child')).json()) as {
      versions: unknown[];
    };
    expect(versions).toMatchObject([{ lineage: { parent: 'alice/parent@1' } }]);
  });

  it('takes both forms of hyperparameters, and Patchbay its own', async () => {
    const old = await create({ hyperparameters: { n_epochs: 2 } });
    expect(old.hyperparameters).toMatchObject({ n_epochs: 2, batch_size: 'auto' });
    const own = { n_epochs: 1, r: 4, target_modules: 'attention', lr_scheduler_type: 'cosine' };
    const job = await create({ method: { type: 'supervised', supervised: { hyperparameters: own } } });
    expect(job.method?.supervised?.hyperparameters).toMatchObject({ r: 4, target_modules: ['attention'] });
    await runner.take();
    expect((await runner.take())?.hyperparameters).toEqual({ ...own, target_modules: ['attention'] });
  });

  it('gets a name and a seed when none are given', async () => {
    await create();
    const lease = await runner.take();
    expect(lease?.seed).toBeGreaterThanOrEqual(0);
    expect(await runner.publish(adapter)).toMatch(/^alice\/smollm2-[0-9a-f]{12}@v1$/);
  });

  it('that fails says why, with the field', async () => {
    const job = await create();
    await runner.take();
    await runner.fail('invalid_training_file', 'line 3: content is missing', 'training_file');
    expect(await client.fineTuning.jobs.retrieve(job.id)).toMatchObject({
      status: 'failed',
      error: { code: 'invalid_training_file', message: 'line 3: content is missing', param: 'training_file' },
    });
    expect(await runner.take()).toBeUndefined();
  });

  it('is listed in pages and by metadata, to its owner alone', async () => {
    const mine = [];
    for (let i = 0; i < 5; i++) {
      later(1);
      mine.unshift((await create({ metadata: { run: `${i % 2}`, suite: 'pages' } })).id);
    }
    const listed: string[] = [];
    for await (const { id } of client.fineTuning.jobs.list({ limit: 2, metadata: { suite: 'pages' } }))
      listed.push(id);
    expect(listed).toEqual(mine);
    const page = await client.fineTuning.jobs.list({ metadata: { suite: 'pages', run: '1' } });
    expect(page.data.map(({ id }) => id)).toEqual([mine[1], mine[3]]);
    const other = api.openai(await api.key('bob', ['train']));
    expect((await other.fineTuning.jobs.list()).data).toEqual([]);
    await expect(other.fineTuning.jobs.cancel(mine[0]!)).rejects.toMatchObject({ status: 404 });
  });
});

describe('what is trained is in the books', () => {
  const entered = async (id: string) => {
    const rows = await api.deps.db
      .select()
      .from(usage)
      .where(like(usage.requestId, `${id}%`));
    expect(rows.every(({ kind, payer }) => kind === 'training' && payer === 'alice')).toBe(true);
    return rows.reduce((sum, { quantity }) => sum + quantity, 0);
  };
  const started = async () => {
    const { id } = await create();
    await runner.take();
    await runner.validated();
    return id;
  };

  it('as it is kept, and up to where it was cancelled, though a checkpoint is promoted', async () => {
    const id = await started();
    await runner.heartbeat({ step: 3, trainedTokens: 300 });
    expect(await entered(id)).toBe(0);
    for (const _again of [1, 2]) await runner.checkpoint(4, 'state', adapter, 400);
    expect(await entered(id)).toBe(400);
    await runner.heartbeat({ step: 5, trainedTokens: 500 });
    await client.fineTuning.jobs.cancel(id);
    expect(await entered(id)).toBe(500);
    const [checkpoint] = (await client.fineTuning.jobs.checkpoints.list(id)).data;
    const key = await api.key('alice', ['train', 'publish']);
    const path = `/v1/fine_tuning/jobs/${id}/checkpoints/${checkpoint!.id}/promote`;
    expect((await api.call('POST', path, undefined, key)).status).toBe(200);
    expect(await entered(id)).toBe(500);
  });

  it('once, when a runner is lost, and not what no checkpoint kept', async () => {
    const id = await started();
    await runner.checkpoint(4, 'state', adapter, 400);
    await runner.heartbeat({ step: 7, trainedTokens: 700 });
    later(LEASE_SECONDS + 1);
    expect((await runner.take())?.jobId).toBe(id);
    expect((await client.fineTuning.jobs.retrieve(id)).trained_tokens).toBe(400);
    await runner.heartbeat({ step: 5, trainedTokens: 500 });
    await runner.checkpoint(8, 'state', adapter, 800);
    expect(await entered(id)).toBe(800);
    await runner.heartbeat({ step: 9, trainedTokens: 900 });
    await runner.fail('server_error', 'The runner failed.');
    expect(await entered(id)).toBe(800);
  });

  it('to its end', async () => {
    const id = await started();
    await runner.checkpoint(4, 'state', adapter, 400);
    await runner.publish(adapter);
    expect(await entered(id)).toBe(1234);
  });
});

describe('bad input is refused with its field', () => {
  const hyper = (hyperparameters: object) => ({
    method: { type: 'supervised', supervised: { hyperparameters } },
  });
  const under = (name: string) => `method.supervised.hyperparameters.${name}`;
  it.each([
    [{ model: 'nobody/nothing' }, 404, 'model'],
    [{ model: `${baseId}+${baseId}` }, 404, 'model'],
    [{ training_file: 'file-unknown' }, 404, 'training_file'],
    [{ validation_file: 'file-unknown' }, 404, 'validation_file'],
    [{ suffix: 'Not A Name' }, 400, 'suffix'],
    [{ seed: -1 }, 400, 'seed'],
    [{ metadata: { key: 'x'.repeat(513) } }, 400, 'metadata.key'],
    [{ integrations: [{ type: 'wandb', wandb: { project: 'x' } }] }, 400, 'integrations'],
    [{ method: { type: 'dpo' } }, 400, 'method.type'],
    [{ hyperparameters: { n_epochs: 0 } }, 400, 'hyperparameters.n_epochs'],
    [{ hyperparameters: { n_epochs: 1 }, ...hyper({ n_epochs: 1 }) }, 400, 'hyperparameters'],
    [hyper({ n_epochs: 51 }), 400, under('n_epochs')],
    [hyper({ n_epochs: 'many' }), 400, under('n_epochs')],
    [hyper({ batch_size: 1.5 }), 400, under('batch_size')],
    [hyper({ learning_rate_multiplier: 0 }), 400, under('learning_rate_multiplier')],
    [hyper({ rank: 4 }), 400, under('rank')],
    [hyper({ sample_prompts: ['\0'] }), 400, undefined],
    [{ unknown: 1 }, 400, 'unknown'],
  ])('%j', async (options, status, param) => {
    await expect(create(options as JobOptions)).rejects.toMatchObject({
      status,
      ...(param ? { param } : {}),
    });
    expect(await runner.take()).toBeUndefined();
  });

  it('the same content for training and validation', async () => {
    const validation_file = (await upload()).id;
    await expect(create({ validation_file })).rejects.toMatchObject({
      status: 400,
      param: 'validation_file',
    });
  });

  it('a name that a base has', async () => {
    const [owner, suffix] = baseId.split('/');
    const theirs = api.openai(await api.key(owner!, ['train']));
    const file = await theirs.files.create({
      file: await toFile(Buffer.from(data), 'x'),
      purpose: 'fine-tune',
    });
    await expect(
      theirs.fineTuning.jobs.create({ model: baseId, training_file: file.id, suffix: suffix! }),
    ).rejects.toMatchObject({ status: 409, param: 'suffix' });
  });

  it.each(['limit=0', 'limit=101', 'limit=x', 'after=ftjob-unknown'])('GET jobs?%s', async (query) => {
    const key = await api.key('alice', ['train']);
    const response = await api.call('GET', `/v1/fine_tuning/jobs?${query}`, undefined, key);
    expect([400, 404]).toContain(response.status);
    expect(await response.json()).toMatchObject({ error: { param: query.split('=')[0] } });
  });

  it('a key without the scope `train`, and a runner without the token', async () => {
    const reader = api.openai(await api.key('alice', ['read', 'infer', 'publish']));
    await expect(reader.fineTuning.jobs.list()).rejects.toMatchObject({ status: 403 });
    await expect(reader.files.list()).rejects.toMatchObject({ status: 403 });
    for (const bearer of ['', api.admin, 'wrong'])
      expect((await api.call('POST', '/api/runner/leases', { runner: 'x' }, bearer)).status).toBe(401);
  });
});

describe('cancel, pause and resume', () => {
  it('cancel before a runner took it: no runner ever does', async () => {
    const job = await create();
    expect((await client.fineTuning.jobs.cancel(job.id)).status).toBe('cancelled');
    expect(await runner.take()).toBeUndefined();
  });

  it('cancel while it runs: the runner learns so, and nothing more of it is taken', async () => {
    const job = await create();
    await runner.take();
    await runner.validated();
    await client.fineTuning.jobs.cancel(job.id);
    expect(await runner.heartbeat()).toBe('cancel');
    await expect(runner.metrics(1, 1)).rejects.toThrow('409');
    await expect(runner.publish(adapter)).rejects.toThrow('409');
    expect(await statusOf(job.id)).toBe('cancelled');
  });

  it('cancel while it is paused', async () => {
    const job = await create();
    await client.fineTuning.jobs.pause(job.id);
    expect((await client.fineTuning.jobs.cancel(job.id)).status).toBe('cancelled');
    await expect(client.fineTuning.jobs.resume(job.id)).rejects.toMatchObject({ status: 409 });
  });

  it('cancel while it is published is too late', async () => {
    const job = await create();
    await runner.take();
    await runner.validated();
    await runner.deliver(adapter);
    await expect(client.fineTuning.jobs.cancel(job.id)).rejects.toMatchObject({ status: 409 });
    await runner.complete();
    expect(await statusOf(job.id)).toBe('succeeded');
  });

  it('cancel while it should pause: the runner hears of the cancellation', async () => {
    const job = await create();
    await runner.take();
    await runner.validated();
    await client.fineTuning.jobs.pause(job.id);
    expect((await client.fineTuning.jobs.cancel(job.id)).status).toBe('cancelled');
    expect(await runner.heartbeat()).toBe('cancel');
    await expect(runner.checkpoint(5)).rejects.toThrow('409');
    await expect(runner.release()).rejects.toThrow('409');
    expect(await statusOf(job.id)).toBe('cancelled');
    await expect(client.fineTuning.jobs.resume(job.id)).rejects.toMatchObject({ status: 409 });
  });

  it('cancel while it is queued again after a runner gave it back', async () => {
    const job = await create();
    await runner.take();
    await runner.validated();
    await runner.checkpoint(5);
    await runner.release();
    expect(await statusOf(job.id)).toBe('queued');
    expect((await client.fineTuning.jobs.cancel(job.id)).status).toBe('cancelled');
    expect(await runner.take()).toBeUndefined();
  });

  it('cancel, pause and resume while its adapter is verified are too late', async () => {
    const { verdict } = api;
    api.verdict = undefined;
    const job = await create();
    await runner.take();
    await runner.validated();
    const published = runner.publish(adapter);
    while (!(await messages(job.id)).some((message) => message.startsWith('Verifying the new model')))
      await new Promise((resolve) => setTimeout(resolve, 10));
    for (const action of ['cancel', 'pause', 'resume'] as const)
      await expect(client.fineTuning.jobs[action](job.id)).rejects.toMatchObject({
        status: 409,
        param: 'fine_tuning_job_id',
      });
    expect(await statusOf(job.id)).toBe('running');
    api.verdict = verdict;
    expect(await published).toBe(`${(await findJob(api.deps.db, job.id))!.target}@v1`);
    expect(await statusOf(job.id)).toBe('succeeded');
  });

  it('what is over stays as it is', async () => {
    const job = await create();
    await client.fineTuning.jobs.cancel(job.id);
    for (const action of ['cancel', 'pause', 'resume'] as const)
      await expect(client.fineTuning.jobs[action](job.id)).rejects.toMatchObject({
        status: 409,
        param: 'fine_tuning_job_id',
      });
  });

  it('pause before a runner took it, then resume', async () => {
    const job = await create();
    expect((await client.fineTuning.jobs.pause(job.id)).status).toBe('paused');
    expect((await client.fineTuning.jobs.pause(job.id)).status).toBe('paused');
    expect(await runner.take()).toBeUndefined();
    expect((await client.fineTuning.jobs.resume(job.id)).status).toBe('validating_files');
    expect((await runner.take())?.jobId).toBe(job.id);
    expect(await new ScriptedRunner(api).take()).toBeUndefined();
  });

  it('pause while it runs: the runner writes a checkpoint and gives it up; it continues from there', async () => {
    const job = await create();
    await runner.take();
    await runner.validated();
    expect((await client.fineTuning.jobs.pause(job.id)).status).toBe('pausing');
    expect(await runner.heartbeat()).toBe('pause');
    await runner.checkpoint(5);
    await runner.release();
    expect(await statusOf(job.id)).toBe('paused');
    await expect(runner.metrics(6, 1)).rejects.toThrow('409');
    expect(await runner.take()).toBeUndefined();
    expect((await client.fineTuning.jobs.resume(job.id)).status).toBe('queued');
    const lease = await runner.take();
    expect(lease).toMatchObject({ jobId: job.id, validated: true, checkpoint: { step: 5 } });
    expect(await (await fetch(lease!.checkpoint!.files[0]!.url)).text()).toBe('state at 5');
    expect(await statusOf(job.id)).toBe('running');
  });

  it('waits since it was resumed, or given back, not since it was made', async () => {
    const since = async () => (await waitingWork(api.deps.db)).find(({ name }) => name === 'train')!.since;
    const job = await create();
    await client.fineTuning.jobs.pause(job.id);
    expect(await since()).toBeNull();
    later(86_400);
    await client.fineTuning.jobs.resume(job.id);
    expect(await since()).toEqual(api.now);
    await runner.take();
    expect(await since()).toBeNull();
    later(30);
    await runner.release();
    expect(await since()).toEqual(api.now);
    await runner.take();
    later();
    await invoke(sweep, {}, api.deps);
    expect(await since()).toEqual(api.now);
  });

  it('resume before the runner gave it up: it just goes on', async () => {
    const job = await create();
    await runner.take();
    await runner.validated();
    await client.fineTuning.jobs.pause(job.id);
    expect((await client.fineTuning.jobs.resume(job.id)).status).toBe('running');
    expect(await runner.heartbeat()).toBe('continue');
    await expect(client.fineTuning.jobs.resume(job.id)).rejects.toMatchObject({ status: 409 });
  });

  it('a runner that dies while it should pause leaves the job paused', async () => {
    const job = await create();
    await runner.take();
    await client.fineTuning.jobs.pause(job.id);
    later();
    expect(await new ScriptedRunner(api).take()).toBeUndefined();
    expect(await statusOf(job.id)).toBe('paused');
  });
});

describe('a spending cap that is reached while a job is trained', () => {
  let carol: OpenAI;
  let key: string;
  const setCap = (cap: number | null) => api.call('PUT', '/api/usage/cap', { cap }, key);
  const entered = () =>
    api.deps.db
      .select()
      .from(usage)
      .where(eq(usage.payer, 'carol'))
      .then((rows) => rows.reduce((sum, { quantity }) => sum + quantity, 0));

  beforeAll(async () => {
    await api.call('POST', '/api/prices', { kind: 'training', perMillion: 1000 }); // 0.4 for 400 tokens
    key = await api.key('carol', ['train', 'read', 'manage']);
    carol = api.openai(key);
  });
  afterAll(() => api.call('POST', '/api/prices', { kind: 'training', perMillion: 0 }));

  it('pauses the job at its checkpoint, from which it goes on once the cap is raised', async () => {
    await setCap(0.8);
    const file = await toFile(Buffer.from(data), 'train.jsonl');
    const { id: training_file } = await carol.files.create({ file, purpose: 'fine-tune' });
    const { id } = await carol.fineTuning.jobs.create({ model: baseId, training_file });
    const status = async () => (await carol.fineTuning.jobs.retrieve(id)).status;
    await runner.take();
    await runner.validated();
    await runner.checkpoint(4, 'state at 4', adapter, 400);
    expect(await runner.heartbeat()).toBe('continue');
    for (const _again of [1, 2]) await runner.checkpoint(8, 'state at 8', adapter, 800);
    expect(await status()).toBe('pausing');
    expect(await runner.heartbeat()).toBe('pause');
    await runner.release();
    expect(await status()).toBe('paused');
    const { data: told } = await carol.fineTuning.jobs.listEvents(id);
    const month = api.now.toISOString().slice(0, 7);
    expect(told.filter(({ level }) => level === 'warn').map(({ message }) => message)).toEqual([
      `The spending cap of carol for ${month} is reached: the job pauses where something is left to train. To go on, raise the cap with PUT /api/usage/cap and resume it.`,
    ]);

    await expect(carol.fineTuning.jobs.resume(id)).rejects.toMatchObject({
      status: 429,
      code: 'insufficient_quota',
    });
    expect(await status()).toBe('paused');
    expect(await runner.take()).toBeUndefined();
    await setCap(100);
    expect((await carol.fineTuning.jobs.resume(id)).status).toBe('queued');
    const lease = await runner.take();
    expect(lease).toMatchObject({ jobId: id, validated: true, checkpoint: { step: 8 } });
    expect(await (await fetch(lease!.checkpoint!.files[0]!.url)).text()).toBe('state at 8');
    await runner.checkpoint(10, 'state at 10', adapter, 1000);
    expect(await runner.heartbeat()).toBe('continue');
    await runner.publish(adapter);
    expect(await status()).toBe('succeeded');
    expect(await entered()).toBe(1234);
  });

  it('pauses a job that waited meanwhile, before it begins', async () => {
    await setCap(null);
    const file = await toFile(Buffer.from(data), 'train.jsonl');
    const { id: training_file } = await carol.files.create({ file, purpose: 'fine-tune' });
    const { id } = await carol.fineTuning.jobs.create({ model: baseId, training_file });
    await setCap(0.000001);
    expect(await runner.take()).toBeUndefined();
    expect((await carol.fineTuning.jobs.retrieve(id)).status).toBe('paused');
    const [told] = (await carol.fineTuning.jobs.listEvents(id)).data;
    expect(told).toMatchObject({
      level: 'warn',
      message: expect.stringContaining('The spending cap of carol'),
    });
    await setCap(100);
    await carol.fineTuning.jobs.resume(id);
    expect((await runner.take())?.jobId).toBe(id);
    await carol.fineTuning.jobs.cancel(id);
  });

  it('stops no job that has nothing left to train', async () => {
    await setCap(0.000001);
    await expect(carol.fineTuning.jobs.create({ model: baseId, training_file: 'any' })).rejects.toMatchObject(
      { status: 429 },
    );
    await setCap(1.5); // 1.234 are spent
    const file = await toFile(Buffer.from(data), 'train.jsonl');
    const { id: training_file } = await carol.files.create({ file, purpose: 'fine-tune' });
    const { id } = await carol.fineTuning.jobs.create({ model: baseId, training_file });
    await runner.take();
    await runner.validated();
    await runner.checkpoint(30, 'state at 30', adapter, 1234);
    await runner.publish(adapter);
    expect((await carol.fineTuning.jobs.retrieve(id)).status).toBe('succeeded');
  });
});

describe('runners that die, or are thought dead', () => {
  it('heartbeats keep a lease; without them another runner continues from the last checkpoint', async () => {
    const job = await create();
    await runner.take();
    await runner.validated();
    await runner.checkpoint(10);
    await runner.declareCheckpoint(20, { 'job.safetensors': 'never arrives' });
    const other = new ScriptedRunner(api, 'other');
    for (let i = 0; i < 3; i++) {
      later(LEASE_SECONDS - 1);
      expect(await runner.heartbeat()).toBe('continue');
      expect(await other.take()).toBeUndefined();
    }
    later();
    const lease = await other.take();
    expect(lease).toMatchObject({ jobId: job.id, checkpoint: { step: 10 }, validated: true });
    expect(await messages(job.id)).toContain(
      'The runner went silent; another one continues from the last checkpoint',
    );
  });

  it('a lease that is over changes nothing', async () => {
    const job = await create();
    await runner.take();
    await runner.validated();
    await runner.declareCheckpoint(1, { 'job.safetensors': 'state at 1' });
    const other = new ScriptedRunner(api, 'other');
    later();
    await other.take();
    const before = await messages(job.id);
    for (const call of [
      () => runner.heartbeat(),
      () => runner.validated(),
      () => runner.metrics(1, 1),
      () => runner.checkpoint(1),
      () => runner.keepCheckpoint(1),
      () => runner.deliver(adapter),
      () => runner.complete(),
      () => runner.fail('x', 'y'),
      () => runner.release(),
    ])
      await expect(call()).rejects.toThrow('409');
    expect(await messages(job.id)).toEqual(before);
    expect(await statusOf(job.id)).toBe('running');
    expect(await other.heartbeat()).toBe('continue');
    const unknown = await runner.post('leases/unknown/heartbeat');
    expect([unknown.status, await unknown.json()]).toMatchObject([409, { code: 'lease_over' }]);
  });

  it('a curve has each step once, though steps are repeated after a checkpoint', async () => {
    const job = await create();
    await runner.take();
    await runner.validated();
    for (const step of [1, 2, 3]) await runner.metrics(step, step);
    await runner.metrics(3, 3, 2); // sent again: the answer was lost
    await runner.say('once', 9);
    await runner.say('once', 9);
    later();
    await runner.take();
    for (const step of [2, 3, 4]) await runner.metrics(step, step);
    const events = (await client.fineTuning.jobs.listEvents(job.id, { limit: 100 })).data.reverse();
    const steps = events
      .filter(({ type }) => type === 'metrics')
      .map((event) => (event.data as { step: number }).step);
    expect(steps).toEqual([1, 2, 3, 4]);
    expect(events.filter(({ message }) => message === 'once')).toHaveLength(1);
  });

  it('a checkpoint may be sent twice, and is refused when it is not what was declared', async () => {
    await create();
    await runner.take();
    await runner.validated();
    await runner.checkpoint(1);
    await runner.checkpoint(1);
    await runner.keepCheckpoint(1);
    const { files } = await runner.declareCheckpoint(2, { 'job.safetensors': 'right' });
    await expect(runner.keepCheckpoint(2)).rejects.toThrow('422');
    await fetch(files[0]!.url, { method: 'PUT', body: 'wrong' });
    await expect(runner.keepCheckpoint(2)).rejects.toThrow('422');
    await expect(runner.keepCheckpoint(3)).rejects.toThrow('404');
    await expect(runner.declareCheckpoint(2, { 'job.safetensors': 'other' })).rejects.toThrow('409');
  });

  it('a runner that dies between two halves of publishing: another one ends it, with one version', async () => {
    const job = await create({ suffix: 'once' });
    await runner.take();
    await runner.validated();
    await runner.deliver(adapter);
    later();
    await runner.take();
    await runner.deliver(adapter);
    expect(await runner.complete()).toBe('alice/once@v1');
    expect(await runner.complete()).toBe('alice/once@v1'); // the answer was lost
    expect(await statusOf(job.id)).toBe('succeeded');
    const { versions } = (await (await api.call('GET', '/api/adapters/alice/once')).json()) as {
      versions: unknown[];
    };
    expect(versions).toHaveLength(1);
    expect(await runner.take()).toBeUndefined();
  });

  it('a store that is away loses no job that is given out, nor one whose publishing broke off', async () => {
    const job = await create({ suffix: 'away' });
    await runner.take();
    await runner.validated();
    await runner.deliver(adapter);
    const away = Object.assign(new Error('connect ECONNREFUSED'), { code: 'ECONNREFUSED' });
    const asked = (['size', 'abortUpload'] as const).map((what) =>
      vi.spyOn(api.blobs, what).mockRejectedValue(away),
    );
    later();
    expect(await runner.take()).toMatchObject({ jobId: job.id });
    expect(asked.map(({ mock }) => mock.calls)).toEqual([[], []]);
    for (const spy of asked) spy.mockRestore();
    await runner.release();
    later(1);
    await invoke(sweep, {}, api.deps);
    expect(await api.deps.db.$count(drafts, eq(drafts.target, 'alice/away'))).toBe(0);
  });

  it('a bad adapter is refused as anybody’s is, and the job goes on', async () => {
    const job = await create();
    await runner.take();
    await runner.deliver({ ...adapter, config: '{}' });
    await expect(runner.complete()).rejects.toThrow('422');
    expect(await statusOf(job.id)).toBe('validating_files');
    await runner.publish(adapter);
    expect(await statusOf(job.id)).toBe('succeeded');
  });

  it('a job fails for the reason that its runner gave, whatever characters of the file that quotes', async () => {
    const job = await create();
    await runner.take();
    const quoted = (text: string) => `Line 1: is not JSON: Unexpected token '${text}'`;
    await runner.fail('invalid_training_file', quoted('\ud83d\0'), 'training_file'); // half an emoji, as V8 quotes it
    expect(await client.fineTuning.jobs.retrieve(job.id)).toMatchObject({
      status: 'failed',
      error: { code: 'invalid_training_file', message: quoted('\ufffd\ufffd') },
    });
    expect(await messages(job.id)).toContain(quoted('\ufffd\ufffd'));
  });

  it('a job that loses every runner fails instead of killing more', async () => {
    const job = await create();
    const failed = () => counted.get('patchbay_jobs_ended_total failed') ?? 0;
    const before = failed();
    for (let i = 0; i < LOSSES; i++) {
      expect((await runner.take())?.jobId).toBe(job.id);
      later();
    }
    expect(await runner.take()).toBeUndefined();
    expect(await client.fineTuning.jobs.retrieve(job.id)).toMatchObject({
      status: 'failed',
      error: { code: 'runner_lost' },
    });
    expect(failed()).toBe(before + 1);
  });

  it('a job of which no checkpoint can be kept fails instead of going round for ever', async () => {
    const job = await create();
    const reason = 'the checkpoint of step 10, 2.00 GB, was not kept within 2060 s';
    for (let i = 1; i < LOSSES; i++) {
      await runner.take();
      await runner.release(reason);
    }
    await runner.take();
    await runner.checkpoint(5);
    for (let i = 0; i < LOSSES; i++) {
      expect(await statusOf(job.id)).not.toBe('failed');
      await runner.release(reason);
      await runner.take();
    }
    expect(await client.fineTuning.jobs.retrieve(job.id)).toMatchObject({
      status: 'failed',
      error: { code: 'checkpoint_not_kept', message: expect.stringContaining(reason) },
    });
    expect(await messages(job.id)).toContain(`The runner gave the job back: ${reason}`);
    expect(runner.lease).toBeUndefined();
  });

  it('a runner that stops gives its job back at once', async () => {
    const job = await create();
    await runner.take();
    await runner.validated();
    await runner.release();
    expect(await statusOf(job.id)).toBe('queued');
    expect((await runner.take())?.jobId).toBe(job.id);
  });

  it('are given jobs of each owner in turn; what was given back keeps its turn, what was paused does not', async () => {
    const bob = api.openai(await api.key('bob', ['train', 'read']));
    const others = await bob.files.create({
      file: await toFile(Buffer.from(data), 'b'),
      purpose: 'fine-tune',
    });
    const createBobs = () => bob.fineTuning.jobs.create({ model: baseId, training_file: others.id });
    const [a, b, c, d] = [await create(), await create(), await create(), await create()];
    await client.fineTuning.jobs.pause(a.id);
    const [x, y] = [await createBobs(), await createBobs()];
    await client.fineTuning.jobs.resume(a.id);
    expect((await runner.take())?.jobId).toBe(b.id);
    await runner.release();
    const order = [];
    for (let lease = await runner.take(); lease; lease = await runner.take()) order.push(lease.jobId);
    expect(order).toEqual([x, b, c, y, d, a].map(({ id }) => id));
    for (const { id } of [x, y]) await bob.fineTuning.jobs.cancel(id);
  });

  it('two runners that ask at once get two jobs, and a job one runner', async () => {
    const jobs = [await create(), await create()];
    const runners = [1, 2, 3].map((i) => new ScriptedRunner(api, `runner ${i}`));
    const leases = await Promise.all(runners.map((one) => one.take()));
    expect(leases.map((lease) => lease?.jobId).sort()).toEqual(
      [...jobs.map(({ id }) => id), undefined].sort(),
    );
  });
});
