/** Signing in with GitHub, all the way that a browser goes. */
import { eq } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { openAccounts } from '../api/accounts.ts';
import { openSite } from '../api/embedded/site.ts';
import { noEmail } from '../db/people.ts';
import { account, user } from '../db/schema.ts';
import { refusalOf } from '../web/refusals.ts';
import { InProcess } from './in-process.ts';
import { GithubForTests, type GithubUser } from './servers/github.ts';

const ORIGIN = 'http://localhost';

let github: GithubForTests;
let api: InProcess;

beforeAll(async () => {
  github = await GithubForTests.start();
  vi.stubGlobal('fetch', github.reaching(fetch));
  api = await InProcess.open({ memory: true }, { github: github.application, site: await openSite() });
});
afterAll(async () => {
  expect(api.unexpected).toEqual([]);
  await api.close();
  github.close();
  vi.unstubAllGlobals();
});

let number = 1000;
const verified = (email: string) => [{ email, primary: true, verified: true }];
function somebody(login: string, more: Partial<GithubUser> = {}): GithubUser {
  const emails = verified(`${login.toLowerCase()}@example.org`);
  return { id: number++, login, name: 'Some Body', email: null, emails, ...more };
}

type Server = (request: Request) => Response | Promise<Response>;
const open: Server = (request) => api.app.request(request);

/** Keeps cookies, and goes where it is sent. */
class Browser {
  private readonly cookies = new Map<string, string>();
  private readonly server: Server;

  constructor(server = open) {
    this.server = server;
  }

  async ask(method: string, path: string, body?: object): Promise<Response> {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ');
    const headers = { origin: ORIGIN, 'content-type': 'application/json', ...(cookie ? { cookie } : {}) };
    const sent = body ? { body: JSON.stringify(body) } : {};
    const response = await this.server(new Request(new URL(path, ORIGIN), { method, headers, ...sent }));
    for (const line of response.headers.getSetCookie()) {
      const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(line)!;
      if (/max-age=0/i.test(line)) this.cookies.delete(name);
      else this.cookies.set(name, value);
    }
    return response;
  }

  /** @returns the page of GitHub's that it is sent to */
  async begin(): Promise<URL> {
    const body = { provider: 'github', callbackURL: '/settings' };
    const response = await this.ask('POST', '/api/auth/sign-in/social', body);
    expect(response.status).toBe(200);
    return new URL(((await response.json()) as { url: string }).url);
  }

  /** @returns where it is sent from here, once it is back from GitHub */
  async arrive(callback: string | URL): Promise<string> {
    const response = await this.ask('GET', String(callback));
    expect(response.status).toBe(302);
    return response.headers.get('location')!;
  }

  /** @returns where it ends */
  async signIn(who: GithubUser | undefined): Promise<string> {
    github.user = who;
    return this.arrive(await authorize(await this.begin()));
  }

  /** @returns undefined: it is not signed in */
  async whoami(): Promise<string | undefined> {
    const response = await this.ask('GET', '/api/whoami');
    return response.status === 200 ? ((await response.json()) as { owner: string }).owner : undefined;
  }
}

/** @returns where GitHub sends a browser back to */
async function authorize(page: URL): Promise<string> {
  const response = await fetch(page);
  expect(response.status).toBe(302);
  return response.headers.get('location')!;
}

async function refused(browser: Browser, place: string, code: string): Promise<void> {
  const { pathname, searchParams } = new URL(place, ORIGIN);
  expect([pathname, searchParams.get('error')]).toEqual(['/sign-in', code]);
  expect(await browser.whoami()).toBeUndefined();
}

const people = () => api.deps.db.select().from(user);
const personOf = async (name: string) => (await people()).find((one) => one.name === name);
const signUp = (browser: Browser, name: string, email: string) =>
  browser.ask('POST', '/api/auth/sign-up/email', { name, email, password: 'a long enough password' });

