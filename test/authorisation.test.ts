/**
 * Every route of the OpenAPI document, asked by everybody, about public, private and gated adapters of an organisation. A route
 * without a rule here fails, so that nobody adds one without saying who may call it.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sampleAdapter } from '../adapter/sample-adapter.ts';
import type { Scope } from '../api/auth.ts';
import type { Role } from '../db/schema.ts';
import { ROLES } from '../db/schema.ts';
import { addEvent } from '../db/webhooks.ts';
import { base, baseId, declare, InProcess } from './in-process.ts';

const CALLERS = ['nobody', 'scopeless', 'stranger', 'reader', 'writer', 'owner', 'server'] as const;
type Caller = (typeof CALLERS)[number];
const TARGETS = ['public', 'private', 'gated'] as const;
type Target = (typeof TARGETS)[number];

const ROLE: Partial<Record<Caller, Role>> = {
  reader: 'read',
  writer: 'write',
  owner: 'admin',
  server: 'admin',
};
const USER_SCOPES: Scope[] = ['read', 'publish', 'infer', 'train', 'manage'];

interface Rule {
  /** Any of them; none: no key is needed. */
  readonly scope?: readonly Scope[];
  /** About an adapter that must not be private to the caller: else it is as good as missing. */
  readonly see?: true;
  /** In the adapter's namespace, or the organisation. */
  readonly role?: Role;
  /** Of the weights or the answers: gated ones are for those who were let in. */
  readonly use?: true;
  /** Something of the writer's own: to all others but the server's admin, it is missing. */
  readonly own?: true;
  /** Whatever the key: it is not what counts here. */
  readonly refuses?: number;
  readonly body?: () => object;
}

const files = {
  'adapter_config.json': sampleAdapter(base).config,
  'adapter_model.safetensors': sampleAdapter(base).weights,
};
const chat = () => ({ model: modelAsked, messages: [{ role: 'user', content: 'Hi' }] });
const ISSUER = 'https://issuer.example';
let modelAsked = '';
let made = 0;

