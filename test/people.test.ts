/** Who sees and does what: private adapters are as good as missing, gated ones ask first, roles and keys reach so far and no further. */
import { eq } from 'drizzle-orm';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { sampleAdapter } from '../adapter/sample-adapter.ts';

import { versions } from '../db/schema.ts';
import { base, declare, InProcess, upload } from './in-process.ts';

let api: InProcess;
/** Keys. */
let alice: string;
let bob: string;
let carol: string;
let count = 0;

beforeAll(async () => {
  api = await InProcess.open();
  [alice, bob, carol] = (await Promise.all(
    ['alice', 'bob', 'carol'].map((name) => api.key(name, ['read', 'publish', 'infer', 'train', 'manage'])),
  )) as [string, string, string];
});
afterEach(() => {
  expect(api.unexpected).toEqual([]);
});
afterAll(() => api.close());

const good = sampleAdapter(base);
const filesOf = (title: string) => ({
  'adapter_config.json': good.config,
  'adapter_model.safetensors': good.weights,
  'README.md': `# ${title}\n`,
});

async function publish(owner: string, key: string, settings: object = {}): Promise<string> {
  const id = `${owner}/made-${++count}`;
  if (Object.keys(settings).length > 0)
    expect((await api.call('PATCH', `/api/adapters/${id}`, settings, key)).status).toBe(200);
  const response = await api.publish(`/api/adapters/${id}/versions`, filesOf(`Made ${count}`), key);
  expect(response.status).toBe(200);
  return id;
}

const status = async (method: string, path: string, key: string, body?: object) =>
  (await api.call(method, path, body, key)).status;

// biome-ignore lint/suspicious/noExplicitAny: answers are looked at as a client's program would
const json = async (method: string, path: string, key: string, body?: object): Promise<any> =>
  (await api.call(method, path, body, key)).json();

/** Every way to an adapter, with what each answers to this key. */
async function everyWay(id: string, key: string): Promise<unknown[]> {
  const ways: [string, string, object?][] = [
    ['GET', `/api/adapters/${id}`],
    ['GET', `/api/adapters/${id}/versions/1`],
    ['GET', `/api/adapters/${id}/versions/1/files/adapter_model.safetensors`],
    ['GET', `/api/adapters/${id}/versions/1/family`],
    ['GET', `/api/adapters/${id}/versions/1/verifications`],
    ['GET', `/api/adapters/${id}/similar`],
    ['GET', `/api/adapters/${id}/access`],
    ['POST', `/api/adapters/${id}/access`, {}],
    ['PUT', `/api/adapters/${id}/like`],
    ['GET', `/api/models/${id}`],
    ['GET', `/api/models/${id}/tree/main`],
    ['GET', `/api/models/${id}/refs`],
    ['GET', `/${id}/resolve/main/adapter_config.json`],
    ['GET', `/${id}/raw/main/adapter_model.safetensors`],
    ['GET', `/v1/models/${id}`],
    ['POST', '/v1/chat/completions', { model: id, messages: [{ role: 'user', content: 'Hi' }] }],
    ['POST', '/v1/fine_tuning/jobs', { model: id, training_file: 'file-none' }],
  ];
  return Promise.all(
    ways.map(async ([method, path, body]) => {
      const response = await api.call(method, path, body, key);
      const text = (await response.text()).replaceAll(id, 'ID').replace(/"requestId":"[^"]*"/, '');
      return [method, path.replaceAll(id, 'ID'), response.status, text.replaceAll(/[0-9a-f-]{36}/g, 'UUID')];
    }),
  );
}

