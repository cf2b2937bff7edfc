/**
 * Every route of the API, whatever its protocol, asked by everybody, about public, private and gated adapters of an organisation.
 * A route without a rule here fails, so that nobody adds one without saying who may call it.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sampleAdapter } from '../adapter/sample-adapter.ts';
import type { Scope } from '../api/auth.ts';
import type { Role } from '../db/schema.ts';
import { ROLES } from '../db/schema.ts';
import { addEvent } from '../db/webhooks.ts';
import { base, baseId, declare, InProcess, runnerToken } from './in-process.ts';

/**
 * The last but one has the owner's keys as they are put into other hands: an `app` asks for answers, a `publisher` publishes, `ci` is
 * what a workflow's token is exchanged for: to read and publish this adapter alone.
 */
const CALLERS = [
  'nobody',
  'scopeless',
  'stranger',
  'reader',
  'writer',
  'owner',
  'app',
  'publisher',
  'ci',
  'server',
] as const;
type Caller = (typeof CALLERS)[number];
const TARGETS = ['public', 'private', 'gated'] as const;
type Target = (typeof TARGETS)[number];

const ROLE: Partial<Record<Caller, Role>> = {
  reader: 'read',
  writer: 'write',
  owner: 'admin',
  app: 'admin',
  publisher: 'admin',
  ci: 'admin',
  server: 'admin',
};
const USER_SCOPES: Scope[] = ['read', 'publish', 'infer', 'train', 'manage'];
const SCOPES: Partial<Record<Caller, Scope[]>> = {
  app: ['infer'],
  publisher: ['publish'],
  ci: ['read', 'publish'],
};
/** To whom a private adapter is not missing: keys with these scopes, of those who have a role. */
const KNOWN: Scope[] = ['read', 'publish', 'manage'];

interface Rule {
  /** Any of them; none: no key is needed. */
  readonly scope?: readonly Scope[];
  /** About an adapter, which must not be private to the caller, for whom a role counts with these scopes: else it is missing. */
  readonly see?: readonly Scope[];
  /** In the adapter's namespace. */
  readonly role?: Role;
  /** Of the organisation, whatever adapter: keys for some adapters have none. */
  readonly member?: Role;
  /** Of the caller as a whole: not for keys of some adapters. */
  readonly whole?: true;
  /** Of the weights, the answers or for training: gated ones are for those who were let in, and all for keys of that scope. */
  readonly use?: Scope;
  /** Something of the writer's own: to all others it is missing; but not to the server's admin, where `shown`. */
  readonly own?: 'alone' | 'shown';
  /** Whatever the key: it is not what counts here. */
  readonly refuses?: number;
  /** What it says to those who may, where that looks like a refusal. */
  readonly lets?: { readonly status: number; readonly saying: string };
  readonly body?: () => object | string;
}

const files = {
  'adapter_config.json': sampleAdapter(base).config,
  'adapter_model.safetensors': sampleAdapter(base).weights,
};
const chat = () => ({ model: modelAsked, messages: [{ role: 'user', content: 'Hi' }] });
const ISSUER = 'https://issuer.example';
const SESSION = '00000000-0000-4000-8000-000000000000';
let modelAsked = '';
let made = 0;

/** Runners show a token of their own. */
const RUNNERS: Rule = { refuses: 401 };
const HUB_WRITES: Rule = { scope: ['publish', 'admin'], role: 'write', body: () => ({}) };
const UPLOAD = { purpose: 'fine-tune', filename: 'rows.jsonl', bytes: 1, mime_type: 'text/jsonl' };
const JOB: Rule = { scope: ['train'], own: 'alone' };
const CAS = '/cas/:owner/:name/:session';
const NOTHING = { status: 404, saying: 'There is nothing here' };

