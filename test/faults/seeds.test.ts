/**
 * Runs of the fault harness (docs/faults.md) that anybody can repeat: seeds that once found something, and a few more. `npm run bench --
 * faults` does hundreds.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { blobKey } from '../../functions/object-keys.ts';
import { canMount } from './disk.ts';
import { Faults } from './episode.ts';
import { leftOver } from './left-over.ts';
import { RECIPES } from './load/training.ts';
import { planOf } from './plan.ts';

/** What each of them found is mended, and has a test of its own beside what was mended. */
const SEEDS = [
  [4, 'a full disk of the runner that trains: jobs failed, and versions were refused'],
  [6, 'Postgres crashes: the API ended with it, and what was asked was answered 500'],
  [2005, 'Postgres crashes while answers are got together: the API ended with a failure that nobody awaited'],
] as const;

/** A run takes a quarter of a minute; a machine that is busy with something else takes longer to settle. */
const PATIENCE_MS = 240_000;

/** A small disk is mounted, which only root may do, and not in every container. */
const fillsDisks = (seed: number) =>
  planOf(seed, RECIPES.length).faults.some(({ kind }) => kind === 'disk full');

describe('whatever goes wrong, nothing is lost', () => {
  let faults: Faults;

  beforeAll(async () => {
    faults = await Faults.start();
  }, PATIENCE_MS);

  afterAll(() => faults?.stop());

  for (const [seed, what] of SEEDS)
    it.skipIf(!canMount() && fillsDisks(seed))(
      `seed ${seed}: ${what}`,
      async () => {
        const run = await faults.run(seed);
        expect(run.violations, `${run.story}\nagain: node test/faults/run.ts --seed ${seed}`).toEqual([]);
      },
      PATIENCE_MS,
    );

  it('and what is lost is seen', async () => {
    const { database, store } = faults.deployment;
    const { rows } = await database.query<{ sha256: string }>('select sha256 from version_files limit 1');
    await store.remove(blobKey(rows[0]!.sha256));
    expect(await leftOver(faults.deployment)).toContainEqual(
      expect.stringMatching(new RegExp(`^blobs/${rows[0]!.sha256} of .* is no bytes instead of`)),
    );
  });
});
