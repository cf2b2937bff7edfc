/** What the API makes of tasks: who may ask for what, every state that they can be in, and what happens when runners are lost. */
import { createHash } from 'node:crypto';
import { and, eq } from 'drizzle-orm';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { sampleAdapter } from '../adapter/sample-adapter.ts';
import { MAX_OPEN } from '../api/tasks.ts';
import { waitingWork } from '../db/operations.ts';
import { usage, versions } from '../db/schema.ts';
import { findTask } from '../db/tasks.ts';
import { invoke } from '../functions/definition.ts';
import { EvaluateEvent, type EvaluateResult } from '../functions/evaluate.ts';
import { MergeEvent } from '../functions/merge.ts';
import { ReproduceEvent } from '../functions/reproduce.ts';
import { sweep } from '../functions/sweep.ts';
import { TaskLease } from '../functions/tasks.ts';
import { LEASE_SECONDS, ResultUploads } from '../functions/train.ts';
import { counted } from './counted-metrics.ts';
import { base, baseId, InProcess, runnerToken } from './in-process.ts';

vi.mock('../observe/metrics.ts', async (original) =>
  (await import('./counted-metrics.ts')).counting(await original()),
);

let api: InProcess;
let alice: string;
let bob: string;
let file: string;
let count = 0;

const figures = { loss: 1, accuracy: { value: 0.5, low: 0.4, high: 0.6 } };
const evaluated: EvaluateResult = {
  of: 'user',
  rows: 9,
  tokens: 90,
  base: figures,
  model: figures,
  gain: { value: 0.1, low: 0.05, high: 0.15 },
};

// biome-ignore lint/suspicious/noExplicitAny: answers are looked at as a client's program would
type Body = any;
const json = async (answer: Promise<Response> | Response): Promise<Body> => (await answer).json();
const get = (path: string, key = alice) => api.call('GET', path, undefined, key);
const post = (path: string, body?: object, key = alice) => api.call('POST', path, body, key);
const evaluate = (body: object = { model: 'alice/public', file }, key = alice) =>
  post('/api/tasks/evaluate', body, key);
const task = (id: string) => json(get(`/api/tasks/${id}`));
const later = (seconds: number) => {
  api.now = new Date(api.now.getTime() + seconds * 1000);
};

/** What the ledger holds of a task. */
const entered = (id: string) => api.deps.db.select().from(usage).where(eq(usage.requestId, id));

/** A runner, by hand. */
const runner = (path: string, body: object = {}) =>
  api.call('POST', `/api/runner/tasks${path}`, body, runnerToken);
async function take(functions = ['evaluate', 'merge']): Promise<TaskLease | undefined> {
  const answer = await runner('', { runner: 'by-hand', functions });
  return answer.status === 204 ? undefined : TaskLease.parse(await answer.json());
}

async function upload(key: string, rows = `{"text":"row ${++count}"}\n`): Promise<string> {
  const form = new FormData();
  form.set('purpose', 'fine-tune');
  form.set('file', new Blob([rows]), 'rows.jsonl');
  const headers = { authorization: `Bearer ${key}` };
  const answer = await api.app.request('/v1/files', { method: 'POST', headers, body: form });
  return ((await answer.json()) as { id: string }).id;
}

beforeAll(async () => {
  api = await InProcess.open();
  alice = await api.key('alice', ['read', 'publish', 'infer', 'train', 'manage']);
  bob = await api.key('bob', ['read', 'publish', 'infer', 'train']);
  const good = sampleAdapter(base);
  for (const name of ['public', 'private']) {
    await api.call('PATCH', `/api/adapters/alice/${name}`, { visibility: name }, alice);
    const files = {
      'adapter_config.json': good.config,
      'adapter_model.safetensors': good.weights,
      'README.md': `# ${name}\n`,
    };
    expect((await api.publish(`/api/adapters/alice/${name}/versions`, files, alice)).status).toBe(200);
  }
  file = await upload(alice);
});
beforeEach(async () => {
  for (const key of [alice, bob])
    for (const { id, status } of (await json(get('/api/tasks?limit=100', key))).tasks)
      if (status === 'queued' || status === 'running') await post(`/api/tasks/${id}/cancel`, {}, key);
});
afterEach(() => expect(api.unexpected).toEqual([]));
afterAll(() => api.close());