const RULES: Readonly<Record<string, Rule>> = {
  'GET /api/adapters': {},
  'GET /api/sign-in': {},
  'POST /api/people': {
    scope: ['admin'],
    body: () => ({ name: `person-${made++}`, email: `person-${made}@example.org` }),
  },
  'GET /api/adapters/:owner/:name': { see: KNOWN },
  'PATCH /api/adapters/:owner/:name': { scope: ['manage'], role: 'admin', body: () => ({}) },
  'GET /api/adapters/:owner/:name/versions/:number': { see: KNOWN },
  'GET /api/adapters/:owner/:name/versions/:number/files/:path': { see: KNOWN, use: 'read' },
  'GET /api/adapters/:owner/:name/versions/:number/family': { see: KNOWN },
  'GET /api/adapters/:owner/:name/similar': { see: KNOWN },
  'GET /api/files/:sha256': {},
  'PUT /api/adapters/:owner/:name/like': { scope: ['read'], see: KNOWN },
  'POST /api/adapters/:owner/:name/reports': {
    scope: ['read'],
    see: KNOWN,
    body: () => ({ reason: 'broken' }),
  },
  'DELETE /api/adapters/:owner/:name/like': { scope: ['read'], see: KNOWN },
  'POST /api/adapters/:owner/:name/versions': {
    scope: ['publish'],
    role: 'write',
    body: () => ({ base: baseId, files: declare(files) }),
  },
  'GET /api/drafts/:id': { scope: ['publish'], own: 'shown' },
  'DELETE /api/drafts/:id': { scope: ['publish'], own: 'shown' },
  'POST /api/drafts/:id/complete': { scope: ['publish'], own: 'shown' },
  'GET /api/adapters/:owner/:name/versions/:number/verifications': { see: KNOWN },
  'POST /api/adapters/:owner/:name/versions/:number/verifications': {
    scope: ['publish', 'admin'],
    see: KNOWN,
    role: 'write',
  },
  'POST /api/adapters/:owner/:name/versions/:number/quarantine': { scope: ['admin'] },
  'DELETE /api/adapters/:owner/:name/versions/:number': {
    scope: ['manage'],
    see: KNOWN,
    role: 'admin',
  },
  'GET /api/bases': {},
  'GET /api/bases/:owner/:name': {},
  'POST /api/bases/:owner/:name': {
    scope: ['admin'],
    body: () => ({ files: declare({ 'config.json': '{}', 'model.safetensors': 'x' }) }),
  },
  'GET /api/whoami': { scope: USER_SCOPES },
  'POST /api/keys': { scope: ['manage'], body: () => ({ name: 'x', scopes: ['read'] }) },
  'GET /api/keys': { scope: ['manage'] },
  'DELETE /api/keys/:id': { scope: ['manage'], own: 'shown' },
  'POST /api/keys/revoke': { body: () => ({ keys: ['pb_nothing'] }) },
  'POST /api/organisations': { scope: ['manage'], body: () => ({ name: `new-${made++}` }) },
  'GET /api/organisations/:organisation/members': { scope: ['read', 'manage'], member: 'read' },
  'PUT /api/organisations/:organisation/members/:member': {
    scope: ['manage'],
    member: 'admin',
    body: () => ({ role: 'read' }),
  },
  'DELETE /api/organisations/:organisation/members/:member': { scope: ['manage'], member: 'admin' },
  'POST /api/organisations/:organisation/service-accounts': {
    scope: ['manage'],
    member: 'admin',
    body: () => ({ name: `svc-${made++}` }),
  },
  'POST /api/adapters/:owner/:name/access': { scope: ['read'], see: KNOWN, body: () => ({}) },
  'GET /api/adapters/:owner/:name/access': { scope: ['manage'], see: KNOWN, role: 'write' },
  'PUT /api/adapters/:owner/:name/access/:user': {
    scope: ['manage'],
    see: KNOWN,
    role: 'write',
    body: () => ({ status: 'rejected' }),
  },
  'GET /api/adapters/:owner/:name/trusted-publishers': { scope: ['manage'], role: 'admin' },
  'POST /api/adapters/:owner/:name/trusted-publishers': {
    scope: ['manage'],
    role: 'admin',
    body: () => ({ issuer: ISSUER, claims: { repository: 'org/any' } }),
  },
  'DELETE /api/adapters/:owner/:name/trusted-publishers/:publisher': { scope: ['manage'], role: 'admin' },
  'POST /api/token': { refuses: 400 },
  'GET /api/usage': { scope: ['read', 'manage'], whole: true },
  'GET /api/earnings': { scope: ['read', 'manage'], whole: true },
  'PUT /api/usage/cap': { scope: ['manage'], body: () => ({ cap: null }) },
  'POST /api/tasks/evaluate': {
    scope: ['infer'],
    see: ['infer'],
    use: 'infer',
    body: () => ({ model: modelAsked }),
  },
  'POST /api/tasks/merge': {
    scope: ['infer'],
    see: ['read'],
    use: 'read',
    body: () => ({ model: modelAsked }),
  },
  'POST /api/tasks/reproduce': {
    scope: ['train'],
    see: ['train'],
    use: 'train',
    body: () => ({ model: modelAsked }),
  },
  'GET /api/tasks': { scope: ['infer', 'train'] },
  'GET /api/tasks/:task': { scope: ['infer', 'train'], own: 'shown' },
  'POST /api/tasks/:task/cancel': { scope: ['infer', 'train'], own: 'shown' },
  'GET /api/tasks/:task/files/:path': { scope: ['infer'], own: 'shown' },
  'POST /api/warm': { scope: ['infer'], see: ['infer'], use: 'infer', body: () => ({ model: modelAsked }) },
  'POST /api/webhooks': { scope: ['manage'], body: () => ({ url: 'https://example.org/hook' }) },
  'GET /api/webhooks': { scope: ['manage'] },
  'DELETE /api/webhooks/:id': { scope: ['manage'], own: 'shown' },
  'GET /api/webhooks/:id/deliveries': { scope: ['manage'], own: 'shown' },
  'POST /api/webhooks/:id/deliveries/:delivery/replay': { scope: ['manage'], own: 'shown' },
  'GET /api/audit': { scope: ['manage'] },
  'GET /api/operator': { scope: ['admin'] },
  'GET /api/prices': {},
  'POST /api/prices': { scope: ['admin'], body: () => ({ kind: 'prompt', perMillion: 0 }) },
  'GET /v1/models': { scope: ['read', 'infer'] },
  'GET /v1/models/*': { scope: ['read', 'infer'], see: ['read', 'infer'] },
  'POST /v1/chat/completions': { scope: ['infer'], see: ['infer'], use: 'infer', body: chat },
  'POST /v1/completions': {
    scope: ['infer'],
    see: ['infer'],
    use: 'infer',
    body: () => ({ model: modelAsked, prompt: 'Hi' }),
  },
  // What tells how it is, and what is described.
  'GET /': {},
  'GET /healthz': {},
  'GET /readyz': {},
  'GET /openapi.json': {},
  'GET /docs': {},
  'GET /.well-known/jwks.json': {},

  // Accounts: by their own cookies.
  'POST /api/auth/sign-up/email': { body: () => ({}) },
  'POST /api/auth/sign-in/email': { body: () => ({}) },
  'POST /api/auth/sign-in/social': {
    lets: { status: 404, saying: 'PROVIDER_NOT_FOUND' },
    body: () => ({ provider: 'github' }),
  },
  'GET /api/auth/callback/:id': {},
  'POST /api/auth/sign-out': { body: () => ({}) },
  'POST /api/auth/change-password': {
    refuses: 401,
    body: () => ({ currentPassword: 'a long password', newPassword: 'another long password' }),
  },

  // OpenAI's files and jobs.
  'POST /v1/files': { scope: ['train'], body: () => ({}) },
  'GET /v1/files': { scope: ['train'] },
  'GET /v1/files/:id': { scope: ['train'], own: 'alone' },
  'GET /v1/files/:id/content': { scope: ['train'], own: 'alone' },
  'DELETE /v1/files/:id': { scope: ['train'], own: 'alone' },
  'POST /v1/uploads': { scope: ['train'], body: () => UPLOAD },
  'POST /v1/uploads/:id/parts': { scope: ['train'], own: 'alone' },
  'POST /v1/uploads/:id/complete': { scope: ['train'], own: 'alone', body: () => ({}) },
  'POST /v1/uploads/:id/cancel': { scope: ['train'], own: 'alone' },
  'POST /v1/fine_tuning/jobs': {
    scope: ['train'],
    see: ['train'],
    use: 'train',
    lets: { status: 404, saying: 'There is no file file-none' },
    body: () => ({ model: modelAsked, training_file: 'file-none' }),
  },
  'GET /v1/fine_tuning/jobs': { scope: ['train'] },
  'GET /v1/fine_tuning/jobs/:id': JOB,
  'POST /v1/fine_tuning/jobs/:id/cancel': JOB,
  'POST /v1/fine_tuning/jobs/:id/pause': JOB,
  'POST /v1/fine_tuning/jobs/:id/resume': JOB,
  'GET /v1/fine_tuning/jobs/:id/events': JOB,
  'GET /v1/fine_tuning/jobs/:id/checkpoints': JOB,
  'POST /v1/fine_tuning/jobs/:id/checkpoints/:checkpoint/promote': {
    scope: ['publish'],
    own: 'alone',
    lets: { status: 404, saying: 'has no checkpoint' },
  },

  // Hugging Face's protocol.
  'GET /api/models': {},
  'GET /api/models/:owner/:name': { see: KNOWN },
  'GET /api/models/:owner/:name/revision/:revision': { see: KNOWN },
  'GET /api/models/:owner/:name/auth-check': { see: KNOWN, use: 'read' },
  'GET /api/models/:owner/:name/auth-check/write': { scope: ['publish', 'admin'], role: 'write' },
  'GET /api/models/:owner/:name/tree/:revision': { see: KNOWN },
  'GET /api/models/:owner/:name/tree/:revision/:path': { see: KNOWN, use: 'read' },
  'POST /api/models/:owner/:name/paths-info/:revision': {
    see: KNOWN,
    body: () => ({ paths: ['README.md'] }),
  },
  'GET /api/models/:owner/:name/refs': { see: KNOWN },
  'GET /api/models/:owner/:name/commits/:revision': { see: KNOWN },
  'GET /api/whoami-v2': { scope: ['read', 'publish', 'infer', 'train', 'admin'] },
  'GET /:owner/:name/resolve/:revision/:path': { see: KNOWN, use: 'read' },
  'GET /:owner/:name/raw/:revision/:path': { see: KNOWN, use: 'read' },
  'POST /api/repos/create': { ...HUB_WRITES, body: () => ({ name: modelAsked, private: true }) },
  'DELETE /api/repos/delete': {
    scope: ['manage', 'admin'],
    role: 'admin',
    body: () => ({ name: modelAsked }),
  },
  'PUT /api/models/:owner/:name/settings': { scope: ['manage'], role: 'admin', body: () => ({}) },
  'POST /api/repos/move': { scope: ['publish', 'admin'], body: () => ({}) },
  'POST /api/validate-yaml': { scope: ['publish', 'admin'], body: () => ({ content: '' }) },
  'POST /api/models/:owner/:name/preupload/:revision': HUB_WRITES,
  'POST /:owner/:repository/info/lfs/objects/batch': HUB_WRITES,
  'POST /:owner/:repository/info/lfs/complete': { body: () => ({}) },
  'POST /api/models/:owner/:name/commit/:revision': HUB_WRITES,
  'POST /api/models/:owner/:name/branch/:revision': HUB_WRITES,
  'POST /api/models/:owner/:name/tag/:revision': { ...HUB_WRITES, body: () => ({ tag: 'v1' }) },
  'DELETE /api/models/:owner/:name/branch/:revision': HUB_WRITES,
  'DELETE /api/models/:owner/:name/tag/:revision': HUB_WRITES,
  'GET /api/models/:owner/:name/xet-write-token/:revision': { scope: ['publish', 'admin'], role: 'write' },
  [`GET ${CAS}/v1/chunks/:prefix/:hash`]: { scope: ['publish', 'admin'], role: 'write', lets: NOTHING },
  [`POST ${CAS}/v1/xorbs/:prefix/:hash`]: HUB_WRITES,
  [`POST ${CAS}/v2/shards`]: { ...HUB_WRITES, lets: NOTHING },
  [`POST ${CAS}/v1/shards`]: HUB_WRITES,
  [`POST ${CAS}/shards`]: HUB_WRITES,

  ...Object.fromEntries(
    [
      'POST /leases',
      'POST /leases/:id/heartbeat',
      'POST /leases/:id/validated',
      'POST /leases/:id/events',
      'POST /leases/:id/checkpoints',
      'POST /leases/:id/checkpoints/:step',
      'POST /leases/:id/result',
      'POST /leases/:id/result/complete',
      'POST /leases/:id/failed',
      'POST /leases/:id/release',
      'POST /runners',
      'POST /runners/left',
      'GET /desired',
      'POST /verifications',
      'POST /verifications/:id/heartbeat',
      'POST /verifications/:id/verdict',
      'POST /verifications/:id/release',
      'POST /tasks',
      'POST /tasks/:id/heartbeat',
      'POST /tasks/:id/files',
      'POST /tasks/:id/result',
      'POST /tasks/:id/failed',
      'POST /tasks/:id/release',
    ].map((route) => [route.replace(' ', ' /api/runner'), RUNNERS]),
  ),
};

