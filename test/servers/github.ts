/**
 * What GitHub answers where somebody signs in with it, as it documents it: "Authorizing OAuth apps", and "Get the authenticated user" and
 * "List email addresses for the authenticated user" of its REST API.
 */
import { createHash } from 'node:crypto';
import { serve } from '@hono/node-server';
import { Hono } from 'hono';

/** Somebody with an account there. */
export interface GithubUser {
  readonly id: number;
  readonly login: string;
  readonly name: string | null;
  /** What they show on their page; null: nothing. */
  readonly email: string | null;
  readonly emails: readonly {
    readonly email: string;
    readonly primary: boolean;
    readonly verified: boolean;
  }[];
}

interface Grant {
  readonly user: GithubUser;
  readonly redirectUri: string;
  readonly challenge: string | undefined;
}

const OAUTH = 'https://github.com';
const API = 'https://api.github.com';

export class GithubForTests {
  readonly application = { clientId: 'Iv1.0123456789abcdef', clientSecret: 'secret-of-the-application' };
  /** Who sits at the browser; undefined: they refuse. */
  user: GithubUser | undefined;
  private readonly granted = new Map<string, Grant>();
  private readonly tokens = new Map<string, GithubUser>();
  private url = '';
  private close_: () => void = () => undefined;

  private constructor() {}

  static async start(): Promise<GithubForTests> {
    const github = new GithubForTests();
    const { fetch } = github.app();
    await new Promise<void>((resolve) => {
      const server = serve({ fetch, hostname: '127.0.0.1', port: 0 }, ({ port }) => {
        github.url = `http://127.0.0.1:${port}`;
        resolve();
      });
      github.close_ = () => server.close();
    });
    return github;
  }

  close(): void {
    this.close_();
  }

  /** As `fetch`; what is asked of GitHub is asked here. */
  reaching(fetch: typeof globalThis.fetch): typeof globalThis.fetch {
    return (input, init) => {
      const request = new Request(input, init);
      const { origin, pathname, search } = new URL(request.url);
      if (origin !== OAUTH && origin !== API) return fetch(input, init);
      const host = origin === OAUTH ? 'oauth' : 'api';
      return fetch(new Request(`${this.url}/${host}${pathname}${search}`, request), { redirect: 'manual' });
    };
  }

  private app() {
    const app = new Hono();
    app.get('/oauth/login/oauth/authorize', (c) => {
      const { client_id, redirect_uri = '', state = '', code_challenge, ...more } = c.req.query();
      if (client_id !== this.application.clientId) return c.notFound();
      const back = new URL(redirect_uri);
      back.searchParams.set('state', state);
      if (!this.user) {
        back.searchParams.set('error', 'access_denied');
        back.searchParams.set('error_description', 'The user has denied your application access.');
        return c.redirect(back.href);
      }
      if (code_challenge && more['code_challenge_method'] !== 'S256') return c.body(null, 400);
      if (!more['scope']?.split(' ').includes('user:email')) return c.body(null, 400);
      const code = crypto.randomUUID();
      this.granted.set(code, { user: this.user, redirectUri: redirect_uri, challenge: code_challenge });
      back.searchParams.set('code', code);
      return c.redirect(back.href);
    });

    app.post('/oauth/login/oauth/access_token', async (c) => {
      const form = Object.fromEntries(new URLSearchParams(await c.req.text()));
      const { clientId, clientSecret } = this.application;
      const answer = (body: Record<string, string>) =>
        c.req.header('accept')?.includes('application/json')
          ? c.json(body)
          : c.body(String(new URLSearchParams(body)), 200, {
              'content-type': 'application/x-www-form-urlencoded; charset=utf-8',
            });
      if (form['client_id'] !== clientId || form['client_secret'] !== clientSecret)
        return answer({ error: 'incorrect_client_credentials' });
      const grant = this.granted.get(form['code'] ?? '');
      this.granted.delete(form['code'] ?? ''); // it is good for one time
      const verified =
        grant?.challenge === undefined || grant.challenge === s256(form['code_verifier'] ?? '');
      if (!grant || !verified) return answer({ error: 'bad_verification_code' });
      if (form['redirect_uri'] !== grant.redirectUri) return answer({ error: 'redirect_uri_mismatch' });
      const token = `gho_${crypto.randomUUID().replaceAll('-', '')}`;
      this.tokens.set(token, grant.user);
      return answer({ access_token: token, scope: 'read:user,user:email', token_type: 'bearer' });
    });

    app.use('/api/*', async (c, next) => {
      if (!c.req.header('user-agent')) return c.json({ message: 'Request forbidden' }, 403);
      if (!this.userOf(c.req.header('authorization'))) return c.json({ message: 'Bad credentials' }, 401);
      return next();
    });
    app.get('/api/user', (c) => {
      const { emails: _emails, ...profile } = this.userOf(c.req.header('authorization'))!;
      return c.json({ ...profile, avatar_url: `https://avatars.example/${profile.id}`, type: 'User' });
    });
    app.get('/api/user/emails', (c) => c.json(this.userOf(c.req.header('authorization'))!.emails));
    return app;
  }

  private userOf(authorization = ''): GithubUser | undefined {
    return this.tokens.get(authorization.replace(/^(bearer|token) /i, ''));
  }
}

const s256 = (verifier: string) => createHash('sha256').update(verifier).digest('base64url');