describe('who comes from GitHub', () => {
  it('has an account under their name there, and the same one the next time, whatever they are called by then', async () => {
    const browser = new Browser();
    const page = await browser.begin();
    expect(page.origin + page.pathname).toBe('https://github.com/login/oauth/authorize');
    expect(Object.fromEntries(page.searchParams)).toMatchObject({
      client_id: github.application.clientId,
      redirect_uri: `${ORIGIN}/api/auth/callback/github`,
      state: expect.stringMatching(/^.{32}$/),
      code_challenge_method: 'S256',
    });
    const octo = somebody('Octo-Cat');
    github.user = octo;
    expect(await browser.arrive(await authorize(page))).toBe('/settings');
    expect(await browser.whoami()).toBe('octo-cat');
    expect(await personOf('octo-cat')).toMatchObject({
      email: 'octo-cat@example.org',
      emailVerified: true,
      kind: 'person',
    });

    const before = (await people()).length;
    const again = new Browser();
    const emails = verified('moved@example.org');
    expect(await again.signIn({ ...octo, login: 'renamed', emails })).toBe('/settings');
    expect(await again.whoami()).toBe('octo-cat');
    expect(await people()).toHaveLength(before);
    const made = await again.ask('POST', '/api/keys', { name: 'laptop', scopes: ['read'] });
    expect(made.status).toBe(201);
    const { key } = (await made.json()) as { key: string };
    expect((await api.call('GET', '/api/whoami', undefined, key)).status).toBe(200);
  });

  it('leaves nothing here that opens their account there', async () => {
    const guest = somebody('guest');
    for (const _again of [1, 2]) await new Browser().signIn(guest);
    const [held] = await api.deps.db
      .select()
      .from(account)
      .where(eq(account.accountId, String(guest.id)));
    expect(held).toMatchObject({
      providerId: 'github',
      accessToken: null,
      refreshToken: null,
      idToken: null,
    });
  });

  it('comes back to this server alone', async () => {
    const body = { provider: 'github', callbackURL: 'https://evil.example/' };
    expect((await new Browser().ask('POST', '/api/auth/sign-in/social', body)).status).toBe(403);
  });
});

describe('nobody is let in', () => {
  it('who refused, or whom GitHub did not send', async () => {
    const browser = new Browser();
    await refused(browser, await browser.signIn(undefined), 'access_denied');
    github.user = somebody('forged');
    const callback = new URL(await authorize(await browser.begin()));
    callback.searchParams.set('code', 'made-up');
    await refused(browser, await browser.arrive(callback), 'invalid_code');
    expect(await personOf('forged')).toBeUndefined();
  });

  it('with a state that was made up, is another browser’s, or was used', async () => {
    const [mine, theirs] = [new Browser(), new Browser()];
    github.user = somebody('stately');
    const callback = new URL(await authorize(await theirs.begin()));
    await mine.begin();
    await refused(mine, await mine.arrive(callback), 'state_mismatch');
    const forged = new URL(callback);
    forged.searchParams.set('state', 'x'.repeat(32));
    await refused(theirs, await theirs.arrive(forged), 'state_mismatch');
    forged.searchParams.delete('state');
    await refused(theirs, await theirs.arrive(forged), 'state_not_found');
    expect(await personOf('stately')).toBeUndefined();

    expect(await theirs.arrive(callback)).toBe('/settings');
    expect(await theirs.whoami()).toBe('stately');
    await theirs.ask('POST', '/api/auth/sign-out', {});
    await refused(theirs, await theirs.arrive(callback), 'state_mismatch');
  });

  it('without an e-mail address', async () => {
    const browser = new Browser();
    await refused(browser, await browser.signIn(somebody('silent', { emails: [] })), 'email_not_found');
    expect(await personOf('silent')).toBeUndefined();
  });

  it('who is new, where accounts are made by the admin; who has an account is', async () => {
    const known = somebody('known');
    await new Browser().signIn(known);
    const settings = { secret: 'x'.repeat(32), baseUrl: ORIGIN, signUp: false, github: github.application };
    const { handler } = openAccounts(api.deps.db, settings);
    const stranger = new Browser(handler);
    const place = new URL(await stranger.signIn(somebody('stranger')), ORIGIN);
    expect(place.searchParams.get('error')).toBe('signup_disabled');
    expect(await personOf('stranger')).toBeUndefined();
    expect(await new Browser(handler).signIn(known)).toBe('/settings');
  });

  it.each([
    ['taken', 'name_taken'],
    ['organised', 'name_taken'],
    ['parity', 'name_taken'], // under which there is a base
    ['admin', 'name_taken'],
    ['Ends-', 'name_invalid'],
  ])('who is called %s there, which is somebody else’s here, or cannot be', async (login, code) => {
    await signUp(new Browser(), 'taken', 'first@example.org');
    await api.call('POST', '/api/organisations', { name: 'organised' });
    const before = await people();
    const browser = new Browser();
    const late = somebody(login, { emails: verified('late@example.org') });
    await refused(browser, await browser.signIn(late), code);
    expect(await people()).toEqual(before);
    // What the page says to do instead.
    expect((await signUp(browser, `${login.toLowerCase()}x`, `${login}@example.org`)).status).toBe(200);
  });
});