/** What the answer must be; undefined: anything but a refusal. */
function expected(
  { scope, see, role, member, whole, use, own, refuses }: Rule,
  caller: Caller,
  target: Target,
): number | undefined {
  const has = (wanted: readonly Scope[]) =>
    caller === 'server' || wanted.some((one) => scopesOf(caller, scope ?? []).includes(one));
  const held = ROLE[caller];
  const atLeast = (needed: Role) => held && ROLES.indexOf(held) >= ROLES.indexOf(needed);
  if (refuses) return refuses;
  if (scope && caller === 'nobody') return 401;
  if (scope && !has(scope)) return 403;
  if (see && target === 'private' && !(held && has(see))) return 404;
  if (own && caller !== 'writer' && !(own === 'shown' && caller === 'server')) return 404;
  if (role && !atLeast(role)) return 403;
  if (member && (!atLeast(member) || caller === 'ci')) return 403;
  if (whole && caller === 'ci') return 403;
  if (use && target !== 'public' && !(held && has([use]))) return caller === 'nobody' ? 401 : 403;
  return undefined;
}

/** The scopeless have every scope of a user but those that the route asks for. */
const scopesOf = (caller: Caller, asked: readonly Scope[]): Scope[] =>
  caller === 'scopeless'
    ? USER_SCOPES.filter((scope) => !asked.includes(scope))
    : (SCOPES[caller] ?? (caller === 'nobody' ? [] : USER_SCOPES));

