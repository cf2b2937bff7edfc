/**
 * How often anybody may ask: token buckets that fill in five minutes, counted apart for downloads, answers and everything else, by
 * key or by address; and by address alone for signing in and for keys that are not valid. All API processes draw from the same buckets, and each draws ahead as much as it is asked for: a statement for
 * about every second of somebody's requests, not for each. Told in the IETF's `RateLimit` headers, which huggingface_hub reads and
 * waits by.
 */
import type { Context, MiddlewareHandler } from 'hono';
import { LRUCache } from 'lru-cache';
import type { Database } from '../db/open.ts';
import { drawTokens } from '../db/rate-buckets.ts';
import { count } from '../observe/metrics.ts';
import type { AppEnv } from './context.ts';
import { ApiError } from './errors.ts';

const WINDOW_SECONDS = 300;
/** Whoever draws again within this time draws twice as much. */
const BUSY_MS = 1000;
const FIRST_DRAW = 4;
/** Of a full bucket, at most this share is drawn at once: what one process has drawn, no other can give. */
const DRAWN_SHARE = 0.01;
const KNOWN = 50_000;

type Bucket = 'api' | 'resolvers' | 'inference' | 'sign-in' | 'invalid-keys';

/** Requests of a full bucket; without a limit for keys, it is an address's, whoever asks from there. */
const LIMITS: Readonly<Record<Bucket, { readonly anonymous: number; readonly key?: number }>> = {
  api: { anonymous: 3_000, key: 10_000 },
  resolvers: { anonymous: 6_000, key: 30_000 },
  inference: { anonymous: 600, key: 10_000 },
  'sign-in': { anonymous: 30 },
  'invalid-keys': { anonymous: 600 },
};

/** As a refusal calls them. */
const COUNTED: Readonly<Record<Bucket, string>> = {
  api: 'requests',
  resolvers: 'requests',
  inference: 'requests',
  'sign-in': 'attempts to sign in or up',
  'invalid-keys': 'keys that are not valid',
};

/** Where a password can be guessed, or accounts made by the thousand. */
const GUESSING = /^\/api\/auth\/(sign-in|sign-up|change-password)(\/|$)/;

/** What this process knows of somebody's bucket; times are of its own clock, in milliseconds. */
interface Held {
  /** Drawn, and not used yet. */
  tokens: number;
  /** By the last draw. */
  wanted: number;
  drawnAt: number;
  fullAt: number;
  /** No use to draw before then. */
  emptyUntil: number;
}

export class Limits {
  private readonly tokens: Tokens;
  private readonly factor: number;
  private readonly addressOf: (c: Context<AppEnv>) => string;

  /** @param factor of all limits. @param addressOf who is asking without a key */
  constructor(db: Database, factor: number, addressOf: (c: Context<AppEnv>) => string) {
    this.tokens = new Tokens(db);
    this.factor = factor;
    this.addressOf = addressOf;
  }

  /** Stands behind authentication. */
  readonly requests: MiddlewareHandler<AppEnv> = async (c, next) => {
    const bucket = bucketOf(c.req.path);
    const { key } = LIMITS[bucket];
    const principal = key === undefined ? undefined : c.get('principal');
    if (!principal?.scopes.has('admin')) await this.take(c, bucket, principal?.keyId);
    await next();
  };

  /**
   * To look a key up takes statements: from an address that sent too many that are not valid, no more are looked up.
   * @param authenticate is to call what it is given before it looks anything up
   * @throws ApiError rate_limited, and what `authenticate` throws
   */
  async authenticating<T>(
    c: Context<AppEnv>,
    authenticate: (beforeLookUp: () => void) => Promise<T>,
  ): Promise<T> {
    const bucket = 'invalid-keys';
    try {
      return await authenticate(() => {
        const seconds = this.tokens.knownEmpty(bucket, this.addressOf(c));
        const capacity = this.capacityOf(bucket, undefined);
        if (seconds > 0) this.tell(c, { bucket, capacity, granted: false, left: 0, seconds });
      });
    } catch (error) {
      if (error instanceof ApiError && error.code === 'unauthorized') await this.take(c, bucket, undefined);
      throw error;
    }
  }

  /** @throws ApiError rate_limited */
  private async take(c: Context<AppEnv>, bucket: Bucket, keyId: string | undefined): Promise<void> {
    const capacity = this.capacityOf(bucket, keyId);
    const taken = await this.tokens.take(bucket, keyId ?? this.addressOf(c), capacity);
    this.tell(c, { bucket, capacity, ...taken });
  }

