/** Publishing from a workflow by its platform's identity token, with an issuer of our own. */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { sampleAdapter } from '../adapter/sample-adapter.ts';
import { base, declare, InProcess } from './in-process.ts';

const GRANT = 'urn:ietf:params:oauth:grant-type:token-exchange';

let api: InProcess;
let alice: string;
let issuer: string;
let server: Server;
let keys: Awaited<ReturnType<typeof generateKeyPair>>;
let strangers: typeof keys;

beforeAll(async () => {
  keys = await generateKeyPair('RS256');
  strangers = await generateKeyPair('RS256');
  const jwk = { ...(await exportJWK(keys.publicKey)), kid: 'one', alg: 'RS256', use: 'sig' };
  server = createServer((request, response) => {
    const isDiscovery = request.url === '/.well-known/openid-configuration';
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(isDiscovery ? { issuer, jwks_uri: `${issuer}/jwks` } : { keys: [jwk] }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  issuer = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  api = await InProcess.open();
  api.oidcIssuers.push(issuer);
  alice = await api.key('alice', ['read', 'publish', 'manage']);
});
afterAll(async () => {
  server.close();
  await api.close();
});

const claims = { repository: 'alice/adapters', ref: 'refs/heads/main' };

function token(changes: Record<string, unknown> = {}, signer = keys.privateKey): Promise<string> {
  const { aud = 'patchbay', iss = issuer, exp = '5m', ...more } = changes;
  return new SignJWT({ ...claims, ...more })
    .setProtectedHeader({ alg: 'RS256', kid: 'one' })
    .setSubject('repo:alice/adapters:ref:refs/heads/main')
    .setIssuer(iss as string)
    .setAudience(aud as string)
    .setIssuedAt()
    .setExpirationTime(exp as string)
    .sign(signer);
}

const exchange = (subject: string, more: Record<string, string> = {}) =>
  api.app.request('/api/token', {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({
      grant_type: GRANT,
      subject_token: subject,
      subject_token_type: 'urn:ietf:params:oauth:token-type:id_token',
      ...more,
    }).toString(),
  });

const trust = (body: object, name = 'alice/from-ci', key = alice) =>
  api.call('POST', `/api/adapters/${name}/trusted-publishers`, body, key);

it('a workflow that is trusted publishes that adapter, and nothing else', async () => {
  expect((await exchange(await token())).status).toBe(401);
  expect((await trust({ issuer, claims })).status).toBe(201);
  const response = await exchange(await token());
  expect(response.status).toBe(200);
  expect(response.headers.get('cache-control')).toBe('no-store');
  const { access_token: key, ...rest } = (await response.json()) as { access_token: string };
  expect(rest).toMatchObject({ token_type: 'Bearer', expires_in: 3600, adapters: ['alice/from-ci'] });
  const good = sampleAdapter(base);
  const files = { 'adapter_config.json': good.config, 'adapter_model.safetensors': good.weights };
  expect((await api.publish('/api/adapters/alice/from-ci/versions', files, key)).status).toBe(200);
  const other = { base: 'parity/smollm2', files: declare(files) };
  expect((await api.call('POST', '/api/adapters/alice/other/versions', other, key)).status).toBe(403);
  expect((await api.call('POST', '/api/keys', { name: 'x', scopes: ['read'] }, key)).status).toBe(403);
});

it.each<[string, () => Promise<string>]>([
  ['of another workflow', () => token({ repository: 'mallory/adapters' })],
  ['of another branch', () => token({ ref: 'refs/heads/evil' })],
  ['for another service', () => token({ aud: 'pypi' })],
  ['that has expired', () => token({ exp: '-1m' })],
  ['signed by somebody else', () => token({}, strangers.privateKey)],
  ['of an issuer that is not listed', () => token({ iss: 'http://127.0.0.1:1' })],
  ['that is none', async () => 'nonsense'],
  ['without a signature', async () => `${(await token()).split('.').slice(0, 2).join('.')}.`],
])('a token %s is refused', async (_name, make) => {
  expect((await exchange(await make())).status).toBe(401);
});

it('only what names a workflow of a listed issuer can be trusted, and by the adapter’s admins', async () => {
  expect((await trust({ issuer, claims: { ref: 'refs/heads/main' } })).status).toBe(400);
  expect((await trust({ issuer: 'https://evil.example', claims })).status).toBe(400);
  expect((await trust({ issuer, claims }, 'bob/any')).status).toBe(403);
  expect((await exchange(await token(), { grant_type: 'password' })).status).toBe(400);
});

it('trust can be taken back', async () => {
  const route = '/api/adapters/alice/from-ci/trusted-publishers';
  const { publishers } = (await (await api.call('GET', route, undefined, alice)).json()) as {
    publishers: { id: string }[];
  };
  expect(publishers).toMatchObject([{ issuer, claims }]);
  expect((await api.call('DELETE', `${route}/${publishers[0]!.id}`, undefined, alice)).status).toBe(204);
  expect((await exchange(await token())).status).toBe(401);
});
