/**
 * How often anybody may ask: so many requests in five minutes, counted apart for downloads, answers and everything else, by key or
 * by address. Told in the IETF's `RateLimit` headers, which huggingface_hub reads and waits by.
 */
import type { Context, MiddlewareHandler } from 'hono';
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible';
import { count } from '../observe/metrics.ts';
import type { AppEnv } from './context.ts';
import { ApiError } from './errors.ts';

const WINDOW_SECONDS = 300;

type Bucket = 'api' | 'resolvers' | 'inference';

/** Requests of a window. */
const LIMITS: Readonly<Record<Bucket, { readonly anonymous: number; readonly key: number }>> = {
  api: { anonymous: 3_000, key: 10_000 },
  resolvers: { anonymous: 6_000, key: 30_000 },
  inference: { anonymous: 600, key: 10_000 },
};

/** @param factor of all limits. @param addressOf who is asking without a key */
export function limitRequests(
  factor: number,
  addressOf: (c: Context<AppEnv>) => string,
): MiddlewareHandler<AppEnv> {
  const limiters = new Map<string, RateLimiterMemory>();
  const limiterOf = (bucket: Bucket, who: 'anonymous' | 'key') => {
    const name = `${bucket} ${who}`;
    const known = limiters.get(name);
    if (known) return known;
    const points = Math.max(1, Math.round(LIMITS[bucket][who] * factor));
    const made = new RateLimiterMemory({ points, duration: WINDOW_SECONDS });
    limiters.set(name, made);
    return made;
  };
  return async (c, next) => {
    const bucket = bucketOf(c.req.path);
    const principal = c.get('principal');
    if (principal?.scopes.has('admin')) return next();
    const limiter = limiterOf(bucket, principal ? 'key' : 'anonymous');
    const { left, seconds } = await take(limiter, principal?.keyId ?? addressOf(c));
    c.set('rateLimit', {
      policy: `"fixed window";"${bucket}";q=${limiter.points};w=${WINDOW_SECONDS}`,
      state: `"${bucket}";r=${Math.max(0, left)};t=${seconds}`,
    });
    if (left < 0) {
      count('patchbay_rate_limited_total', 1, { bucket });
      throw new ApiError('rate_limited', `More than ${limiter.points} requests in five minutes.`, {
        retryAfterSeconds: seconds,
      });
    }
    await next();
  };
}

/** @returns what is left of the window, -1 when it was used up before */
async function take(limiter: RateLimiterMemory, who: string): Promise<{ left: number; seconds: number }> {
  const state = await limiter.consume(who).then(
    (consumed) => ({ left: consumed.remainingPoints, after: consumed }),
    (refused: unknown) => {
      if (refused instanceof RateLimiterRes) return { left: -1, after: refused };
      throw refused;
    },
  );
  return { left: state.left, seconds: Math.ceil(state.after.msBeforeNext / 1000) };
}

function bucketOf(path: string): Bucket {
  if (path.startsWith('/v1/chat/') || path.startsWith('/v1/completions') || path === '/api/warm')
    return 'inference';
  return /^\/[^/]+\/[^/]+\/(resolve|raw)\//.test(path) || path.includes('/files/') ? 'resolvers' : 'api';
}
