/** What the API makes of verdicts: what is listed, who sees what is not, and what happens when runners are lost. */
import { eq, inArray } from 'drizzle-orm';
import { createLocalJWKSet, decodeJwt, type JSONWebKeySet, jwtVerify } from 'jose';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { sampleAdapter } from '../adapter/sample-adapter.ts';
import { waitingWork } from '../db/operations.ts';
import { verifications } from '../db/schema.ts';
import { requestVerification, unverifiedVersions } from '../db/verifications.ts';
import { invoke } from '../functions/definition.ts';
import { doneByOne } from '../functions/lanes.ts';
import { reverify } from '../functions/reverify.ts';
import { LEASE_SECONDS } from '../functions/train.ts';
import { RULES, type Verdict, VerifyLease, verify } from '../functions/verify.ts';
import { base, baseId, type Files, InProcess, runnerToken, upload } from './in-process.ts';

let api: InProcess;
let alice: string;
let bob: string;
let count = 0;

const findings = { notes: ['It was looked at.'], spectrum: [], advice: [] };
const passed: Verdict = { problems: [], findings };
const refused: Verdict = {
  problems: [
    { code: 'no_effect', detail: 'It says what the base says.', field: 'adapter_model.safetensors' },
    { code: 'evaluation_unreadable', detail: 'eval.jsonl, line 3: is not JSON.', field: 'eval.jsonl' },
  ],
  findings,
};

beforeAll(async () => {
  api = await InProcess.open();
  alice = await api.key('alice', ['read', 'publish', 'infer', 'manage']);
  bob = await api.key('bob', ['read', 'publish', 'infer', 'manage']);
});
beforeEach(() => {
  api.verdict = () => passed;
});
afterEach(() => {
  expect(api.unexpected).toEqual([]);
});
afterAll(() => api.close());

/** A new adapter's name, and files that nobody has published. */
function fresh(more: Files = {}): { id: string; files: Files } {
  const good = sampleAdapter(base);
  const id = `alice/gate-${++count}`;
  const files = {
    'adapter_config.json': good.config,
    'adapter_model.safetensors': good.weights,
    'README.md': `# Gate ${count}\n`,
    ...more,
  };
  return { id, files };
}

const publish = ({ id, files }: ReturnType<typeof fresh>) =>
  api.publish(`/api/adapters/${id}/versions`, files, alice);
const get = (path: string, key?: string) => api.call('GET', path, undefined, key);
// biome-ignore lint/suspicious/noExplicitAny: answers are looked at as a client's program would
const json = async (response: Promise<Response>) => (await response).json() as Promise<any>;
const runner = (path: string, body: object = {}) =>
  api.call('POST', `/api/runner/verifications${path}`, body, runnerToken);

async function lease(): Promise<VerifyLease> {
  const response = await runner('', { runner: 'by hand' });
  return VerifyLease.parse(await response.json());
}

const later = (seconds: number) => {
  api.now = new Date(api.now.getTime() + seconds * 1000);
};

/** Submits without anybody to verify it. */
async function pending(made = fresh()) {
  api.verdict = undefined;
  const draft = await api.start(`/api/adapters/${made.id}/versions`, made.files, alice);
  await upload(draft, made.files);
  const answer = api.complete(draft, alice);
  while ((await get(`/api/adapters/${made.id}/versions/1`, alice)).status !== 200)
    await new Promise((resolve) => setTimeout(resolve, 5));
  return { ...made, draft, answer };
}

describe('a version that passes', () => {
  it('is listed, with what was found and a record that anybody can check', async () => {
    const made = fresh();
    expect(await json(publish(made))).toMatchObject({ created: true, version: { status: 'passed' } });
    const detail = await json(get(`/api/adapters/${made.id}/versions/1`, ''));
    expect(detail.verification).toMatchObject({ status: 'passed', rules: RULES, problems: [], findings });
    expect(detail.runsOn.map(({ platform }: { platform: string }) => platform)).toContain('vLLM');

    const keys = createLocalJWKSet((await json(get('/.well-known/jwks.json', ''))) as JSONWebKeySet);
    const { payload } = await jwtVerify(detail.verification.record, keys, { algorithms: ['EdDSA'] });
    expect(payload).toMatchObject({
      sub: `${made.id}@1`,
      digest: detail.digest,
      base: { id: baseId },
      verdict: 'passed',
      rules: RULES,
      files: detail.files,
    });
    const [head, body, signature] = detail.verification.record.split('.');
    const forged = { ...decodeJwt(detail.verification.record), sub: 'mallory/evil@1' };
    const other = Buffer.from(JSON.stringify(forged)).toString('base64url');
    await expect(jwtVerify(`${head}.${other}.${signature}`, keys)).rejects.toThrow(/signature/);
    await expect(jwtVerify(`${head}.${body}.${signature}`, keys)).resolves.toBeDefined();
  });
});