describe('an account with the same e-mail address', () => {
  const sameEmail = (email: string, isVerified: boolean) =>
    somebody(`other-${number}`, { emails: [{ email, primary: true, verified: isVerified }] });

  it.each([true, false])(
    'that has a password is not opened, whether GitHub knows the address well: %s',
    async (isVerified) => {
      const name = `owner-${isVerified}`;
      const own = new Browser();
      await signUp(own, name, `${name}@example.org`);
      const before = await people();
      const browser = new Browser();
      await refused(
        browser,
        await browser.signIn(sameEmail(`${name}@example.org`, isVerified)),
        'account_not_linked',
      );
      expect(await people()).toEqual(before);
      expect(await own.whoami()).toBe(name);
    },
  );

  it('that only keys are for, or an organisation, is not opened, though nobody has its address', async () => {
    await api.key('keyed', ['read']);
    await api.call('POST', '/api/organisations', { name: 'lab' });
    for (const name of ['keyed', 'lab']) {
      const browser = new Browser();
      const place = await browser.signIn(sameEmail(noEmail(name), true));
      await refused(browser, place, 'account_not_linked');
    }
  });

  it('is opened where both have shown that it is theirs, and not where one has', async () => {
    const first = somebody('twice');
    await new Browser().signIn(first);
    const { email } = first.emails[0]!;
    const unsure = new Browser();
    await refused(unsure, await unsure.signIn(sameEmail(email, false)), 'account_not_linked');
    const sure = new Browser();
    expect(await sure.signIn(sameEmail(email, true))).toBe('/settings');
    expect(await sure.whoami()).toBe('twice');

    const squatter = somebody('squatter', {
      emails: [{ email: 'victim@example.org', primary: true, verified: false }],
    });
    await new Browser().signIn(squatter);
    expect(await personOf('squatter')).toMatchObject({ emailVerified: false });
    const victim = new Browser();
    await refused(victim, await victim.signIn(sameEmail('victim@example.org', true)), 'account_not_linked');
  });
});

it('the page for signing in says why, and nothing that somebody wrote into its address', async () => {
  const codes = ['access_denied', 'account_not_linked', 'email_not_found', 'name_invalid', 'name_taken'];
  for (const code of [...codes, 'signup_disabled', 'state_mismatch']) {
    const place = `/sign-in?error=${code}&error_description=call+this+number`;
    const page = await (await api.app.request(place, { headers: { accept: 'text/html' } })).text();
    expect(refusalOf(code)).not.toBe(refusalOf('anything else'));
    expect(page).toContain(refusalOf(code));
    expect(page).not.toContain('this number');
  }
});
