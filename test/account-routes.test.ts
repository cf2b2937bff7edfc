/** Of the library that keeps accounts, a few routes are served; and no name is taken or changed through any of them. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ACCOUNT_ROUTES, ACCOUNTS, openAccounts } from '../api/accounts.ts';
import { InProcess } from './in-process.ts';

const ORIGIN = 'http://localhost';
const SERVED = ACCOUNT_ROUTES.map(({ method, path }) => `${method} ${path}`);

let api: InProcess;
let cookie: string;
const ask = (method: string, path: string, body?: object) =>
  api.app.request(`${ORIGIN}${ACCOUNTS}${path}`, {
    method,
    headers: { 'content-type': 'application/json', origin: ORIGIN, ...(cookie ? { cookie } : {}) },
    ...(body ? { body: JSON.stringify(body) } : {}),
  });
const account = { email: 'mallory@example.org', password: 'a long enough password' };

beforeAll(async () => {
  api = await InProcess.open();
  const response = await ask('POST', '/sign-up/email', { name: 'mallory', ...account });
  cookie = response.headers
    .getSetCookie()
    .map((line) => line.split(';')[0])
    .join('; ');
});
afterAll(async () => {
  expect(api.unexpected).toEqual([]);
  await api.close();
});

const settings = { secret: 'x'.repeat(32), baseUrl: ORIGIN, signUp: true, github: undefined };

/** All that the library has, with the methods that each takes. */
function libraryRoutes(): string[] {
  const endpoints = Object.values(openAccounts(api.deps.db, settings).api) as {
    path?: string;
    options?: { method?: string | string[] };
  }[];
  return endpoints.flatMap(({ path, options }) =>
    path ? [options?.method ?? []].flat().map((method) => `${method} ${path}`) : [],
  );
}

describe('routes of accounts', () => {
  it('are those of the library that are named, and no others', async () => {
    const all = libraryRoutes();
    expect(all).toEqual(expect.arrayContaining([...SERVED, 'POST /update-user', 'POST /api-key/create']));
    for (const route of all.filter((one) => !SERVED.includes(one))) {
      const [method = '', path = ''] = route.split(' ');
      const response = await ask(method, path.replaceAll(/:\w+/g, 'x'), method === 'GET' ? undefined : {});
      expect([route, response.status]).toEqual([route, 404]);
      expect([route, await response.json()]).toMatchObject([route, { code: 'not_found' }]);
    }
  });

  it.each([
    '/api/auth//update-user',
    '/api/auth/sign-out/../update-user',
    '/api/auth/update-user/',
    '/api/auth/%75pdate-user',
    '/api//auth/update-user',
  ])('are not got around by %s', async (path) => {
    const response = await api.app.request(`${ORIGIN}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', origin: ORIGIN, cookie },
      body: JSON.stringify({ name: 'parity' }),
    });
    expect(response.status).toBe(404);
  });

  it('keep names as they are, whichever of them were served', async () => {
    const library = openAccounts(api.deps.db, settings);
    const { updateUser } = (await library.$context).internalAdapter;
    const userId = await api.auth.ensureUser('mallory');
    for (const name of ['parity', 'Not A/Name', ''])
      await expect(updateUser(userId, { name })).rejects.toThrow('name: it cannot be changed');
    await updateUser(userId, { image: 'https://example.org/me.png' });
    expect(await api.auth.ensureUser('mallory')).toBe(userId);
  });

  it('change a password for who knows the old one', async () => {
    const change = (currentPassword: string) =>
      ask('POST', '/change-password', { currentPassword, newPassword: 'another good password' });
    expect((await change('not the password')).status).toBe(400);
    expect((await change(account.password)).status).toBe(200);
    const signIn = (password: string) => ask('POST', '/sign-in/email', { email: account.email, password });
    expect((await signIn(account.password)).status).toBe(401);
    expect((await signIn('another good password')).status).toBe(200);
  });
});