describe('a private adapter', () => {
  it('answers others exactly as a missing one, in every protocol', async () => {
    const id = await publish('alice', alice, { visibility: 'private' });
    const missing = `alice/${'x'.repeat(id.length - 'alice/'.length)}`;
    for (const key of [bob, '']) expect(await everyWay(id, key)).toEqual(await everyWay(missing, key));
    const own = (await everyWay(id, alice)) as [string, string, number][];
    expect(own.filter(([, path]) => path.startsWith('/api/adapters/ID')).map(([, , code]) => code)).toEqual(
      expect.not.arrayContaining([404]),
    );
    expect(own.find(([, path]) => path === '/ID/resolve/main/adapter_config.json')?.[2]).toBe(200);
  });

  it('is found by its owner alone, and its content is not told to be there', async () => {
    const id = await publish('alice', alice, { visibility: 'private' });
    const { files } = await json('GET', `/api/adapters/${id}/versions/1`, alice);
    const { sha256 } = files.find(({ path }: { path: string }) => path === 'README.md');
    for (const [key, seen] of [
      [alice, true],
      [api.admin, true],
      [bob, false],
      ['', false],
    ] as const) {
      const search = await json('GET', '/api/adapters?q=made&limit=100', key);
      expect(search.adapters.some((one: { id: string }) => one.id === id)).toBe(seen);
      const hub = await json('GET', '/api/models?search=made&limit=100', key);
      expect(hub.some((one: { id: string }) => one.id === id)).toBe(seen);
      const { files: found } = await json('GET', `/api/files/${sha256}`, key);
      expect(found.length > 0).toBe(seen);
    }
    const draft = await api.start('/api/adapters/bob/same/versions', filesOf(`Made ${count}`), bob);
    expect(draft.files.find(({ path }) => path === 'README.md')?.status).toBe('upload');
  });

  it('is not named to others by what was trained from it', async () => {
    const parent = await publish('alice', alice, { visibility: 'private' });
    const id = await publish('alice', alice);
    const lineage = {
      jobId: 'ftjob-x',
      base: { id: 'parity/smollm2', digest: '' },
      trainingFile: '',
      validationFile: null,
      parent: `${parent}@1`,
    };
    await api.deps.db.update(versions).set({ lineage }).where(eq(versions.adapterId, id));
    const named = async (key: string) => [
      (await json('GET', `/api/adapters/${id}`, key)).versions[0].lineage.parent,
      (await json('GET', `/api/adapters/${id}/versions/1`, key)).lineage.parent,
    ];
    expect(await named(alice)).toEqual([`${parent}@1`, `${parent}@1`]);
    for (const key of [bob, '']) {
      expect(await named(key)).toEqual([null, null]);
      for (const path of [
        `/api/adapters/${id}`,
        `/api/adapters/${id}/versions/1/family`,
        `/api/models/${id}`,
      ])
        expect(JSON.stringify(await json('GET', path, key))).not.toContain(parent);
    }
    await json('PATCH', `/api/adapters/${parent}`, alice, { visibility: 'public' });
    expect(await named('')).toEqual([`${parent}@1`, `${parent}@1`]);
  });

  it("is kept by no cache but its own reader's, as a gated one, and a public one for an hour", async () => {
    const control = async (settings: object, revision?: string) => {
      const id = await publish('alice', alice, settings);
      const { sha } = await json('GET', `/api/models/${id}`, alice);
      const path = `/${id}/resolve/${revision ?? sha}/README.md`;
      return (await api.call('GET', path, undefined, alice)).headers.get('cache-control');
    };
    expect(await control({})).toBe('public, max-age=3600, immutable');
    expect(await control({}, 'main')).toBeNull();
    for (const settings of [{ visibility: 'private' }, { gate: 'manual' }]) {
      expect(await control(settings)).toBe('private, max-age=3600, immutable');
      expect(await control(settings, 'main')).toBe('private, no-cache');
    }
  });

  it('becomes public when its owner says so, and private again', async () => {
    const id = await publish('alice', alice, { visibility: 'private' });
    expect(await status('PATCH', `/api/adapters/${id}`, bob, { visibility: 'public' })).toBe(403);
    expect(await status('PATCH', `/api/adapters/${id}`, alice, { visibility: 'open' })).toBe(400);
    expect(await json('PATCH', `/api/adapters/${id}`, alice, { visibility: 'public' })).toMatchObject({
      visibility: 'public',
    });
    expect(await status('GET', `/api/adapters/${id}`, bob)).toBe(200);
    await json('PATCH', `/api/adapters/${id}`, alice, { visibility: 'private' });
    expect(await status('GET', `/api/adapters/${id}`, bob)).toBe(404);
  });
});