describe('asking', () => {
  it('pins what a name means, and tells the runner where everything is', async () => {
    const answer = await evaluate({ model: 'alice/public:0.5+alice/private@1', file });
    expect(answer.status).toBe(202);
    const made = await json(answer);
    expect(made).toMatchObject({
      function: 'evaluate',
      status: 'queued',
      base: baseId,
      file,
      versions: [
        { version: 'alice/public@1', weight: 0.5 },
        { version: 'alice/private@1', weight: 1 },
      ],
    });
    // What waits wants a runner.
    const desired = await json(api.call('GET', '/api/runner/desired', undefined, runnerToken));
    expect(desired).toMatchObject({ training: 1, waitingSeconds: expect.any(Number) });
    const lease = (await take())!;
    expect(lease.taskId).toBe(made.id);
    const event = EvaluateEvent.parse(lease.event);
    expect(event.adapters.map(({ weight }) => weight)).toEqual([0.5, 1]);
    expect(event.rows.of).toBe('user');
    for (const { url, sha256 } of [event.rows.file, event.adapters[0]!.weights, ...event.base.files]) {
      const bytes = new Uint8Array(await (await fetch(url)).arrayBuffer());
      expect(createHash('sha256').update(bytes).digest('hex')).toBe(sha256);
    }
  });

  it.each([
    [{ model: 'alice/nothing' }, 404, /alice\/nothing/],
    [{ model: 'alice/public', file: 'file-nothing' }, 404, /file-nothing/],
    [{ model: 'alice/public' }, 400, /has no rows of its own/],
    [{ model: 'alice/public', rows: 3 }, 400, /rows/],
    [{}, 400, /model/],
  ])('refuses %j', async (body, status, detail) => {
    const answer = await evaluate(body);
    expect(answer.status).toBe(status);
    expect((await json(answer)).detail).toMatch(detail);
  });

  it('has nothing to merge into a base without an adapter', async () => {
    const answer = await post('/api/tasks/merge', { model: baseId });
    expect([answer.status, (await json(answer)).field]).toEqual([400, 'model']);
  });

  it('treats a private adapter, and the files and tasks of others, as missing ones', async () => {
    const missing = await json(evaluate({ model: 'alice/missing' }, bob));
    const hidden = await json(evaluate({ model: 'alice/private' }, bob));
    expect({ ...hidden, requestId: '' }).toEqual({
      ...missing,
      requestId: '',
      detail: missing.detail.replace('missing', 'private'),
    });
    expect((await evaluate({ model: 'alice/public', file }, bob)).status).toBe(404);
    const { id } = await json(evaluate());
    for (const answer of [
      await get(`/api/tasks/${id}`, bob),
      await post(`/api/tasks/${id}/cancel`, {}, bob),
      await get(`/api/tasks/${id}/files/config.json`, bob),
      await get(`/api/tasks?after=${id}`, bob),
    ])
      expect(answer.status).toBe(404);
    expect((await json(get('/api/tasks', bob))).tasks).toEqual([]);
  });

  it('makes one task of a request that comes twice with its key, and no other of it', async () => {
    const ask = (body: object, key: string) =>
      api.app.request('/api/tasks/evaluate', {
        method: 'POST',
        headers: {
          authorization: `Bearer ${alice}`,
          'content-type': 'application/json',
          'idempotency-key': key,
        },
        body: JSON.stringify(body),
      });
    const body = { model: 'alice/public', file };
    const answers = await Promise.all([1, 2, 3].map(async () => (await json(ask(body, 'once'))).id));
    expect(new Set(answers).size).toBe(1);
    expect((await json(ask(body, 'twice'))).id).not.toBe(answers[0]);
    expect((await ask({ ...body, model: 'alice/private' }, 'once')).status).toBe(409);
    expect((await ask(body, 'no spaces')).status).toBe(400);
  });

  it('lists page by page, newest first', async () => {
    const ids = [];
    for (let i = 0; i < 3; i++) {
      later(1);
      ids.unshift((await json(evaluate())).id);
    }
    const first = await json(get('/api/tasks?limit=2'));
    expect(first.tasks.map(({ id }: Body) => id)).toEqual(ids.slice(0, 2));
    const second = await json(get(`/api/tasks?limit=1&after=${first.next}`));
    expect(second.tasks[0].id).toBe(ids[2]);
  });

  it('keeps nobody busy beyond measure', async () => {
    const atOnce = await Promise.all(Array.from({ length: MAX_OPEN + 2 }, () => evaluate()));
    expect(atOnce.filter(({ status }) => status === 202)).toHaveLength(MAX_OPEN);
    const answer = await evaluate();
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([429, '10']);
    expect((await evaluate({ model: 'alice/public', file: await upload(bob) }, bob)).status).toBe(202);
  });

  it('needs its file until it is over', async () => {
    const own = await upload(alice);
    const { id } = await json(evaluate({ model: 'alice/public', file: own }));
    const remove = () => api.call('DELETE', `/v1/files/${own}`, undefined, alice);
    expect((await remove()).status).toBe(409);
    await post(`/api/tasks/${id}/cancel`);
    expect((await remove()).status).toBe(200);
  });
});