  /** @throws ApiError rate_limited, where nothing is left */
  private tell(
    c: Context<AppEnv>,
    { bucket, capacity, granted, left, seconds }: Taken & { bucket: Bucket; capacity: number },
  ): void {
    c.set('rateLimit', {
      policy: `"${bucket}";q=${capacity};w=${WINDOW_SECONDS}`,
      state: `"${bucket}";r=${left};t=${seconds}`,
    });
    if (granted) return;
    count('patchbay_rate_limited_total', 1, { bucket });
    throw new ApiError(
      'rate_limited',
      `More than ${capacity} ${COUNTED[bucket]} in five minutes; the next may come in ${seconds} s.`,
      { retryAfterSeconds: seconds },
    );
  }

  private capacityOf(bucket: Bucket, keyId: string | undefined): number {
    const { anonymous, key = anonymous } = LIMITS[bucket];
    return Math.max(1, Math.round((keyId === undefined ? anonymous : key) * this.factor));
  }
}

interface Taken {
  readonly granted: boolean;
  readonly left: number;
  /** Until there is all of it, or, where nothing is left, the next one. */
  readonly seconds: number;
}

class Tokens {
  private readonly held = new LRUCache<string, Held>({ max: KNOWN, ttl: WINDOW_SECONDS * 1000 });
  private readonly db: Database;

  constructor(db: Database) {
    this.db = db;
  }

  async take(bucket: Bucket, who: string, capacity: number): Promise<Taken> {
    const held = this.of(`${bucket} ${who}`);
    if (held.tokens === 0 && performance.now() >= held.emptyUntil) {
      await this.draw(held, bucket, who, capacity);
    }
    const now = performance.now();
    if (held.tokens === 0) {
      return { granted: false, left: 0, seconds: Math.ceil(Math.max(1, (held.emptyUntil - now) / 1000)) };
    }
    held.tokens -= 1;
    const lack = Math.max(0, held.fullAt - now) / 1000;
    const inBucket = Math.max(0, Math.floor(capacity * (1 - lack / WINDOW_SECONDS)));
    return { granted: true, left: inBucket + held.tokens, seconds: Math.ceil(lack) };
  }

  /** @returns in how many seconds there is one again, as far as is known without asking; 0: there may be one now */
  knownEmpty(bucket: Bucket, who: string): number {
    const held = this.held.get(`${bucket} ${who}`);
    if (!held || held.tokens > 0) return 0;
    return Math.ceil(Math.max(0, held.emptyUntil - performance.now()) / 1000);
  }

  private of(id: string): Held {
    const known = this.held.get(id);
    if (known) return known;
    const held: Held = { tokens: 0, wanted: 0, drawnAt: 0, fullAt: 0, emptyUntil: 0 };
    this.held.set(id, held);
    return held;
  }

  /** Requests that find nothing at the same time draw each for themselves: at the edge, none may wait for what another began. */
  private async draw(held: Held, bucket: Bucket, who: string, capacity: number): Promise<void> {
    const size = { capacity, window: WINDOW_SECONDS };
    held.wanted = howMany(held, capacity);
    const { granted, lack } = await drawTokens(this.db, bucket, who, size, held.wanted);
    const now = performance.now();
    const perToken = WINDOW_SECONDS / capacity;
    held.tokens += granted;
    held.drawnAt = now;
    held.fullAt = now + lack * 1000;
    held.emptyUntil = granted > 0 ? 0 : now + (perToken - (WINDOW_SECONDS - lack)) * 1000;
  }
}

function howMany({ wanted, drawnAt }: Held, capacity: number): number {
  const most = Math.max(1, Math.floor(capacity * DRAWN_SHARE));
  if (wanted === 0) return Math.min(FIRST_DRAW, most);
  const isBusy = performance.now() - drawnAt < BUSY_MS;
  return Math.min(most, Math.max(1, isBusy ? wanted * 2 : Math.floor(wanted / 2)));
}

function bucketOf(path: string): Bucket {
  if (GUESSING.test(path)) return 'sign-in';
  if (path.startsWith('/v1/chat/') || path.startsWith('/v1/completions') || path === '/api/warm')
    return 'inference';
  return /^\/[^/]+\/[^/]+\/(resolve|raw)\//.test(path) || path.includes('/files/') ? 'resolvers' : 'api';
}