describe('a gated adapter', () => {
  const use = (id: string, key: string) =>
    Promise.all([
      status('GET', `/api/adapters/${id}/versions/1/files/adapter_config.json`, key),
      status('GET', `/${id}/resolve/main/adapter_config.json`, key),
    ]);

  it('shows itself to all, and gives its weights to those who were let in', async () => {
    const id = await publish('alice', alice, { gate: 'manual' });
    expect(await status('GET', `/api/adapters/${id}`, bob)).toBe(200);
    expect(await use(id, bob)).toEqual([403, 403]);
    expect(await use(id, '')).toEqual([401, 401]);
    expect(await use(id, alice)).toEqual([302, 200]);
    const chat = { model: id, messages: [{ role: 'user', content: 'Hi' }] };
    expect(await status('POST', '/v1/chat/completions', bob, chat)).toBe(403);

    expect(await json('POST', `/api/adapters/${id}/access`, bob, { message: 'please' })).toEqual({
      status: 'pending',
    });
    expect(await use(id, bob)).toEqual([403, 403]);
    expect(await status('GET', `/api/adapters/${id}/access`, bob)).toBe(403);
    expect(await status('PUT', `/api/adapters/${id}/access/bob`, bob, { status: 'accepted' })).toBe(403);
    expect(await json('GET', `/api/adapters/${id}/access`, alice)).toMatchObject({
      requests: [{ user: 'bob', status: 'pending', message: 'please' }],
    });
    expect(await status('PUT', `/api/adapters/${id}/access/bob`, alice, { status: 'accepted' })).toBe(204);
    expect(await use(id, bob)).toEqual([302, 200]);
    expect(await status('PUT', `/api/adapters/${id}/access/bob`, alice, { status: 'rejected' })).toBe(204);
    expect(await use(id, bob)).toEqual([403, 403]);
    expect(await json('POST', `/api/adapters/${id}/access`, bob, {})).toEqual({ status: 'rejected' });
    expect(await json('GET', `/api/models/${id}`, bob)).toMatchObject({ gated: 'manual', private: false });
  });

  it('is for persons: of an organisation, its members are to be named', async () => {
    const id = await publish('alice', alice, { gate: 'manual' });
    expect(await status('POST', '/api/organisations', alice, { name: 'gated-lab' })).toBe(201);
    const named = await api.call(
      'PUT',
      `/api/adapters/${id}/access/gated-lab`,
      { status: 'accepted' },
      alice,
    );
    expect(named.status).toBe(400);
    expect((await named.json()).detail).toContain('gated-lab is an organisation');
  });

  it('lets in whoever asks, where it is gated so', async () => {
    const id = await publish('alice', alice, { gate: 'auto' });
    expect(await use(id, bob)).toEqual([403, 403]);
    expect(await json('POST', `/api/adapters/${id}/access`, bob, {})).toEqual({ status: 'accepted' });
    expect(await use(id, bob)).toEqual([302, 200]);
  });
});

describe('a gate', () => {
  const file = (id: string) => `/api/adapters/${id}/versions/1/files/adapter_config.json`;
  const ask = (id: string, key: string) => api.call('POST', `/api/adapters/${id}/access`, {}, key);

  it('is not passed by having asked while there was none', async () => {
    const id = await publish('alice', alice);
    const asked = await ask(id, bob);
    expect(asked.status).toBe(409);
    expect((await asked.json()).detail).toContain('is not gated: there is nothing to ask for');
    await json('PATCH', `/api/adapters/${id}`, alice, { gate: 'manual' });
    expect(await status('GET', file(id), bob)).toBe(403);
    expect(await (await ask(id, bob)).json()).toEqual({ status: 'pending' });
    expect(await status('GET', file(id), bob)).toBe(403);
  });

  it('that is opened lets in who waits and asks again, and keeps them when it is closed', async () => {
    const id = await publish('alice', alice, { gate: 'manual' });
    for (const key of [bob, carol]) expect(await (await ask(id, key)).json()).toEqual({ status: 'pending' });
    await status('PUT', `/api/adapters/${id}/access/carol`, alice, { status: 'rejected' });
    await json('PATCH', `/api/adapters/${id}`, alice, { gate: 'auto' });
    expect(await (await ask(id, bob)).json()).toEqual({ status: 'accepted' });
    expect(await (await ask(id, carol)).json()).toEqual({ status: 'rejected' });
    await json('PATCH', `/api/adapters/${id}`, alice, { gate: 'manual' });
    expect(await (await ask(id, bob)).json()).toEqual({ status: 'accepted' });
    expect(await status('GET', file(id), bob)).toBe(302);
    expect(await status('PUT', `/api/adapters/${id}/access/bob`, alice, { status: 'rejected' })).toBe(204);
    expect(await status('GET', file(id), bob)).toBe(403);
  });
});

