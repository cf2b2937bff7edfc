/** What is in the object store and in no row is removed; what somebody is just publishing is not, however old its bytes are. */
import { createHash } from 'node:crypto';
import { eq } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sampleAdapter } from '../adapter/sample-adapter.ts';
import { announceBlobs, ContentGone, removeUnnamed, requireBlobs, unnamedBlobs } from '../db/blobs.ts';
import { type OpenDatabase, openDatabase } from '../db/open.ts';
import { blobs, trainingCheckpoints, trainingJobs } from '../db/schema.ts';
import { invoke } from '../functions/definition.ts';
import { blobKey } from '../functions/object-keys.ts';
import { GRACE_HOURS, orphans } from '../functions/orphans.ts';
import { sweep } from '../functions/sweep.ts';
import { base, InProcess } from './in-process.ts';
import { type PostgresForTests, startPostgres } from './servers/postgres.ts';

const HOUR_MS = 3_600_000;
const text = (content: string) => new TextEncoder().encode(content);
const sha256Of = (content: string) => createHash('sha256').update(content).digest('hex');

/** What a job says that nobody looks at. */
const JOB = {
  model: 'parity/smollm2',
  baseId: 'parity/smollm2',
  target: 'alice/over',
  trainingFile: 'file-x',
  trainingSha256: sha256Of('x'),
  hyperparameters: {},
  seed: 0,
  metadata: {},
};