let api: InProcess;
const keys = new Map<string, string>();
let operations: string[] = [];
let job = '';
let upload = '';

async function keyOf(caller: Caller, asked: readonly Scope[], target: Target = 'public'): Promise<string> {
  if (caller === 'nobody') return '';
  if (caller === 'server') return api.admin;
  const scopes = scopesOf(caller, asked);
  const name = `${caller} ${scopes.join()} ${caller === 'ci' ? target : ''}`;
  const known = keys.get(name);
  if (known) return known;
  const owner = ['app', 'publisher', 'ci'].includes(caller) ? 'owner' : caller;
  const limits = { actor: null, ...(caller === 'ci' ? { adapters: [`org/${target}`] } : {}) };
  const make = async () =>
    (await api.auth.createKey(await api.auth.ensureUser(owner), 'test', scopes, limits)).key;
  const key = scopes.length > 0 ? await make() : 'none';
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
  for (const target of TARGETS) await listAgain(target, owner);
  await api.key('guest', ['read']);
  const training = { model: baseId, training_file: await uploadedFile() };
  const begun = await api.call('POST', '/v1/fine_tuning/jobs', training, await keyOf('writer', []));
  job = ((await begun.json()) as { id: string }).id;
  operations = [
    ...new Set(
      api.app.routes
        .filter(({ method }) => method !== 'ALL') // what stands before routes
        .map(({ method, path }) => `${method} ${path.replace(/\{([^{}]|\{[^{}]*\})*\}/g, '')}`),
    ),
  ];
});
afterAll(async () => {
  // /readyz says that there is no runner.
  expect(api.unexpected.filter((error) => !('what' in error && error.what === 'runner'))).toEqual([]);
  await api.close();
});