describe('an organisation', () => {
  it('gives its members what their role allows', async () => {
    expect(await status('POST', '/api/organisations', alice, { name: 'lab' })).toBe(201);
    expect(await status('POST', '/api/organisations', bob, { name: 'lab' })).toBe(409);
    expect(await status('POST', '/api/organisations', bob, { name: 'alice' })).toBe(409);
    expect(await status('POST', '/api/organisations', bob, { name: 'parity' })).toBe(409);
    const id = await publish('lab', alice, { visibility: 'private' });
    const draft = { base: 'parity/smollm2', files: declare(filesOf('x')) };
    const publishes = async (key: string) =>
      (await status('POST', `/api/adapters/${id}/versions`, key, draft)) === 201;
    const member = (name: string) => `/api/organisations/lab/members/${name}`;

    expect(await status('GET', `/api/adapters/${id}`, bob)).toBe(404);
    expect(await status('PUT', member('bob'), bob, { role: 'admin' })).toBe(403);
    expect(await status('PUT', member('bob'), alice, { role: 'read' })).toBe(204);
    expect(await status('GET', `/api/adapters/${id}`, bob)).toBe(200);
    expect(await publishes(bob)).toBe(false);
    expect(await status('PUT', member('bob'), alice, { role: 'write' })).toBe(204);
    expect(await publishes(bob)).toBe(true);
    expect(await status('PATCH', `/api/adapters/${id}`, bob, { visibility: 'public' })).toBe(403);
    expect(await status('PUT', member('carol'), bob, { role: 'read' })).toBe(403);
    expect(await json('GET', '/api/organisations/lab/members', bob)).toMatchObject({
      members: [
        { name: 'alice', role: 'admin' },
        { name: 'bob', role: 'write' },
      ],
    });
    expect(await status('GET', '/api/organisations/lab/members', carol)).toBe(403);
    expect((await json('GET', '/api/whoami', bob)).organisations).toEqual([{ name: 'lab', role: 'write' }]);
    expect((await json('GET', '/api/whoami-v2', bob)).orgs).toMatchObject([{ name: 'lab' }]);

    expect(await status('DELETE', member('alice'), alice)).toBe(409); // nobody would be left to admit anybody
    expect(await status('DELETE', member('bob'), bob)).toBe(204);
    expect(await status('GET', `/api/adapters/${id}`, bob)).toBe(404);
    expect(await status('PUT', member('nobody'), alice, { role: 'read' })).toBe(404);
  });

  it('takes nothing more of who has left, also what they began', async () => {
    expect(await status('POST', '/api/organisations', alice, { name: 'left' })).toBe(201);
    const member = '/api/organisations/left/members/bob';
    expect(await status('PUT', member, alice, { role: 'write' })).toBe(204);
    const name = `left/made-${++count}`;
    const start = () => api.start(`/api/adapters/${name}/versions`, filesOf(`Left ${count}`), bob);
    const [draft, other] = [await start(), await start()];
    await upload(draft, filesOf(`Left ${count}`));
    const { key: elsewhere } = await api.auth.createKey(
      await api.auth.ensureUser('bob'),
      'elsewhere',
      ['read', 'publish'],
      { actor: null, adapters: ['bob/other'] },
    );
    expect((await api.complete(draft, elsewhere)).status).toBe(403);
    expect(await status('PUT', member, alice, { role: 'read' })).toBe(204);
    expect((await api.complete(draft, bob)).status).toBe(403);
    expect(await status('DELETE', member, alice)).toBe(204);
    for (const { id } of [draft, other])
      for (const [method, path] of [
        ['POST', `/api/drafts/${id}/complete`],
        ['GET', `/api/drafts/${id}`],
        ['DELETE', `/api/drafts/${id}`],
      ] as const)
        expect(await status(method, path, bob)).toBe(403);
    expect(await status('GET', `/api/adapters/${name}`, alice)).toBe(404);
    expect(await status('PUT', member, alice, { role: 'write' })).toBe(204);
    expect((await api.complete(draft, bob)).status).toBe(200);
  });

  it('has service accounts, whose keys its admins make', async () => {
    expect(await status('POST', '/api/organisations', alice, { name: 'works' })).toBe(201);
    const route = '/api/organisations/works/service-accounts';
    expect(await status('POST', route, bob, { name: 'works-ci' })).toBe(403);
    expect(await status('POST', route, alice, { name: 'works-ci' })).toBe(201);
    expect(await status('POST', route, alice, { name: 'works-ci' })).toBe(409);
    // A base is under it, and nobody has it: only the server's admin gives such names away.
    expect(await status('POST', route, alice, { name: 'parity' })).toBe(409);
    const given = { name: 'x', scopes: ['read'], owner: 'parity' };
    expect(await status('POST', '/api/keys', alice, given)).toBe(403);
    expect(await status('POST', '/api/keys', api.admin, given)).toBe(201);
    const asked = { name: 'ci', scopes: ['publish', 'read'], owner: 'works-ci' };
    expect(await status('POST', '/api/keys', bob, asked)).toBe(403);
    const { key } = await json('POST', '/api/keys', alice, asked);
    const id = await publish('works', key);
    expect(await status('GET', `/api/adapters/${id}`, '')).toBe(200);
    expect(await status('PATCH', `/api/adapters/${id}`, key, { visibility: 'private' })).toBe(403);
  });
});