const RULES: Readonly<Record<string, Rule>> = {
  'GET /api/adapters': {},
  'GET /api/sign-in': {},
  'GET /api/adapters/{owner}/{name}': { see: true },
  'PATCH /api/adapters/{owner}/{name}': { scope: ['manage', 'publish'], role: 'admin', body: () => ({}) },
  'GET /api/adapters/{owner}/{name}/versions/{number}': { see: true },
  'GET /api/adapters/{owner}/{name}/versions/{number}/files/{path}': { see: true, use: true },
  'GET /api/adapters/{owner}/{name}/versions/{number}/family': { see: true },
  'GET /api/adapters/{owner}/{name}/similar': { see: true },
  'GET /api/files/{sha256}': {},
  'PUT /api/adapters/{owner}/{name}/like': { scope: ['read'], see: true },
  'POST /api/adapters/{owner}/{name}/reports': {
    scope: ['read'],
    see: true,
    body: () => ({ reason: 'broken' }),
  },
  'DELETE /api/adapters/{owner}/{name}/like': { scope: ['read'], see: true },
  'POST /api/adapters/{owner}/{name}/versions': {
    scope: ['publish'],
    role: 'write',
    body: () => ({ base: baseId, files: declare(files) }),
  },
  'GET /api/drafts/{id}': { scope: ['publish'], own: true },
  'DELETE /api/drafts/{id}': { scope: ['publish'], own: true },
  'POST /api/drafts/{id}/complete': { scope: ['publish'], own: true },
  'GET /api/adapters/{owner}/{name}/versions/{number}/verifications': { see: true },
  'POST /api/adapters/{owner}/{name}/versions/{number}/verifications': {
    scope: ['publish', 'admin'],
    see: true,
    role: 'write',
  },
  'POST /api/adapters/{owner}/{name}/versions/{number}/quarantine': { scope: ['admin'] },
  'DELETE /api/adapters/{owner}/{name}/versions/{number}': {
    scope: ['publish', 'manage'],
    see: true,
    role: 'admin',
  },
  'GET /api/bases': {},
  'GET /api/bases/{owner}/{name}': {},
  'POST /api/bases/{owner}/{name}': {
    scope: ['admin'],
    body: () => ({ files: declare({ 'config.json': '{}', 'model.safetensors': 'x' }) }),
  },
  'GET /api/whoami': { scope: USER_SCOPES },
  'POST /api/keys': { scope: ['manage'], body: () => ({ name: 'x', scopes: ['read'] }) },
  'GET /api/keys': { scope: ['manage'] },
  'DELETE /api/keys/{id}': { scope: ['manage'], own: true },
  'POST /api/keys/revoke': { body: () => ({ keys: ['pb_nothing'] }) },
  'POST /api/organisations': { scope: ['manage'], body: () => ({ name: `new-${made++}` }) },
  'GET /api/organisations/{organisation}/members': { scope: ['read', 'manage'], role: 'read' },
  'PUT /api/organisations/{organisation}/members/{member}': {
    scope: ['manage'],
    role: 'admin',
    body: () => ({ role: 'read' }),
  },
  'DELETE /api/organisations/{organisation}/members/{member}': { scope: ['manage'], role: 'admin' },
  'POST /api/organisations/{organisation}/service-accounts': {
    scope: ['manage'],
    role: 'admin',
    body: () => ({ name: `svc-${made++}` }),
  },
  'POST /api/adapters/{owner}/{name}/access': { scope: ['read'], see: true, body: () => ({}) },
  'GET /api/adapters/{owner}/{name}/access': { scope: ['manage', 'publish'], see: true, role: 'write' },
  'PUT /api/adapters/{owner}/{name}/access/{user}': {
    scope: ['manage', 'publish'],
    see: true,
    role: 'write',
    body: () => ({ status: 'rejected' }),
  },
  'GET /api/adapters/{owner}/{name}/trusted-publishers': { scope: ['manage'], role: 'admin' },
  'POST /api/adapters/{owner}/{name}/trusted-publishers': {
    scope: ['manage'],
    role: 'admin',
    body: () => ({ issuer: ISSUER, claims: { repository: 'org/any' } }),
  },
  'DELETE /api/adapters/{owner}/{name}/trusted-publishers/{publisher}': { scope: ['manage'], role: 'admin' },
  'POST /api/token': { refuses: 400 },
  'GET /api/usage': { scope: ['read', 'manage'] },
  'GET /api/earnings': { scope: ['read', 'manage'] },
  'PUT /api/usage/cap': { scope: ['manage'], body: () => ({ cap: null }) },
  'POST /api/tasks/evaluate': {
    scope: ['infer'],
    see: true,
    use: true,
    body: () => ({ model: modelAsked }),
  },
  'POST /api/tasks/merge': { scope: ['infer'], see: true, use: true, body: () => ({ model: modelAsked }) },
  'POST /api/tasks/reproduce': {
    scope: ['train'],
    see: true,
    use: true,
    body: () => ({ model: modelAsked }),
  },
  'GET /api/tasks': { scope: ['infer', 'train'] },
  'GET /api/tasks/{task}': { scope: ['infer', 'train'], own: true },
  'POST /api/tasks/{task}/cancel': { scope: ['infer', 'train'], own: true },
  'GET /api/tasks/{task}/files/{path}': { scope: ['infer'], own: true },
  'POST /api/warm': { scope: ['infer'], see: true, use: true, body: () => ({ model: modelAsked }) },
  'POST /api/webhooks': { scope: ['manage'], body: () => ({ url: 'https://example.org/hook' }) },
  'GET /api/webhooks': { scope: ['manage'] },
  'DELETE /api/webhooks/{id}': { scope: ['manage'], own: true },
  'GET /api/webhooks/{id}/deliveries': { scope: ['manage'], own: true },
  'POST /api/webhooks/{id}/deliveries/{delivery}/replay': { scope: ['manage'], own: true },
  'GET /api/audit': { scope: ['manage'] },
  'GET /api/operator': { scope: ['admin'] },
  'GET /api/prices': {},
  'POST /api/prices': { scope: ['admin'], body: () => ({ kind: 'prompt', perMillion: 0 }) },
  'GET /v1/models': { scope: ['read', 'infer'] },
  'GET /v1/models/{model}': { scope: ['read', 'infer'], see: true },
  'POST /v1/chat/completions': { scope: ['infer'], see: true, use: true, body: chat },
  'POST /v1/completions': {
    scope: ['infer'],
    see: true,
    use: true,
    body: () => ({ model: modelAsked, prompt: 'Hi' }),
  },
};