describe('a version that is refused', () => {
  it('is told with every reason, listed nowhere, and seen by its publisher alone', async () => {
    api.verdict = () => refused;
    const made = fresh();
    const response = await publish(made);
    expect(response.status).toBe(422);
    expect(await response.json()).toMatchObject({ code: 'refused', problems: refused.problems });
    for (const key of ['', bob]) {
      expect((await get(`/api/adapters/${made.id}`, key)).status).toBe(404);
      expect((await get(`/api/adapters/${made.id}/versions/1`, key)).status).toBe(404);
      expect((await get(`/api/adapters/${made.id}/versions/1/verifications`, key)).status).toBe(404);
      expect((await get(`/api/adapters/${made.id}/versions/1/files/README.md`, key)).status).toBe(404);
    }
    expect(
      (await json(get('/api/adapters?q=gate', alice))).adapters.map(({ id }: { id: string }) => id),
    ).not.toContain(made.id);
    expect((await get(`/${made.id}/resolve/main/README.md`, '')).status).toBe(404);
    const model = { model: made.id, messages: [{ role: 'user', content: 'Hi' }] };
    expect((await api.call('POST', '/v1/chat/completions', model, alice)).status).toBe(404);
    const own = await json(get(`/api/adapters/${made.id}/versions/1`, alice));
    expect(own).toMatchObject({ status: 'refused', verification: { problems: refused.problems } });
    expect(await json(get(`/api/adapters/${made.id}`, alice))).toMatchObject({
      latest: 0,
      versions: [{ status: 'refused' }],
    });
  });

  it('is verified again when it is published again, and may pass then', async () => {
    api.verdict = () => refused;
    const made = fresh();
    expect((await publish(made)).status).toBe(422);
    expect((await publish(made)).status).toBe(422);
    api.verdict = () => passed;
    expect(await json(publish(made))).toMatchObject({ version: { number: 1, status: 'passed' } });
    const { verifications } = await json(get(`/api/adapters/${made.id}/versions/1/verifications`, ''));
    expect(verifications.map(({ status }: { status: string }) => status)).toEqual([
      'passed',
      'refused',
      'refused',
    ]);
  });

  it('leaves the version before it the latest, and its number is not used again', async () => {
    const made = fresh();
    await publish(made);
    api.verdict = () => refused;
    expect((await publish({ ...made, files: { ...made.files, 'README.md': '# Worse\n' } })).status).toBe(422);
    expect(await json(get(`/api/adapters/${made.id}`, ''))).toMatchObject({
      latest: 1,
      title: expect.stringContaining('Gate'),
      versions: [{ number: 1 }],
    });
    api.verdict = () => passed;
    await publish({ ...made, files: { ...made.files, 'README.md': '# Better\n' } });
    expect(await json(get(`/api/adapters/${made.id}`, ''))).toMatchObject({ latest: 3, title: 'Better' });
  });
});

describe('a version that is pending', () => {
  it('is answered as such to whoever has waited long enough, and listed once it passes', async () => {
    const { id, answer } = await pending();
    expect((await get(`/api/adapters/${id}`, '')).status).toBe(404);
    const clock = setInterval(() => later(31), 50);
    expect(await json(answer)).toMatchObject({ version: { status: 'pending' } });
    clearInterval(clock);
    api.verdict = () => passed;
    while ((await get(`/api/adapters/${id}`, '')).status !== 200)
      await new Promise((resolve) => setTimeout(resolve, 5));
    expect(await json(get(`/api/adapters/${id}`, ''))).toMatchObject({ latest: 1 });
  });

  it('of somebody else is not content that is there already', async () => {
    const { files, answer } = await pending(
      fresh({ 'README.md': '# Nobody has this yet\n', 'eval.jsonl': '{"text": "hello"}\n' }),
    );
    const draft = await api.start('/api/adapters/bob/same/versions', files, bob);
    expect(draft.files.find(({ path }) => path === 'eval.jsonl')?.status).toBe('upload');
    api.verdict = () => passed;
    await answer;
  });
});