describe('working', () => {
  it('goes from queued over running to succeeded, with its progress and its result', async () => {
    const { id } = await json(evaluate());
    expect(await take(['merge'])).toBeUndefined();
    const lease = (await take())!;
    expect(await take()).toBeUndefined();
    const progress = { what: 'rows', done: 3, total: 9 };
    expect(await json(runner(`/${lease.leaseId}/heartbeat`, { progress }))).toEqual({ action: 'continue' });
    expect(await task(id)).toMatchObject({ status: 'running', progress });
    expect((await runner(`/${lease.leaseId}/result`, { result: { rows: 'many' } })).status).toBe(400);
    for (let again = 0; again < 2; again++)
      expect((await runner(`/${lease.leaseId}/result`, { result: evaluated })).status).toBe(204);
    expect(await task(id)).toMatchObject({ status: 'succeeded', progress: null, result: evaluated });
    expect((await runner(`/${lease.leaseId}/heartbeat`, {})).status).toBe(409);
    expect((await post(`/api/tasks/${id}/cancel`)).status).toBe(409);
  });

  it('is told to whoever runs the server', async () => {
    const asked = () => json(api.call('GET', '/api/operator'));
    const before = await asked();
    const { id } = await json(evaluate());
    const { leaseId } = (await take())!;
    const { leases, tasks } = await asked();
    expect(tasks).toEqual({ ...before.tasks, running: 1 });
    expect(leases).toEqual([{ function: 'evaluate', what: id, expiresAt: expect.any(String) }]);
    later(LEASE_SECONDS + 1);
    expect((await asked()).leases).toEqual([]);
    expect((await runner(`/${leaseId}/heartbeat`)).status).toBe(409);
  });

  it('fails with the reason that the runner gives', async () => {
    const { id } = await json(evaluate());
    const { leaseId } = (await take())!;
    const failure = { code: 'rows_unreadable', message: 'line 1: no JSON \0', field: 'file' };
    expect((await runner(`/${leaseId}/failed`, failure)).status).toBe(204);
    expect(await task(id)).toMatchObject({
      status: 'failed',
      error: { ...failure, message: 'line 1: no JSON \ufffd' },
    });
    expect((await runner(`/${leaseId}/result`, { result: evaluated })).status).toBe(409);
  });

  it('waits for its turn: each owner’s first comes before anybody’s second', async () => {
    const bobs = await upload(bob);
    const ask = async (key: string, rows: string): Promise<string> =>
      (await json(evaluate({ model: 'alice/public', file: rows }, key))).id;
    const [a, b, c] = [await ask(alice, file), await ask(alice, file), await ask(alice, file)];
    const [x, y] = [await ask(bob, bobs), await ask(bob, bobs)];
    const order = [];
    for (let lease = await take(); lease; lease = await take()) order.push(lease.taskId);
    expect(order).toEqual([a, x, b, y, c]);
  });

  it('is cancelled while it waits, and while it runs', async () => {
    const waiting = await json(evaluate());
    for (let again = 0; again < 2; again++)
      expect(await json(post(`/api/tasks/${waiting.id}/cancel`))).toMatchObject({ status: 'cancelled' });
    expect(await take()).toBeUndefined();
    const running = await json(evaluate());
    const { leaseId } = (await take())!;
    await post(`/api/tasks/${running.id}/cancel`);
    expect(await json(runner(`/${leaseId}/heartbeat`))).toEqual({ action: 'cancel' });
    expect((await runner(`/${leaseId}/result`, { result: evaluated })).status).toBe(409);
    expect(await task(running.id)).toMatchObject({ status: 'cancelled', result: null });
  });

  it('goes to another runner when one falls silent, whose late result counts for nothing', async () => {
    const { id } = await json(evaluate());
    const silent = (await take())!;
    later(LEASE_SECONDS - 1);
    await runner(`/${silent.leaseId}/heartbeat`);
    later(LEASE_SECONDS - 1);
    expect(await take()).toBeUndefined();
    later(2);
    const next = (await take())!;
    expect(next.taskId).toBe(id);
    expect((await runner(`/${silent.leaseId}/result`, { result: evaluated })).status).toBe(409);
    expect((await runner(`/${next.leaseId}/result`, { result: evaluated })).status).toBe(204);
  });

  it('fails once three runners have died, or failed, over it', async () => {
    const { id } = await json(evaluate());
    const before = counted.get('patchbay_leases_lost_total evaluate') ?? 0;
    await take();
    later(LEASE_SECONDS + 1);
    const second = (await take())!;
    await runner(`/${second.leaseId}/release`, { failed: true });
    expect((await task(id)).status).toBe('queued');
    expect(await waitingWork(api.deps.db, ['evaluate', 'merge'])).toMatchObject([
      { name: 'train', depth: 0 },
      { name: 'verify', depth: 0 },
      { name: 'evaluate', depth: 1, since: api.now }, // not since it was asked for
      { name: 'merge', depth: 0, since: null },
    ]);
    await take();
    later(LEASE_SECONDS + 1);
    expect((await invoke(sweep, {}, api.deps)).tasks).toBe(1);
    expect(await task(id)).toMatchObject({ status: 'failed', error: { code: 'runner_lost' } });
    expect(counted.get('patchbay_leases_lost_total evaluate')).toBe(before + 2);
    expect(await take()).toBeUndefined();
  });

  it('is given back by a runner that stops, which counts for nothing', async () => {
    const { id } = await json(evaluate());
    for (let i = 0; i < 5; i++) await runner(`/${(await take())!.leaseId}/release`, {});
    expect(await task(id)).toMatchObject({ status: 'queued', error: null });
  });

  it('wants the token of the runners, and leases that there are', async () => {
    expect((await post('/api/runner/tasks', { runner: 'x', functions: ['merge'] })).status).toBe(401);
    for (const path of ['heartbeat', 'files', 'result', 'failed', 'release']) {
      const body = {
        files: [{ path: 'a', size: 1, sha256: 'a'.repeat(64) }],
        result: {},
        code: 'x',
        message: 'x',
      };
      expect((await runner(`/${crypto.randomUUID()}/${path}`, body)).status).toBe(409);
    }
  });
});