/** What the caller before has withdrawn. */
async function listAgain(target: Target, bearer?: string): Promise<void> {
  const card = { 'README.md': `# ${target}\n` };
  const response = await api.publish(`/api/adapters/org/${target}/versions`, { ...files, ...card }, bearer);
  if (!response.ok) throw new Error(await response.text());
}

/** The writer's. */
async function uploadedFile(): Promise<string> {
  const body = new FormData();
  body.set('purpose', 'fine-tune');
  body.set('file', new File(['{"messages": []}\n'], 'rows.jsonl'));
  const headers = { authorization: `Bearer ${await keyOf('writer', [])}` };
  const answer = await api.app.request('/v1/files', { method: 'POST', headers, body });
  return ((await answer.json()) as { id: string }).id;
}

/** The writer's, the same one until it is cancelled: nobody may have many of them open. */
async function openUpload(operation: string): Promise<string> {
  if (!upload || operation.endsWith('/cancel'))
    upload = (
      (await (await api.call('POST', '/v1/uploads', UPLOAD, await keyOf('writer', []))).json()) as {
        id: string;
      }
    ).id;
  return upload;
}

let unhook: () => Promise<unknown> = async () => undefined;

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
    await unhook(); // one owner has not many
    const response = await api.call('POST', '/api/webhooks', { url: 'https://example.org/hook' }, writer);
    const { id } = (await response.json()) as { id: string };
    unhook = () => api.call('DELETE', `/api/webhooks/${id}`, undefined, writer);
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
  const things: Readonly<Record<string, () => string | Promise<string>>> = {
    drafts: draft,
    webhooks: webhook,
    keys: key,
    files: uploadedFile,
    uploads: () => openUpload(operation),
    jobs: () => job,
  };
  const kind = operation.split('/:id')[0]!.split('/').at(-1)!;
  /** Such as it takes to be let through, and no further. */
  const revision = () =>
    operation.startsWith('DELETE') && operation.includes('/tag/')
      ? 'v1'
      : operation.startsWith('POST') && operation.includes('/branch/')
        ? 'HEAD'
        : 'main';
  const values: Record<string, () => string | Promise<string>> = {
    owner: () => (isBase ? baseId.split('/')[0]! : 'org'),
    name: () => (isBase ? baseId.split('/')[1]! : target),
    number: () => '1',
    path: () => 'adapter_config.json',
    sha256: () => '0'.repeat(64),
    organisation: () => 'org',
    member: () => 'guest',
    user: () => 'stranger',
    publisher,
    id: things[kind] ?? (() => 'any'),
    delivery: async () => hook!.delivery,
    task,
    repository: () => `${target}.git`,
    revision,
    session: () => SESSION,
    prefix: () => 'default',
    hash: () => 'any',
    checkpoint: () => 'none',
    step: () => '1',
  };
  let path = operation.split(' ')[1]!.replace(/\*$/, `org/${target}`);
  for (const [, name] of path.matchAll(/:(\w+)/g)) path = path.replace(`:${name}`, await values[name!]!());
  return path;
}

