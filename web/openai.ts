/** OpenAI's own client against this server; the session's cookie says who asks. */
import OpenAI from 'openai';

export const openai = () =>
  new OpenAI({
    baseURL: `${location.origin}/v1`,
    apiKey: 'cookie',
    defaultHeaders: { authorization: null },
    dangerouslyAllowBrowser: true, // there is no key in the browser
    maxRetries: 0,
    // With the constructor of its answers: else the client fetches a data: URL to find it, which no page may do here.
    fetch: Object.assign((url: string | URL | Request, init?: RequestInit) => fetch(url, init), { Response }),
  });