describe('what is measured is in the books, once it is known', () => {
  const measure = async (model: string, key: string, result: EvaluateResult) => {
    const { id } = await json(evaluate({ model, file: await upload(key) }, key));
    const { leaseId } = (await take())!;
    expect(await entered(id)).toEqual([]);
    for (let again = 0; again < 2; again++)
      expect((await runner(`/${leaseId}/result`, { result })).status).toBe(204);
    return id;
  };

  it('read by the base, and again by the model, whose owner has a share', async () => {
    await api.call('POST', '/api/prices', { kind: 'prompt', perMillion: 2, ownersShare: 0.5 });
    const id = await measure('alice/public', bob, evaluated);
    const charge = 180 * 2000;
    expect(await entered(id)).toMatchObject([
      { kind: 'prompt', payer: 'bob', model: 'alice/public', quantity: 180, charge },
    ]);
    const earned = await json(get('/api/earnings'));
    expect(earned.items).toEqual([{ adapter: 'alice/public', kind: 'prompt', amount: charge / 2 / 1e9 }]);
    await api.call('POST', '/api/prices', { kind: 'prompt', perMillion: 0 });
  });

  it('by the base alone where that was asked about', async () => {
    const id = await measure(baseId, alice, { ...evaluated, model: null, gain: null });
    expect(await entered(id)).toMatchObject([
      { kind: 'prompt', payer: 'alice', model: baseId, quantity: 90 },
    ]);
  });

  it('not where it came to nothing', async () => {
    const { id } = await json(evaluate());
    const { leaseId } = (await take())!;
    await runner(`/${leaseId}/heartbeat`, { progress: { what: 'rows', done: 8, total: 9 } });
    await runner(`/${leaseId}/failed`, { code: 'rows_unreadable', message: 'line 2' });
    const cancelled = await json(evaluate());
    await take();
    await post(`/api/tasks/${cancelled.id}/cancel`);
    expect([...(await entered(id)), ...(await entered(cancelled.id))]).toEqual([]);
  });
});

