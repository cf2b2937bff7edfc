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
  expect(inFlight.loads('a', 7, 5, 1).load).toBe(7);
  at(6);
  first();
  expect(inFlight.loads('a', 7, 5, 1).load).toBe(5);
  at(7).begin('a', 3);
  expect(inFlight.loads('a', 7, 5, 1).load).toBe(8);
  // What has ended before the next report is in it.
  expect(inFlight.loads('a', 8, 8, 1).load).toBe(8);
  // A report that does not know of ours yet: they are there all the same.
  expect(inFlight.loads('a', 0, 8, 1).load).toBe(4);
  at(9);
  second();
  second();
  expect(inFlight.loads('a', 0, 8, 1).load).toBe(3);
  expect(inFlight.loads('b', 2, 8, 1).load).toBe(2);
});

it('supposes that others have begun as much as this process has', () => {
  let now = 0;
  const inFlight = new InFlight(() => now);
  const early = inFlight.begin('a', 1);
  now = 2;
  const late = inFlight.begin('a', 1);
  expect(inFlight.loads('a', 5, 1, 4)).toEqual({ known: 5 + 1, load: 5 + 4 });
  // Of what the report knew, the others may still be there.
  early();
  expect(inFlight.loads('a', 5, 1, 4)).toEqual({ known: 5, load: 5 + 4 - 1 });
  late();
  expect(inFlight.loads('a', 5, 1, 4)).toEqual({ known: 5 - 1, load: 5 - 1 });
});