describe('in the object store', () => {
  let api: InProcess;
  const good = sampleAdapter(base);
  const files = {
    'adapter_config.json': good.config,
    'adapter_model.safetensors': good.weights,
    LICENSE: 'what a server left behind that died while it published',
  };
  const leftBehind = blobKey(sha256Of(files.LICENSE));

  beforeAll(async () => {
    api = await InProcess.open();
    await api.blobs.put(leftBehind, text(files.LICENSE));
  });
  afterAll(() => api?.close());

  async function hoursLater<T>(hours: number, work: () => Promise<T>): Promise<T> {
    const before = api.now;
    api.now = new Date(Date.now() + hours * HOUR_MS);
    return work().finally(() => {
      api.now = before;
    });
  }
  const removeOrphans = () => invoke(orphans, {}, api.deps);
  const NOTHING = { blobs: 0, uploads: 0, files: 0, parts: 0, checkpoints: 0, tasks: 0 };

  it('keeps what is younger than the grace period', async () => {
    expect(await hoursLater(GRACE_HOURS - 1, removeOrphans)).toEqual(NOTHING);
    expect(await api.blobs.size(leftBehind)).toBeDefined();
  });

  it('removes what nobody names, and nothing that somebody does', async () => {
    expect(await hoursLater(GRACE_HOURS + 1, removeOrphans)).toEqual({ ...NOTHING, blobs: 1 });
    expect(await api.blobs.size(leftBehind)).toBeUndefined();
    expect(await hoursLater(GRACE_HOURS + 1, removeOrphans)).toEqual(NOTHING);
    const published = await api.publish('/api/adapters/alice/kept/versions', files);
    expect(published.status).toBe(200);
    expect(await hoursLater(10 * GRACE_HOURS, removeOrphans)).toEqual(NOTHING);
    for (const file of ['adapter_model.safetensors', 'LICENSE']) {
      const answer = await api.call('GET', `/api/adapters/alice/kept/versions/1/files/${file}`);
      expect((await fetch(answer.headers.get('location')!)).status).toBe(200);
    }
  });

  it('removes what was announced and never named, with its row', async () => {
    const sha256 = sha256Of('announced');
    await announceBlobs(api.deps.db, [{ sha256, size: 9 }], api.now);
    await api.blobs.put(blobKey(sha256), text('announced'));
    expect(await hoursLater(GRACE_HOURS + 1, removeOrphans)).toEqual({ ...NOTHING, blobs: 1 });
    expect(await api.deps.db.select().from(blobs).where(eq(blobs.sha256, sha256))).toEqual([]);
  });

  it('removes uploads, files and checkpoints without a row, and keeps the others', async () => {
    const others = { ...files, LICENSE: 'staged', 'README.md': '# Never sent' };
    const draft = await api.start('/api/adapters/alice/staged/versions', others);
    const staged = draft.files.find(({ path }) => path === 'LICENSE')!;
    await fetch(staged.parts![0]!.url!, { method: 'PUT', body: others.LICENSE });
    expect((await api.complete(draft)).status).toBe(409); // joins the parts that are there: the object is there now
    const form = new FormData();
    form.set('purpose', 'fine-tune');
    form.set('file', new Blob(['{"text":"kept"}\n']), 'kept.jsonl');
    const uploaded = await api.app.request('/v1/files', {
      method: 'POST',
      headers: { authorization: `Bearer ${api.admin}` },
      body: form,
    });
    const { id } = (await uploaded.json()) as { id: string };
    for (const key of [
      'uploads/nobody/LICENSE',
      'files/file-nobody',
      'parts/upload_nobody/part_x/0',
      'checkpoints/ftjob-nobody/1/lease/x',
      'tasks/task-nobody/lease/x',
    ])
      await api.blobs.put(key, text('nobody'));
    expect(await hoursLater(GRACE_HOURS + 1, removeOrphans)).toEqual({
      blobs: 0,
      uploads: 1,
      files: 1,
      parts: 1,
      checkpoints: 1,
      tasks: 1,
    });
    expect(await api.blobs.size(`uploads/${draft.id}/LICENSE`)).toBe(others.LICENSE.length);
    expect(await api.blobs.size(`files/${id}`)).toBe(16);
  });

  it('removes the checkpoints of jobs that have been over for long, and keeps what they measured', async () => {
    const { db } = api.deps;
    const [key, jobId] = ['checkpoints/ftjob-over/1/lease/adapter_model.safetensors', 'ftjob-over'];
    const { id: userId } = (await db.query.user.findFirst())!;
    await db
      .insert(trainingJobs)
      .values({ ...JOB, id: jobId, userId, status: 'succeeded', finishedAt: new Date() });
    const metrics = { train_loss: 1 };
    const files = [{ path: 'adapter_model.safetensors', size: 5, sha256: sha256Of('state'), key }];
    await db
      .insert(trainingCheckpoints)
      .values({ id: 'ftckpt-x', jobId, step: 1, leaseId: 'lease', files, metrics });
    await api.blobs.put(key, text('state'));
    const sweepCheckpoints = async () => (await invoke(sweep, {}, api.deps)).checkpoints;
    expect(await hoursLater(GRACE_HOURS + 1, removeOrphans)).toEqual(NOTHING);
    expect(await hoursLater(6 * 24, sweepCheckpoints)).toBe(0);
    expect(await hoursLater(8 * 24, sweepCheckpoints)).toBe(1);
    expect(await hoursLater(8 * 24, sweepCheckpoints)).toBe(0);
    expect(await api.blobs.size(key)).toBeUndefined();
    expect(await db.select().from(trainingCheckpoints)).toMatchObject([{ metrics, files: [] }]);
  });

  it('removes what a job went on from a day after it has passed it, and leaves the adapters', async () => {
    const { db } = api.deps;
    const { id: userId } = (await db.query.user.findFirst())!;
    const jobId = 'ftjob-runs';
    await db.insert(trainingJobs).values({ ...JOB, id: jobId, userId, status: 'running' });
    const filesOf = (step: number) =>
      ['job.safetensors', 'progress.json', 'best.safetensors', 'adapter_model.safetensors'].map((path) => {
        return { path, size: 4, sha256: sha256Of('file'), key: `checkpoints/${jobId}/${step}/lease/${path}` };
      });
    const keep = async (step: number, kept: { metrics?: { train_loss: number }; createdAt?: Date }) => {
      const files = filesOf(step);
      await db
        .insert(trainingCheckpoints)
        .values({ id: `ftckpt-${step}`, jobId, step, leaseId: 'lease', files, ...kept });
      for (const { key } of files) await api.blobs.put(key, text('file'));
    };
    const metrics = { train_loss: 1 };
    const there = async () =>
      (await Array.fromAsync(api.blobs.list(`checkpoints/${jobId}/`)))
        .flat()
        .map(({ key }) => key.split('/').slice(2).join('/').replace('lease/', ''))
        .sort();
    const all = (step: number) => filesOf(step).map(({ path }) => `${step}/${path}`);
    const sweepStates = async () => (await invoke(sweep, {}, api.deps)).states;
    await keep(1, { metrics });
    await keep(3, {}); // never arrived whole
    expect(await hoursLater(48, sweepStates)).toBe(0); // nobody has gone further
    await keep(2, { metrics });
    expect(await hoursLater(23, sweepStates)).toBe(0);
    expect(await hoursLater(25, sweepStates)).toBe(1);
    expect(await there()).toEqual(['1/adapter_model.safetensors', ...all(2), ...all(3)].sort());
    await db
      .update(trainingJobs)
      .set({ status: 'cancelled', finishedAt: new Date() })
      .where(eq(trainingJobs.id, jobId));
    expect(await hoursLater(25, sweepStates)).toBe(2);
    expect(await hoursLater(25, sweepStates)).toBe(0);
    expect(await there()).toEqual([1, 2, 3].map((step) => `${step}/adapter_model.safetensors`));
  });
});