describe('what a task makes', () => {
  const files = [
    ['config.json', '{"model_type":"llama"}'],
    ['model.safetensors', 'weights'],
  ] as const;
  const declared = files.map(([path, content]) => ({
    path,
    size: content.length,
    sha256: createHash('sha256').update(content).digest('hex'),
  }));
  const contents = new Map<string, string>(files);

  async function begin() {
    const { id } = await json(post('/api/tasks/merge', { model: 'alice/private' }));
    const lease = (await take())!;
    MergeEvent.parse(lease.event);
    return { id, leaseId: lease.leaseId };
  }

  async function send(leaseId: string, only = files.map(([path]) => path) as string[]) {
    const answer = await runner(`/${leaseId}/files`, { files: declared });
    const uploads = ResultUploads.parse(await answer.json());
    for (const { path, parts } of uploads.files)
      for (const { url, done } of parts ?? [])
        if (!done && only.includes(path)) await fetch(url!, { method: 'PUT', body: contents.get(path)! });
    return uploads;
  }
  const finish = (leaseId: string, result: object = { files: declared }) =>
    runner(`/${leaseId}/result`, { result });

  it('is fetched by whoever asked for it, until it expires', async () => {
    const { id, leaseId } = await begin();
    await send(leaseId);
    expect((await get(`/api/tasks/${id}/files/config.json`)).status).toBe(409);
    expect((await finish(leaseId)).status).toBe(204);
    expect(await task(id)).toMatchObject({
      status: 'succeeded',
      result: { files: declared },
      filesExpireAt: expect.any(String),
    });
    for (const [path, content] of files) {
      const answer = await get(`/api/tasks/${id}/files/${path}`);
      expect(answer.status).toBe(302);
      expect(await (await fetch(answer.headers.get('location')!)).text()).toBe(content);
    }
    expect((await get(`/api/tasks/${id}/files/other`)).status).toBe(404);
    expect(await entered(id)).toEqual([]);
    const before = api.now;
    later(8 * 86_400);
    expect((await invoke(sweep, {}, api.deps)).files).toBe(1);
    api.now = before;
    expect((await get(`/api/tasks/${id}/files/config.json`)).status).toBe(410);
    expect(await task(id)).toMatchObject({ status: 'succeeded', filesExpireAt: null });
    expect((await Array.fromAsync(api.blobs.list(`tasks/${id}/`))).flat()).toEqual([]);
  });

  it('is not taken until all of it is there, and is what was declared', async () => {
    const { leaseId } = await begin();
    await send(leaseId, ['config.json']);
    expect((await finish(leaseId)).status).toBe(422);
    const again = await begin();
    await send(again.leaseId, ['config.json']);
    const { files: views } = await send(again.leaseId, ['model.safetensors']);
    expect(views.map(({ parts }) => parts![0]!.done)).toEqual([true, false]);
    expect((await finish(again.leaseId, { files: declared.slice(1) })).status).toBe(422);
    expect((await finish(again.leaseId)).status).toBe(204);
  });

  it('is sent again where the store has lost it, parts and object', async () => {
    const { id, leaseId } = await begin();
    const lose = async () => {
      for (const one of (await findTask(api.deps.db, id))!.files)
        await api.blobs.abortUpload(one.key, one.uploadId);
    };
    const toSend = async () =>
      (await send(leaseId)).files.map(({ parts }) => parts!.some(({ done }) => !done));
    expect(await toSend()).toEqual([true, true]);
    await lose(); // before they were joined
    expect(await toSend()).toEqual([true, true]);
    expect(await toSend()).toEqual([false, false]);
    await lose(); // afterwards
    expect((await finish(leaseId)).status).toBe(422);
    expect(await toSend()).toEqual([true, true]);
    expect((await finish(leaseId)).status).toBe(204);
    const answer = await get(`/api/tasks/${id}/files/config.json`);
    expect(await (await fetch(answer.headers.get('location')!)).text()).toBe(contents.get('config.json'));
  });

  it('of one that was cancelled, or whose runner died, is swept away', async () => {
    const { id, leaseId } = await begin();
    await send(leaseId);
    later(LEASE_SECONDS + 1);
    const next = (await take())!;
    expect(next.taskId).toBe(id);
    await send(next.leaseId);
    await post(`/api/tasks/${id}/cancel`);
    expect((await invoke(sweep, {}, api.deps)).files).toBeGreaterThan(0);
    expect((await invoke(sweep, {}, api.deps)).files).toBe(0);
    expect((await Array.fromAsync(api.blobs.list(`tasks/${id}/`))).flat()).toEqual([]);
  });
});