describe('who did what', () => {
  const logOf = async (owner: string, key: string) =>
    (await json('GET', `/api/audit?owner=${owner}`, key)).events.map(
      ({ kind, actor }: { kind: string; actor: string | null }) => [kind, actor],
    );

  it('is told by who did it, not by whose it is', async () => {
    const asked = { name: 'given', scopes: ['read'], owner: 'bob' };
    const given = await json('POST', '/api/keys', api.admin, asked);
    expect((await logOf('bob', bob))[0]).toEqual(['key.created', 'admin']);
    expect(await status('DELETE', `/api/keys/${given.id}`, api.admin)).toBe(204);
    expect((await logOf('bob', bob))[0]).toEqual(['key.revoked', 'admin']);
    const found = await json('POST', '/api/keys', bob, { name: 'lost', scopes: ['read'] });
    expect((await logOf('bob', bob))[0]).toEqual(['key.created', 'bob']);
    await json('POST', '/api/keys/revoke', '', { keys: [found.key] });
    expect((await logOf('bob', bob))[0]).toEqual(['key.revoked', null]);
  });

  it('for a service account is seen, limited and ended by its organisation', async () => {
    expect(await status('POST', '/api/organisations', alice, { name: 'firm' })).toBe(201);
    expect(await status('PUT', '/api/organisations/firm/members/bob', alice, { role: 'write' })).toBe(204);
    await json('POST', '/api/organisations/firm/service-accounts', alice, { name: 'firm-ci' });
    const asked = { name: 'app', scopes: ['infer', 'manage'], owner: 'firm-ci' };
    const { key, id } = await json('POST', '/api/keys', alice, asked);
    const ways: [string, string, object?][] = [
      ['GET', '/api/audit?owner=firm-ci'],
      ['GET', '/api/usage?owner=firm-ci'],
      ['GET', '/api/earnings?owner=firm-ci'],
      ['GET', '/api/webhooks?owner=firm-ci'],
      ['GET', '/api/keys?owner=firm-ci'],
      ['PUT', '/api/usage/cap', { owner: 'firm-ci', cap: 5 }],
    ];
    for (const [method, path, body] of ways) {
      expect([path, await status(method, path, alice, body)]).toEqual([path, 200]);
      for (const other of [bob, carol])
        expect([path, await status(method, path, other, body)]).toEqual([path, 403]);
    }
    expect(await json('GET', '/api/usage', key)).toMatchObject({ owner: 'firm-ci', cap: 5 });
    expect(await status('PUT', '/api/usage/cap', key, { cap: null })).toBe(403);
    expect(await json('GET', '/api/keys?owner=firm-ci', alice)).toMatchObject({
      keys: [{ id, name: 'app' }],
    });

    expect(await status('DELETE', `/api/keys/${id}`, bob)).toBe(404);
    expect(await status('DELETE', `/api/keys/${id}`, alice)).toBe(204);
    expect(await status('GET', '/api/whoami', key)).toBe(401);
    expect(await logOf('firm-ci', alice)).toEqual([
      ['key.revoked', 'alice'],
      ['spending.cap', 'alice'],
      ['key.created', 'alice'],
      ['service_account.created', 'alice'],
    ]);
  });

  it('and what is used in all, is not for keys of some adapters', async () => {
    const asked = { name: 'x', scopes: ['read', 'manage'], adapters: ['alice/any'] };
    const { key, id } = await json('POST', '/api/keys', alice, asked);
    for (const path of ['/api/audit', '/api/usage', '/api/earnings', '/api/webhooks', '/api/keys'])
      expect([path, await status('GET', path, key)]).toEqual([path, 403]);
    expect(await status('PUT', '/api/usage/cap', key, { cap: 0 })).toBe(403);
    expect(await status('DELETE', `/api/keys/${id}`, key)).toBe(403);
  });
});