describe('leases', () => {
  it('name everything that a runner needs, once', async () => {
    const { id, answer } = await pending(fresh({ 'eval.jsonl': '{"text": "hello"}\n' }));
    const taken = await lease();
    expect(taken).toMatchObject({
      version: `${id}@1`,
      base: { id: baseId },
      evaluation: { of: 'publisher' },
    });
    expect((await fetch(taken.adapter.weights.url)).status).toBe(200);
    expect((await fetch(taken.evaluation!.file.url)).status).toBe(200);
    expect((await runner('', { runner: 'another' })).status).toBe(204);
    expect((await runner(`/${taken.leaseId}/heartbeat`)).status).toBe(204);
    expect((await runner(`/${taken.leaseId}/verdict`, passed)).status).toBe(204);
    expect((await runner(`/${taken.leaseId}/verdict`, refused)).status).toBe(409);
    expect(await json(answer)).toMatchObject({ version: { status: 'passed' } });
  });

  it('are given once for what is asked for often, to owners in turn, and last for what is listed', async () => {
    const listed = fresh();
    await publish(listed);
    api.verdict = undefined;
    for (let i = 0; i < 20; i++)
      expect(
        (await api.call('POST', `/api/adapters/${listed.id}/versions/1/verifications`, undefined, alice))
          .status,
      ).toBe(202);
    const { verifications } = await json(get(`/api/adapters/${listed.id}/versions/1/verifications`, alice));
    expect(verifications.map(({ status }: { status: string }) => status)).toEqual(['waiting', 'passed']);

    const answers: Promise<Response>[] = [];
    const submit = async (owner: string, key: string) => {
      const { files } = fresh();
      const id = `${owner}/turn-${count}`;
      const draft = await api.start(`/api/adapters/${id}/versions`, files, key);
      await upload(draft, files);
      answers.push(api.complete(draft, key));
      while ((await get(`/api/adapters/${id}/versions/1`, key)).status !== 200)
        await new Promise((resolve) => setTimeout(resolve, 5));
      return `${id}@1`;
    };
    const [a, b, c] = [
      await submit('alice', alice),
      await submit('alice', alice),
      await submit('alice', alice),
    ];
    const [x, y] = [await submit('bob', bob), await submit('bob', bob)];
    const order: string[] = [];
    for (let i = 0; i < 6; i++) {
      const { leaseId, version } = await lease();
      order.push(version);
      await runner(`/${leaseId}/verdict`, passed);
    }
    expect(order).toEqual([a, x, b, y, c, `${listed.id}@1`]);
    for (const answer of answers) expect((await answer).status).toBe(200);
    expect((await runner('', { runner: 'by hand' })).status).toBe(204);
  });

  it('of silent runners pass on to others, whose verdict counts alone', async () => {
    const { answer } = await pending();
    const first = await lease();
    later(LEASE_SECONDS + 1);
    const second = await lease();
    expect(second.version).toBe(first.version);
    expect((await runner(`/${first.leaseId}/verdict`, refused)).status).toBe(409);
    expect((await runner(`/${second.leaseId}/verdict`, passed)).status).toBe(204);
    await answer;
  });

  it('a version that no runner can verify is refused in the end, and says so', async () => {
    const { id, answer } = await pending();
    for (let i = 0; i < 2; i++) {
      const { leaseId } = await lease();
      await runner(`/${leaseId}/release`, { failed: true });
    }
    const { leaseId } = await lease();
    later(LEASE_SECONDS / 2);
    await runner(`/${leaseId}/release`, { failed: false }); // a runner that is stopped is no sign of anything
    const waiting = await waitingWork(api.deps.db);
    expect(waiting.find(({ name }) => name === 'verify')).toMatchObject({ depth: 1, since: api.now });
    const last = await lease();
    await runner(`/${last.leaseId}/release`, { failed: true });
    expect((await runner('', { runner: 'by hand' })).status).toBe(204);
    const response = await answer;
    if (response.status === 200)
      expect(await response.json()).toMatchObject({ version: { status: 'pending' } });
    expect(await json(get(`/api/adapters/${id}/versions/1`, alice))).toMatchObject({
      status: 'refused',
      verification: { problems: [{ code: 'runner_lost' }] },
    });
  });

  it('are for runners, and their verdicts are checked', async () => {
    expect((await api.call('POST', '/api/runner/verifications', { runner: 'x' }, alice)).status).toBe(401);
    const { answer } = await pending();
    const { leaseId } = await lease();
    expect((await runner(`/${leaseId}/verdict`, { problems: [{ code: '' }] })).status).toBe(400);
    await runner(`/${leaseId}/verdict`, {
      problems: [],
      findings: { notes: ['NUL \0 and half \ud800'], spectrum: [], advice: [] },
    });
    expect((await json(answer)).version.status).toBe('passed');
  });
});

