import { expect, it } from 'vitest';
import { InFlight } from './in-flight.ts';

it('adds to a report what began since, and takes off what ended since', () => {
  let now = 0;
  const inFlight = new InFlight(() => now);
  const at = (time: number) => {
    now = time;
    return inFlight;
  };
  const first = at(1).begin('a', 2);
  const second = at(2).begin('a', 1);
  // A report of time 5, which knows of both, and of four from elsewhere.
  expect(inFlight.load('a', 7, 5)).toBe(7);
  at(6);
  first();
  expect(inFlight.load('a', 7, 5)).toBe(5);
  at(7).begin('a', 3);
  expect(inFlight.load('a', 7, 5)).toBe(8);
  // What has ended before the next report is in it.
  expect(inFlight.load('a', 8, 8)).toBe(8);
  // A report that does not know of ours yet: they are there all the same.
  expect(inFlight.load('a', 0, 8)).toBe(4);
  at(9);
  second();
  second();
  expect(inFlight.load('a', 0, 8)).toBe(3);
  expect(inFlight.load('b', 2, 8)).toBe(2);
});
