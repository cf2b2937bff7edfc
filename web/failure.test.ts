import { APIConnectionError, APIError } from 'openai';
import { expect, it, vi } from 'vitest';
import { Problem } from './api.ts';
import { passesIn, patiently, said } from './failure.ts';

const busy = (headers?: Headers) =>
  APIError.generate(429, { error: { message: 'Slowly.' } }, undefined, headers ?? new Headers());
const unreached = new TypeError('Failed to fetch');

it('tells what passes by itself from what does not', () => {
  expect(passesIn(unreached)).toBeGreaterThan(0);
  expect(passesIn(new APIConnectionError({ message: 'Connection error.' }))).toBeGreaterThan(0);
  expect(passesIn(new Problem({}, 503))).toBeGreaterThan(0);
  expect(passesIn(new Problem({}, 429, 7))).toBe(7_000);
  expect(passesIn(busy(new Headers({ 'retry-after': '5' })))).toBe(5_000);
  for (const status of [400, 401, 403, 404, 409, 422])
    expect(passesIn(new Problem({}, status))).toBeUndefined();
  expect(passesIn(new Error('a part did not get through'))).toBeUndefined();
});

it('says it without what only programs need', () => {
  expect(said(unreached)).toContain('cannot be reached');
  expect(said(new APIConnectionError({ message: 'Connection error.' }))).toContain('cannot be reached');
  expect(
    said(APIError.generate(401, { error: { message: 'This needs a key.' } }, undefined, new Headers())),
  ).toBe('Your session is over.');
  expect(said(busy())).toBe('Slowly.');
  expect(said(new Problem({ detail: 'It is there.' }, 409))).toBe('It is there.');
});

it('asks again after what passes, and says so meanwhile', async () => {
  vi.useFakeTimers();
  const tell = vi.fn();
  const ask = vi
    .fn()
    .mockRejectedValueOnce(unreached)
    .mockRejectedValueOnce(new Problem({}, 503))
    .mockResolvedValue('there');
  const answer = patiently(ask, tell);
  await vi.runAllTimersAsync();
  expect(await answer).toBe('there');
  expect(tell).toHaveBeenCalledTimes(2);
  await expect(patiently(() => Promise.reject(new Problem({}, 404)), tell)).rejects.toThrow();
  expect(tell).toHaveBeenCalledTimes(2);
  vi.useRealTimers();
});
