import { describe, expect, it } from 'vitest';
import { doneByOne, LANES, leasingRunners } from './lanes.ts';
import { ON_RUNNERS } from './on-runners.ts';
import { verify } from './verify.ts';

it('every function that is leased has a lane', () => {
  const leased = ON_RUNNERS.filter(({ trigger }) => trigger.kind === 'queue').map(({ name }) => name);
  expect(
    LANES.flat()
      .map(({ name }) => name)
      .sort(),
  ).toEqual(leased.sort());
});

describe('runners that work on leases', () => {
  it.each([
    ['nothing', {}, 0],
    ['a job and what it has published', { train: 1, verify: 1 }, 1],
    ['as many jobs as one trains together', { train: 8 }, 1],
    ['one more', { train: 9 }, 2],
    ['some publishes of seconds each', { verify: 5 }, 1],
    ['what one runner does not get done while another starts', { verify: 3 * doneByOne(verify.needs) }, 3],
    ['short tasks of both kinds, in one lane', { evaluate: 3, merge: 3 }, 2],
    ['versions to be trained again', { reproduce: 3 }, 3],
    ['work in every lane', { train: 8, verify: 10, evaluate: 1, merge: 1, reproduce: 1 }, 1],
    ['a function that is no more', { gone: 4 }, 0],
  ])('for %s', (_what, open, runners) => {
    expect(leasingRunners(open)).toBe(runners);
  });
});
