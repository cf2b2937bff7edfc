/** Accounts and sessions, as a browser has them. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { InProcess } from './in-process.ts';

const ORIGIN = 'http://localhost';

let api: InProcess;
beforeAll(async () => {
  api = await InProcess.open();
});
afterAll(async () => {
  expect(api.unexpected).toEqual([]);
  await api.close();
});

const ask = (method: string, path: string, { body, cookie, origin = ORIGIN }: Asked = {}) =>
  api.app.request(`${ORIGIN}${path}`, {
    method,
    headers: {
      'content-type': 'application/json',
      ...(origin ? { origin } : {}),
      ...(cookie ? { cookie } : {}),
    },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });

interface Asked {
  body?: object;
  cookie?: string;
  origin?: string;
}

const cookieOf = (response: Response): string =>
  response.headers
    .getSetCookie()
    .map((line) => line.split(';')[0])
    .join('; ');

const signUp = (name: string, email = `${name}@example.org`, password = 'a long enough password') =>
  ask('POST', '/api/auth/sign-up/email', { body: { name, email, password } });

it('somebody signs up, makes a key, signs out, and in again', async () => {
  const response = await signUp('dora');
  expect(response.status).toBe(200);
  const cookie = cookieOf(response);
  expect(response.headers.getSetCookie().join()).toMatch(/HttpOnly; SameSite=Lax/);
  expect(await (await ask('GET', '/api/whoami', { cookie })).json()).toMatchObject({
    owner: 'dora',
    scopes: ['read', 'publish', 'infer', 'train', 'manage'],
  });
  const asked = { name: 'laptop', scopes: ['read', 'publish'] };
  const made = await ask('POST', '/api/keys', { cookie, body: asked });
  expect(made.status).toBe(201);
  const { key } = (await made.json()) as { key: string };
  expect(await (await api.call('GET', '/api/whoami', undefined, key)).json()).toMatchObject({
    owner: 'dora',
  });
  expect((await ask('POST', '/api/keys', { cookie, body: { name: 'x', scopes: ['admin'] } })).status).toBe(
    403,
  );

  expect((await ask('POST', '/api/auth/sign-out', { cookie, body: {} })).status).toBe(200);
  expect((await ask('GET', '/api/whoami', { cookie })).status).toBe(401);
  const again = { email: 'dora@example.org', password: 'a long enough password' };
  const signedIn = await ask('POST', '/api/auth/sign-in/email', { body: again });
  expect(signedIn.status).toBe(200);
  expect((await ask('GET', '/api/whoami', { cookie: cookieOf(signedIn) })).status).toBe(200);
  const wrong = { ...again, password: 'another password' };
  expect((await ask('POST', '/api/auth/sign-in/email', { body: wrong })).status).toBe(401);
});

it.each([
  ['Not A Name', 400],
  ['x/y', 400],
  ['dora', 409],
  ['parity', 409],
  ['admin', 409],
])('nobody is called %s', async (name, status) => {
  await signUp('dora');
  expect((await signUp(name, `${Math.random()}@example.org`)).status).toBe(status);
});

it('pages of others cannot act for whoever is signed in', async () => {
  const cookie = cookieOf(await signUp('erin'));
  for (const origin of ['https://evil.example', '']) {
    const body = { name: `org-${origin.length}` };
    expect((await ask('POST', '/api/organisations', { cookie, body, origin })).status).toBe(401);
  }
  expect((await ask('POST', '/api/organisations', { cookie, body: { name: 'erins' } })).status).toBe(201);
});
