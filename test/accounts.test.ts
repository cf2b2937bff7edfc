/** Accounts and sessions, as a browser has them. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openAccounts } from '../api/accounts.ts';
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

describe('an account that the admin makes', () => {
  const give = async (name: string, email: string) => {
    const response = await api.call('POST', '/api/people', { name, email });
    const { password = '', detail = '' } = (await response.json()) as { password?: string; detail?: string };
    return { status: response.status, password, detail };
  };
  const signIn = (email: string, password: string) =>
    ask('POST', '/api/auth/sign-in/email', { body: { email, password } });

  it('is signed in to where nobody may sign up, and its password is changed', async () => {
    const { status, password } = await give('gina', 'Gina@Example.org');
    expect(status).toBe(201);
    const closed = openAccounts(api.deps.db, {
      secret: 'x'.repeat(32),
      baseUrl: ORIGIN,
      signUp: false,
      github: undefined,
    });
    const body = { email: 'gina@example.org', password };
    await expect(closed.api.signUpEmail({ body: { ...body, name: 'gino' } })).rejects.toThrow();
    expect((await closed.api.signInEmail({ body })).user.name).toBe('gina');

    const cookie = cookieOf(await signIn('gina@example.org', password));
    const change = { currentPassword: password, newPassword: 'a password of my own' };
    expect((await ask('POST', '/api/auth/change-password', { cookie, body: change })).status).toBe(200);
    expect((await signIn('gina@example.org', password)).status).toBe(401);
    expect((await signIn('gina@example.org', 'a password of my own')).status).toBe(200);
  });

  it('is for who had keys only, under the same name', async () => {
    const key = await api.key('keyed', ['read']);
    const { password } = await give('keyed', 'keyed@example.org');
    const cookie = cookieOf(await signIn('keyed@example.org', password));
    expect(await (await ask('GET', '/api/whoami', { cookie })).json()).toMatchObject({ owner: 'keyed' });
    expect((await api.call('GET', '/api/whoami', undefined, key)).status).toBe(200);
  });

  it('has another password for who lost it, and lets nobody in by the old one', async () => {
    const first = await give('hugo', 'hugo@example.org');
    const cookie = cookieOf(await signIn('hugo@example.org', first.password));
    const second = await give('hugo', 'hugo@example.org');
    expect((await ask('GET', '/api/whoami', { cookie })).status).toBe(401);
    expect((await signIn('hugo@example.org', first.password)).status).toBe(401);
    expect((await signIn('hugo@example.org', second.password)).status).toBe(200);
  });

  it('may have a name that models are under', async () => {
    expect((await give('parity', 'parity@example.org')).status).toBe(201);
  });

  it('takes nothing from others, and is in the log', async () => {
    await give('ines', 'ines@example.org');
    await api.call('POST', '/api/organisations', { name: 'inesorg' });
    expect(await give('ines', 'other@example.org')).toMatchObject({
      status: 409,
      detail: expect.stringMatching(/^email: ines has/),
    });
    expect(await give('ivan', 'ines@example.org')).toMatchObject({
      status: 409,
      detail: expect.stringMatching(/^email: ines@/),
    });
    expect(await give('inesorg', 'org@example.org')).toMatchObject({
      status: 409,
      detail: expect.stringMatching(/^name: inesorg/),
    });
    expect((await give('ines', 'nowhere')).status).toBe(400);
    const { events } = (await (await api.call('GET', '/api/audit?owner=ines')).json()) as {
      events: { kind: string; actor: string }[];
    };
    expect(events.map(({ kind, actor }) => [kind, actor])).toEqual([['password.given', 'admin']]);
    expect(JSON.stringify(events)).not.toContain('"password":');
  });
});