describe('what is listed', () => {
  it('is verified again when the rules change, and put aside if it fails', async () => {
    const made = fresh();
    await publish(made);
    expect(await unverifiedVersions(api.deps.db, RULES, 10)).toEqual([]);
    expect((await unverifiedVersions(api.deps.db, RULES + 1, 100)).length).toBeGreaterThan(0);
    expect(await invoke(reverify, {}, api.deps)).toEqual({ requested: 0 });

    api.verdict = () => refused;
    await requestVerification(api.deps.db, { adapterId: made.id, number: 1, status: 'passed' }, RULES + 1);
    while ((await get(`/api/adapters/${made.id}`, '')).status !== 404)
      await new Promise((resolve) => setTimeout(resolve, 5));
    expect(await json(get(`/api/adapters/${made.id}/versions/1`, alice))).toMatchObject({
      status: 'quarantined',
    });
  });

  it('is verified again little by little: what is published does not wait, and no fleet is started for it', async () => {
    const { db } = api.deps;
    const all = Array.from({ length: doneByOne(verify.needs) + 1 }, () => fresh());
    for (const made of all) await publish(made);
    const ids = all.map(({ id }) => id);
    await db.delete(verifications).where(inArray(verifications.adapterId, ids));
    // By rules that are no more, and somebody works on them.
    const others = ids.slice(1).map((adapterId) => ({
      id: crypto.randomUUID(),
      adapterId,
      number: 1,
      rules: 0,
      status: 'running' as const,
      leaseExpiresAt: new Date(Date.now() + 600_000),
    }));
    await db.insert(verifications).values(others);
    expect(await invoke(reverify, {}, api.deps)).toEqual({ requested: 0 });
    await db.delete(verifications).where(eq(verifications.id, others[0]!.id));
    expect(await invoke(reverify, {}, api.deps)).toEqual({ requested: 1 });
    await db.delete(verifications).where(eq(verifications.rules, 0));
  });

  it('is taken off the list by the admin, and comes back when it is verified for the admin', async () => {
    const made = fresh();
    await publish(made);
    await publish({ ...made, files: { ...made.files, 'README.md': '# Second\n' } });
    const route = `/api/adapters/${made.id}/versions/2`;
    expect((await api.call('POST', `${route}/quarantine`, undefined, alice)).status).toBe(403);
    expect(await json(api.call('POST', `${route}/quarantine`))).toMatchObject({ status: 'quarantined' });
    expect(await json(get(`/api/adapters/${made.id}`, ''))).toMatchObject({ latest: 1 });
    expect((await get(route, '')).status).toBe(404);
    expect((await publish({ ...made, files: { ...made.files, 'README.md': '# Second\n' } })).status).toBe(
      409,
    );
    expect((await api.call('POST', `${route}/verifications`, undefined, alice)).status).toBe(403);
    expect((await api.call('POST', `${route}/verifications`, undefined, bob)).status).toBe(404);
    expect((await api.call('POST', `${route}/verifications`)).status).toBe(202);
    while ((await get(route, '')).status !== 200) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(await json(get(`/api/adapters/${made.id}`, ''))).toMatchObject({ latest: 2, title: 'Second' });
  });

  it('is withdrawn by its publisher, and comes back when it is published again', async () => {
    const made = fresh();
    await publish(made);
    const route = `/api/adapters/${made.id}/versions/1`;
    expect((await api.call('DELETE', route, undefined, bob)).status).toBe(403);
    expect(await json(api.call('DELETE', route, undefined, alice))).toMatchObject({ status: 'withdrawn' });
    for (const path of [`/api/adapters/${made.id}`, route, `/${made.id}/resolve/main/README.md`])
      expect((await get(path, '')).status).toBe(404);
    expect(await json(publish(made))).toMatchObject({ version: { number: 1, status: 'passed' } });
    expect((await get(route, '')).status).toBe(200);
  });
});