/** What the answer must be; undefined: anything but a refusal. */
function expected(
  { scope, see, role, use, own, refuses }: Rule,
  caller: Caller,
  target: Target,
): number | undefined {
  const isServer = caller === 'server';
  const has = ROLE[caller];
  if (refuses) return refuses;
  if (scope && caller === 'nobody') return 401;
  if (scope && !isServer && !scope.some((one) => scopesOf(caller, scope).includes(one))) return 403;
  if (see && target === 'private' && !has) return 404;
  if (own && !isServer && caller !== 'writer') return 404;
  if (role && (!has || ROLES.indexOf(has) < ROLES.indexOf(role))) return 403;
  if (use && target === 'gated' && !has) return caller === 'nobody' ? 401 : 403;
  return undefined;
}

/** The scopeless have every scope of a user but those that the route asks for. */
const scopesOf = (caller: Caller, asked: readonly Scope[]): Scope[] =>
  caller === 'scopeless' ? USER_SCOPES.filter((scope) => !asked.includes(scope)) : USER_SCOPES;

let api: InProcess;
const keys = new Map<string, string>();
let operations: string[] = [];

async function keyOf(caller: Caller, asked: readonly Scope[]): Promise<string> {
  if (caller === 'nobody') return '';
  if (caller === 'server') return api.admin;
  const scopes = scopesOf(caller, asked);
  const name = `${caller} ${scopes.join()}`;
  const known = keys.get(name);
  if (known) return known;
  const key = scopes.length > 0 ? await api.key(caller, scopes) : 'none';
  keys.set(name, key);
  return key;
}

beforeAll(async () => {
  api = await InProcess.open();
  api.oidcIssuers.push(ISSUER);
  const owner = await keyOf('owner', []);
  for (const caller of ['stranger', 'reader', 'writer'] as const) await keyOf(caller, []);
  const must = async (method: string, path: string, body?: object) => {
    const response = await api.call(method, path, body, owner);
    if (!response.ok) throw new Error(`${path}: ${await response.text()}`);
  };
  await must('POST', '/api/organisations', { name: 'org' });
  for (const caller of ['reader', 'writer'] as const)
    await must('PUT', `/api/organisations/org/members/${caller}`, { role: ROLE[caller] });
  await must('PATCH', '/api/adapters/org/private', { visibility: 'private' });
  await must('PATCH', '/api/adapters/org/gated', { gate: 'manual' });
  for (const target of TARGETS) {
    const card = { 'README.md': `# ${target}\n` };
    const response = await api.publish(`/api/adapters/org/${target}/versions`, { ...files, ...card }, owner);
    if (!response.ok) throw new Error(await response.text());
  }
  await api.key('guest', ['read']);
  const { paths } = (await (await api.call('GET', '/openapi.json')).json()) as {
    paths: Record<string, Record<string, unknown>>;
  };
  operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
  );
});
afterAll(async () => {
  expect(api.unexpected).toEqual([]);
  await api.close();
});

/** What the caller before has withdrawn. */
async function listAgain(target: Target): Promise<void> {
  const card = { 'README.md': `# ${target}\n` };
  const response = await api.publish(`/api/adapters/org/${target}/versions`, { ...files, ...card });
  if (!response.ok) throw new Error(await response.text());
}

