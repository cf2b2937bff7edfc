/**
 * `fetch`, not Node's own, which ends the process when a store closes the connection before a slow disk has taken the last bytes:
 * github.com/nodejs/undici/issues/5360, mended in this one. Its agent is named, because it shares Node's if that was there first.
 */
import { Agent, type RequestInit, type Response, fetch as undici } from 'undici';

/** Each caller has a limit of its own: what is large, and what is read back by the API, takes longer than the five minutes here. */
const dispatcher = new Agent({ headersTimeout: 0, bodyTimeout: 0 });

export const fetch = (url: string, init: RequestInit = {}): Promise<Response> =>
  undici(url, { ...init, dispatcher });
