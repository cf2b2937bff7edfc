import { describe, expect, it } from 'vitest';
import { evaluate } from './evaluate.ts';
import { doneByOne, LANES, leasingRunners, memoryMiB } from './lanes.ts';
import { merge } from './merge.ts';
import { ON_RUNNERS } from './on-runners.ts';
import { reproduce } from './reproduce.ts';
import { train } from './train.ts';
import { verify } from './verify.ts';
import { warm } from './warm.ts';

it('every function that is leased has a lane', () => {
  const leased = ON_RUNNERS.filter(({ trigger }) => trigger.kind === 'queue').map(({ name }) => name);
  expect(
    LANES.flat()
      .map(({ name }) => name)
      .sort(),
  ).toEqual(leased.sort());
});

describe('the memory of a runner', () => {
  it('is the sum of its lanes, in which one thing is done at a time', () => {
    expect(memoryMiB([verify])).toBe(verify.needs.memoryMiB);
    expect(memoryMiB([evaluate, merge])).toBe(Math.max(evaluate.needs.memoryMiB, merge.needs.memoryMiB));
    expect(memoryMiB(ON_RUNNERS)).toBe(
      train.needs.memoryMiB + verify.needs.memoryMiB + memoryMiB([evaluate, merge]),
    );
  });

  it('is shared by what trains, and is not asked of what no lane has', () => {
    expect(memoryMiB([train, reproduce])).toBe(Math.max(train.needs.memoryMiB, reproduce.needs.memoryMiB));
    expect(memoryMiB([warm])).toBe(0);
  });
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