/** A path with everything in it, made anew where it is used up. */
async function pathFor(operation: string, target: Target): Promise<string> {
  const writer = await keyOf('writer', []);
  const draft = async () => (await api.start('/api/adapters/org/public/versions', files, writer)).id;
  const key = async () => {
    const response = await api.call('POST', '/api/keys', { name: 'x', scopes: ['read'] }, writer);
    return ((await response.json()) as { id: string }).id;
  };
  let hook: { delivery: string } | undefined;
  const webhook = async () => {
    const response = await api.call('POST', '/api/webhooks', { url: 'https://example.org/hook' }, writer);
    const { id } = (await response.json()) as { id: string };
    await addEvent(api.deps.db, { actor: null, kind: 'version.listed', subject: 'writer/x@1', data: {} });
    const { deliveries } = (await (
      await api.call('GET', `/api/webhooks/${id}/deliveries`, undefined, writer)
    ).json()) as { deliveries: { id: string }[] };
    hook = { delivery: deliveries[0]!.id };
    return id;
  };
  const publisher = async () => {
    const trust = { issuer: ISSUER, claims: { repository: 'org/any' } };
    const route = `/api/adapters/org/${target}/trusted-publishers`;
    return ((await (await api.call('POST', route, trust)).json()) as { id: string }).id;
  };
  // The same each time: nobody may have many of them open.
  const task = async () => {
    const body = JSON.stringify({ model: 'org/public' });
    const headers = {
      authorization: `Bearer ${writer}`,
      'content-type': 'application/json',
      'idempotency-key': 'writer',
    };
    const answer = await api.app.request('/api/tasks/merge', { method: 'POST', headers, body });
    return ((await answer.json()) as { id: string }).id;
  };
  const isBase = operation.includes('/api/bases/');
  const values: Record<string, () => string | Promise<string>> = {
    owner: () => (isBase ? baseId.split('/')[0]! : 'org'),
    name: () => (isBase ? baseId.split('/')[1]! : target),
    number: () => '1',
    path: () => 'README.md',
    sha256: () => '0'.repeat(64),
    organisation: () => 'org',
    member: () => 'guest',
    user: () => 'stranger',
    publisher,
    model: () => `org/${target}`,
    id: () =>
      operation.includes('/drafts/') ? draft() : operation.includes('/webhooks/') ? webhook() : key(),
    delivery: async () => hook!.delivery,
    task,
  };
  let path = operation.split(' ')[1]!;
  for (const [, name] of path.matchAll(/\{(\w+)\}/g))
    path = path.replace(`{${name}}`, await values[name!]!());
  return path;
}

describe('every route', () => {
  it('has a rule, and every rule a route', () => {
    expect(operations.toSorted()).toEqual(Object.keys(RULES).toSorted());
  });

  it.each(Object.keys(RULES))('%s', { timeout: 60_000 }, async (operation) => {
    const rule = RULES[operation]!;
    const [method = ''] = operation.split(' ');
    for (const target of TARGETS) {
      for (const caller of CALLERS) {
        // Put aside by the server's admin, an adapter would be missing to everybody.
        if (operation.endsWith('/quarantine') && caller === 'server') continue;
        modelAsked = `org/${target}`;
        const bearer = await keyOf(caller, rule.scope ?? []);
        if (bearer === 'none') continue; // no key lacks every scope
        const path = await pathFor(operation, target);
        const response = await api.call(method, path, rule.body?.(), bearer);
        const want = expected(rule, caller, target);
        const told = `${caller} about ${target}: ${response.status} ${(await response.text()).slice(0, 200)}`;
        if (want === undefined) expect([401, 403, 404], told).not.toContain(response.status);
        else expect(response.status, told).toBe(want);
        if (operation.startsWith('DELETE /api/adapters/{owner}/{name}/versions')) await listAgain(target);
      }
    }
  });
});
