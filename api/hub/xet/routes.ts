/**
 * Xet, for uploads: what huggingface_hub with hf_xet speaks for files that are too large for a commit. Downloads never name it,
 * and nothing is told of what is stored already.
 */
import { type Context, Hono } from 'hono';
import { type AppEnv, absolute, requirePrincipal } from '../../context.ts';
import { ApiError, problemJson } from '../../errors.ts';
import type { PublishDeps } from '../../versions.ts';
import { findTarget } from '../commit.ts';
import { keepXorb, MAX_SHARD, type Session, takeShard } from './ingest.ts';

/** The key that was shown is the token: it lives as long as it lives. */
const TOKEN_SECONDS = 3600;
const HASH = /^[0-9a-f]{64}$/;
const CAS = '/cas/:owner/:name/:session{[0-9a-f-]{36}}';

export function xetRoutes(deps: PublishDeps) {
  const app = new Hono<AppEnv>();

  app.get('/api/models/:owner/:name/xet-write-token/:revision', async (c) => {
    const principal = requirePrincipal(c, 'publish', 'admin');
    const { id } = await findTarget(deps, principal, c.req.param());
    const casUrl = absolute(c, `/cas/${id}/${crypto.randomUUID()}`);
    const accessToken = c.req.header('authorization')!.replace(/^Bearer\s+/i, '');
    const exp = Math.floor(deps.now().getTime() / 1000) + TOKEN_SECONDS;
    return c.json({ accessToken, exp, casUrl }, 200, {
      'x-xet-access-token': accessToken,
      'x-xet-token-expiration': String(exp),
      'x-xet-cas-url': casUrl,
      'cache-control': 'no-store',
    });
  });

  const sessionOf = async (c: Context<AppEnv>): Promise<Session> => {
    const principal = requirePrincipal(c, 'publish', 'admin');
    const { owner = '', name = '', session = '' } = c.req.param() as Record<string, string>;
    const { id } = await findTarget(deps, principal, { owner, name });
    return { principal, target: id, id: session };
  };

  // Whether a chunk is here already would tell what others have: it never is.
  app.get(`${CAS}/v1/chunks/:prefix/:hash`, async (c) => {
    await sessionOf(c);
    return nothing(c);
  });

  app.post(`${CAS}/v1/xorbs/:prefix/:hash`, async (c) => {
    const session = await sessionOf(c);
    const hash = c.req.param('hash');
    if (!HASH.test(hash))
      throw new ApiError('invalid_request', 'hash: must be 64 hexadecimal digits.', { field: 'hash' });
    await keepXorb(deps, session, hash, bodyOf(c));
    return c.json({ was_inserted: true });
  });

  // The newer form is not spoken; clients then use the older one.
  app.post(`${CAS}/v2/shards`, async (c) => {
    await sessionOf(c);
    return nothing(c);
  });

  for (const path of [`${CAS}/v1/shards`, `${CAS}/shards`])
    app.post(path, async (c) => {
      const session = await sessionOf(c);
      await takeShard(deps, session, await bytesOf(c, MAX_SHARD));
      return c.json({ result: 1 });
    });
  return app;
}

/** Xet sends up to 64 MiB at once, which some deployments cannot take; its clients learn what to do instead. */
export function withoutXet() {
  const app = new Hono<AppEnv>();
  app.get('/api/models/:owner/:name/xet-write-token/:revision', () => {
    throw new ApiError(
      'not_found',
      'This server does not speak Xet: set HF_HUB_DISABLE_XET=1, and large files go straight to the object store.',
    );
  });
  return app;
}

const nothing = (c: Context<AppEnv>) =>
  c.json(problemJson(new ApiError('not_found', 'There is nothing here.'), c.get('requestId')), 404);

function bodyOf(c: Context<AppEnv>): AsyncIterable<Uint8Array> {
  const { body } = c.req.raw;
  if (!body) throw new ApiError('invalid_request', 'The body is empty.');
  return body;
}

async function bytesOf(c: Context<AppEnv>, limit: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of bodyOf(c)) {
    size += chunk.length;
    if (size > limit) throw new ApiError('too_large', `More than ${limit} bytes came.`);
    chunks.push(chunk);
  }
  const whole = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}