describe('keys', () => {
  it('make no keys that may do more than themselves', async () => {
    expect(await status('POST', '/api/keys', alice, { name: 'x', scopes: ['admin'] })).toBe(403);
    expect(await status('POST', '/api/keys', alice, { name: 'x', scopes: ['read'], owner: 'bob' })).toBe(403);
    const reader = (await json('POST', '/api/keys', alice, { name: 'x', scopes: ['read'] })).key;
    expect(await status('POST', '/api/keys', reader, { name: 'y', scopes: ['read'] })).toBe(403);
    expect(await status('PATCH', '/api/adapters/alice/any', reader, { visibility: 'private' })).toBe(403);
  });

  it('for one adapter reach that one alone', async () => {
    const [mine, other] = [await publish('alice', alice), await publish('alice', alice)];
    const secret = await publish('alice', alice, { visibility: 'private' });
    const asked = { name: 'x', scopes: ['read', 'publish', 'infer', 'manage'], adapters: [mine] };
    const { key, adapters } = await json('POST', '/api/keys', alice, asked);
    expect(adapters).toEqual([mine]);
    const files = { base: 'parity/smollm2', files: declare(filesOf('x')) };
    expect(await status('POST', `/api/adapters/${mine}/versions`, key, files)).toBe(201);
    expect(await status('POST', `/api/adapters/${other}/versions`, key, files)).toBe(403);
    expect(await status('GET', `/api/adapters/${other}`, key)).toBe(200);
    expect(await status('GET', `/api/adapters/${secret}`, key)).toBe(404);
    const chat = { model: other, messages: [{ role: 'user', content: 'Hi' }] };
    expect(await status('POST', '/v1/chat/completions', key, chat)).toBe(403);
    expect(await status('POST', '/api/keys', key, { name: 'y', scopes: ['read'] })).toBe(403);
    expect(await status('POST', '/api/keys', key, { name: 'y', scopes: ['read'], adapters: [mine] })).toBe(
      201,
    );
    expect(await status('POST', '/api/organisations', key, { name: 'mine' })).toBe(403);
  });

  it('for answers alone know of a private adapter only as what is asked', async () => {
    const id = await publish('alice', alice, { visibility: 'private' });
    const app = await api.key('alice', ['infer']);
    const missing = `alice/${'x'.repeat(id.length - 'alice/'.length)}`;
    const asks = (way: unknown) => ((way as [string, string])[1] as string).startsWith('/v1/');
    const others = async (name: string) => (await everyWay(name, app)).filter((way) => !asks(way));
    expect(await others(id)).toEqual(await others(missing));
    const found = await json('GET', '/api/adapters?q=made&limit=100', app);
    expect(found.adapters.some((one: { id: string }) => one.id === id)).toBe(false);
    expect(await status('GET', `/v1/models/${id}`, app)).toBe(200);
    const chat = { model: id, messages: [{ role: 'user', content: 'Hi' }] };
    expect(await status('POST', '/v1/chat/completions', app, chat)).toBe(503); // no runner is there
    // Merged into its base, it would be there to take away.
    expect(await status('POST', '/api/tasks/merge', app, { model: id })).toBe(404);
    expect(await status('POST', '/api/tasks/merge', alice, { model: id })).toBe(202);
  });

  it('that publish begin what is private, and open or take back nothing', async () => {
    const ci = await api.key('alice', ['read', 'publish']);
    const id = `alice/made-${++count}`;
    const start = (key: string, name = id) =>
      status('POST', `/api/adapters/${name}/versions`, key, {
        base: 'parity/smollm2',
        files: declare(filesOf(`Made ${count}`)),
        visibility: 'private',
      });
    expect(await start(bob)).toBe(403);
    expect(await start(ci)).toBe(201);
    expect((await api.publish(`/api/adapters/${id}/versions`, filesOf('Hidden'), ci)).status).toBe(200);
    expect(await status('GET', `/api/adapters/${id}`, ci)).toBe(200);
    expect(await status('GET', `/api/adapters/${id}`, bob)).toBe(404);
    expect(await start(ci)).toBe(201);
    expect(await start(ci, await publish('alice', alice))).toBe(409);

    for (const change of [{ visibility: 'public' }, { gate: null }])
      expect(await status('PATCH', `/api/adapters/${id}`, ci, change)).toBe(403);
    expect(await status('PUT', `/api/models/${id}/settings`, ci, { private: false })).toBe(403);
    expect(await status('DELETE', `/api/adapters/${id}/versions/1`, ci)).toBe(403);
    expect(await status('DELETE', '/api/repos/delete', ci, { name: id })).toBe(403);
    expect(await status('PUT', `/api/adapters/${id}/access/bob`, ci, { status: 'accepted' })).toBe(403);

    const later = `alice/made-${++count}`;
    await json('PATCH', `/api/adapters/${later}`, alice, { visibility: 'private' });
    expect(await status('POST', '/api/repos/create', ci, { name: later, visibility: 'public' })).toBe(200);
    expect(await status('PATCH', `/api/adapters/${later}`, ci, { visibility: 'public' })).toBe(403);
    await api.publish(`/api/adapters/${later}/versions`, filesOf('Later'), ci);
    expect(await status('GET', `/api/adapters/${later}`, bob)).toBe(404);
  });

  it('make none that live longer', async () => {
    const userId = await api.auth.ensureUser('alice');
    const limits = { actor: null, expiresInSeconds: 100_000 };
    const { key, expiresAt } = await api.auth.createKey(userId, 'short', ['read', 'manage'], limits);
    const asked = { name: 'x', scopes: ['read'] };
    const child = await json('POST', '/api/keys', key, asked);
    const lead = expiresAt!.getTime() - Date.parse(child.expiresAt);
    expect(lead).toBeGreaterThanOrEqual(0);
    expect(lead).toBeLessThan(10_000);
    expect(await status('POST', '/api/keys', key, { ...asked, expiresInSeconds: 90_000 })).toBe(201);
    expect(await status('POST', '/api/keys', key, { ...asked, expiresInSeconds: 110_000 })).toBe(403);
    expect((await json('POST', '/api/keys', alice, asked)).expiresAt).toBeNull();
  });

  it('are ended by whoever holds them, and nobody else’s by guessing', async () => {
    const { key, id } = await json('POST', '/api/keys', alice, { name: 'leaked', scopes: ['read'] });
    expect(await status('DELETE', `/api/keys/${id}`, bob)).toBe(404);
    expect(await status('GET', '/api/whoami', key)).toBe(200);
    expect(await json('POST', '/api/keys/revoke', '', { keys: [key, 'pb_nonsense', key] })).toEqual({
      revoked: 1,
    });
    expect(await status('GET', '/api/whoami', key)).toBe(401);
    const second = await json('POST', '/api/keys', alice, { name: 'own', scopes: ['read'] });
    expect(await status('DELETE', `/api/keys/${second.id}`, alice)).toBe(204);
    expect(await status('GET', '/api/whoami', second.key)).toBe(401);
  });
});