const aboutAdapters = ({ see, role, use, body }: Rule, operation: string): boolean =>
  Boolean(see || role || use) || operation.includes('/:owner/') || String(body).includes('modelAsked');

describe('every route', () => {
  it('has a rule, and every rule a route', () => {
    expect(operations.toSorted()).toEqual(Object.keys(RULES).toSorted());
  });

  it('asks for the scopes that are written down', async () => {
    const { paths } = (await (await api.call('GET', '/openapi.json')).json()) as {
      paths: Record<string, Record<string, { security?: { key: string[] }[] }>>;
    };
    for (const [path, methods] of Object.entries(paths))
      for (const [method, { security }] of Object.entries(methods)) {
        const operation = `${method.toUpperCase()} ${path.replace('{model}', '*').replace(/\{(\w+)\}/g, ':$1')}`;
        expect([operation, security?.[0]?.key ?? []]).toEqual([operation, RULES[operation]?.scope ?? []]);
      }
  });

  it('refuses an address with the character NUL, whatever it is part of', async () => {
    for (const operation of operations) {
      const [method = '', path = ''] = operation.split(' ');
      const holding = /[:*]/.test(path) ? path.replace(/:\w+|\*/g, 'x%00') : `${path}?after=x%00`;
      if (/^\/(healthz|readyz)/.test(path)) continue; // ask nothing of anybody
      const bearer = path.startsWith('/api/runner') ? runnerToken : api.admin;
      const answer = await api.call(method, holding, RULES[operation]?.body?.(), bearer);
      expect([operation, answer.status]).toEqual([operation, 400]);
    }
  });

  it("of OpenAI's protocol is described", async () => {
    const { paths } = (await (await api.call('GET', '/openapi.json')).json()) as {
      paths: Record<string, Record<string, unknown>>;
    };
    const described = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    const served = operations.filter((operation) => operation.includes(' /v1/'));
    for (const operation of served)
      expect(described).toContain(operation.replace('*', '{model}').replace(/:(\w+)/g, '{$1}'));
  });

  it.each(Object.keys(RULES))('%s', { timeout: 60_000 }, async (operation) => {
    const rule = RULES[operation]!;
    const [method = ''] = operation.split(' ');
    for (const target of aboutAdapters(rule, operation) ? TARGETS : (['public'] as const)) {
      for (const caller of CALLERS) {
        // Put aside by the server's admin, an adapter would be missing to everybody.
        if (operation.endsWith('/quarantine') && caller === 'server') continue;
        modelAsked = `org/${target}`;
        const bearer = await keyOf(caller, rule.scope ?? [], target);
        if (bearer === 'none') continue; // no key lacks every scope
        const path = await pathFor(operation, target);
        const response = await api.call(method, path, rule.body?.(), bearer);
        const want = expected(rule, caller, target);
        const text = await response.text();
        const told = `${caller} about ${target}: ${response.status} ${text.slice(0, 200)}`;
        if (want !== undefined) {
          expect(response.status, told).toBe(want);
          if (rule.lets) expect(text, told).not.toContain(rule.lets.saying);
        } else if (rule.lets) {
          expect(response.status, told).toBe(rule.lets.status);
          expect(text, told).toContain(rule.lets.saying);
        } else expect([401, 403, 404], told).not.toContain(response.status);
        if (isWithdrawal(operation)) await listAgain(target);
      }
    }
  });
});

const isWithdrawal = (operation: string): boolean =>
  operation === 'DELETE /api/repos/delete' ||
  operation.startsWith('DELETE /api/adapters/:owner/:name/versions');