describe('who publishes what is being removed', () => {
  let server: PostgresForTests;
  let open: OpenDatabase;
  const content = { sha256: sha256Of('wanted again'), size: 12 };
  const now = new Date();
  const before = new Date(now.getTime() - HOUR_MS);

  beforeAll(async () => {
    server = await startPostgres();
    open = await openDatabase({ url: await server.createDatabase('orphans') });
  });
  afterAll(async () => {
    await open?.close();
    await server?.close();
  });

  it.each(['without a row', 'announced long ago'] as const)(
    'waits until it is removed, and then puts it in place: %s',
    async (which) => {
      await open.db.delete(blobs);
      if (which === 'announced long ago') await announceBlobs(open.db, [content], new Date(0));
      const order: string[] = [];
      const gate = Promise.withResolvers<void>();
      const removing = Promise.withResolvers<void>();
      const removal = removeUnnamed(open.db, content, before, async () => {
        removing.resolve();
        await gate.promise;
        order.push('removed');
      });
      await removing.promise;
      const announced = announceBlobs(open.db, [content], now).then(() => order.push('announced'));
      await new Promise((resolve) => setTimeout(resolve, 100));
      expect(order).toEqual([]);
      gate.resolve();
      expect(await removal).toBe(true);
      await announced;
      expect(order).toEqual(['removed', 'announced']);
      expect(await unnamedBlobs(open.db, [content.sha256], before)).toEqual([]);
    },
  );

  it('keeps it, where the announcement came first', async () => {
    await open.db.delete(blobs);
    await announceBlobs(open.db, [content], now);
    const untouched = async () => expect.unreachable();
    expect(await removeUnnamed(open.db, content, before, untouched)).toBe(false);
  });

  it('is told to begin again, where it was removed since', async () => {
    await open.db.delete(blobs);
    await announceBlobs(open.db, [content], new Date(0));
    expect(await removeUnnamed(open.db, content, before, async () => undefined)).toBe(true);
    await expect(open.db.transaction((tx) => requireBlobs(tx, [content]))).rejects.toThrow(ContentGone);
  });

  it('loses nothing where the store fails: the row stays as it was', async () => {
    await open.db.delete(blobs);
    await announceBlobs(open.db, [content], new Date(0));
    const fails = async () => {
      throw new Error('the store is away');
    };
    await expect(removeUnnamed(open.db, content, before, fails)).rejects.toThrow('the store is away');
    expect(await open.db.select().from(blobs)).toHaveLength(1);
  });
});