describe('training again', () => {
  const rows = '{"text":"what it was trained on"}\n';
  const held = '{"text":"what it was measured with"}\n';
  const digestOf = (content: string) => createHash('sha256').update(content).digest('hex');
  const engine = { version: 1, provider: 'cpu', threads: 2 };
  const decided = { n_epochs: 2 };
  let trainedOn: string;
  let measuredWith: string;
  let receipt: Record<string, unknown>;

  /** As if it had been trained here. */
  async function tell(id: string, facts: { receipt: object | null; parent?: string }) {
    const lineage = {
      jobId: 'ftjob-x',
      base: { id: baseId, digest: '' },
      trainingFile: '',
      validationFile: null,
      parent: facts.parent ?? null,
    };
    await api.deps.db
      .update(versions)
      .set({ receipt: facts.receipt as Record<string, unknown> | null, lineage })
      .where(and(eq(versions.adapterId, id), eq(versions.number, 1)));
  }
  const again = (body: object = { model: 'alice/public' }, key = alice) =>
    post('/api/tasks/reproduce', body, key);

  beforeAll(async () => {
    trainedOn = await upload(alice, rows);
    measuredWith = await upload(alice, held);
    const { digest } = await json(get(`/api/bases/${baseId}`));
    receipt = {
      base: { id: baseId, digest },
      training_file: { id: trainedOn, sha256: digestOf(rows) },
      hyperparameters: { n_epochs: 2 },
      decided,
      seed: 7,
      engine,
      trained_tokens: 1000,
    };
  });
  beforeEach(() => tell('alice/public', { receipt }));

  it('tells the runner all that the receipt says, and keeps what it answers', async () => {
    const made = await json(again());
    expect(made).toMatchObject({ function: 'reproduce', status: 'queued', file: trainedOn });
    const lease = (await take(['reproduce']))!;
    const event = ReproduceEvent.parse(lease.event);
    expect(event).toMatchObject({ hyperparameters: { n_epochs: 2 }, seed: 7, before: { engine, decided } });
    expect(event.parent).toBeUndefined();
    expect(await (await fetch(event.trainingFile.url)).text()).toBe(rows);
    const { files } = await json(get('/api/adapters/alice/public/versions/1'));
    for (const { path, sha256 } of event.before.files)
      expect(files.find((one: Body) => one.path === path).sha256).toBe(sha256);
    const digests = event.before.files.map(({ path, sha256 }) => ({
      path,
      before: sha256,
      again: digestOf('others'),
    }));
    expect(digests.map(({ path }) => path)).toEqual(['adapter_config.json', 'adapter_model.safetensors']);
    const result = {
      same: false,
      digests,
      differences: [{ what: 'engine.threads', before: 2, again: 4 }],
    };
    expect((await runner(`/${lease.leaseId}/result`, { result: { same: true } })).status).toBe(400);
    expect((await runner(`/${lease.leaseId}/result`, { result })).status).toBe(204);
    expect(await task(made.id)).toMatchObject({ status: 'succeeded', result });
    expect((await json(get('/api/adapters/alice/public'))).latest).toBe(1);
    expect(await entered(made.id)).toMatchObject([
      { kind: 'training', payer: 'alice', model: 'alice/public', quantity: 1000 },
    ]);
  });

  it('costs what was trained by the runner that was at it when it was cancelled', async () => {
    const { id } = await json(again());
    const steps = async (done: number) => {
      const { leaseId } = (await take(['reproduce']))!;
      await runner(`/${leaseId}/heartbeat`, { progress: { what: 'steps', done, total: 8 } });
    };
    await steps(6);
    later(LEASE_SECONDS + 1); // lost: it begins anew
    await steps(2);
    await post(`/api/tasks/${id}/cancel`);
    expect(await entered(id)).toMatchObject([{ quantity: 250 }]);
  });

  it('is refused where two engines had a part in it', async () => {
    const engine_changes = [{ after_step: 12, engine: { ...engine, threads: 4 } }];
    await tell('alice/public', { receipt: { ...receipt, engine_changes } });
    const refused = await again();
    expect([refused.status, (await json(refused)).detail]).toEqual([
      409,
      expect.stringMatching(/by one engine until step 12/),
    ]);
  });

  it('takes the bytes of the receipt from whoever has them, and no others', async () => {
    const missing = await again({ model: 'alice/public' }, bob);
    expect([missing.status, (await json(missing)).detail]).toEqual([
      404,
      expect.stringContaining(digestOf(rows)),
    ]);
    expect((await again({ model: 'alice/public', file: trainedOn }, bob)).status).toBe(404);
    const other = await again({ model: 'alice/public', file: await upload(bob) }, bob);
    expect([other.status, (await json(other)).field]).toEqual([400, 'file']);
    const own = await upload(bob, rows);
    const { id } = await json(again({ model: 'alice/public', file: own }, bob));
    expect((await api.call('DELETE', `/v1/files/${own}`, undefined, bob)).status).toBe(409);
    await post(`/api/tasks/${id}/cancel`, {}, bob);
    expect((await api.call('DELETE', `/v1/files/${own}`, undefined, bob)).status).toBe(200);
  });

  it('needs the validation file where there was one', async () => {
    const superfluous = await again({ model: 'alice/public', validationFile: measuredWith });
    expect([superfluous.status, (await json(superfluous)).field]).toEqual([400, 'validationFile']);
    const validation_file = { id: measuredWith, sha256: digestOf(held) };
    await tell('alice/public', { receipt: { ...receipt, validation_file } });
    const swapped = await again({ model: 'alice/public', validationFile: trainedOn });
    expect([swapped.status, (await json(swapped)).field]).toEqual([400, 'validationFile']);
    expect((await again()).status).toBe(202);
    const event = ReproduceEvent.parse((await take(['reproduce']))!.event);
    expect(await (await fetch(event.validationFile!.url)).text()).toBe(held);
    expect((await api.call('DELETE', `/v1/files/${measuredWith}`, undefined, alice)).status).toBe(409);
  });

  it('goes on from the same parent, for those who may use it', async () => {
    const { digest } = await json(get('/api/adapters/alice/private/versions/1'));
    const parent = 'alice/private@1';
    await tell('alice/public', { receipt: { ...receipt, parent: { digest } }, parent });
    expect((await again()).status).toBe(202);
    const event = ReproduceEvent.parse((await take(['reproduce']))!.event);
    expect(event.parent!.digest).toBe(digest);
    const stranger = await again({ model: 'alice/public', file: await upload(bob, rows) }, bob);
    expect(stranger.status).toBe(409);
    expect(await stranger.text()).not.toContain('alice/private');
    await tell('alice/public', { receipt: { ...receipt, parent: { digest: '0'.repeat(64) } }, parent });
    expect((await again()).status).toBe(409);
  });

  it.each([
    ['a base', { model: baseId }, /no single version/],
    ['a mix', { model: 'alice/public:0.5+alice/private:0.5' }, /no single version/],
    ['what was brought in from elsewhere', { model: 'alice/private' }, /alice\/private@1 has no receipt/],
  ])('is not for %s', async (_what, body, detail) => {
    const answer = await again(body);
    expect(answer.status).toBe(400);
    expect(await json(answer)).toMatchObject({ field: 'model', detail: expect.stringMatching(detail) });
  });

  it('is not for a base that is no longer the same, nor for a receipt that says too little', async () => {
    await tell('alice/public', { receipt: { ...receipt, base: { id: baseId, digest: '0'.repeat(64) } } });
    expect((await again()).status).toBe(409);
    await tell('alice/public', { receipt: { seed: 7 } });
    expect((await json(again())).detail).toMatch(/does not say all/);
  });
});
