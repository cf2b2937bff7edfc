/** Who was trained from whom. */
import { findVersion, madeFrom, type Version } from '../db/adapters.ts';
import type { Database } from '../db/open.ts';

/** Of one version: nobody draws more. */
const MAX_CHILDREN = 50;
const MAX_DESCENDANTS = 200;
const MAX_ANCESTORS = 50;

const referenceOf = ({ adapterId, number }: Version): string => `${adapterId}@${number}`;

/** What is not listed is left out, and what comes behind it. */
export async function familyOf(db: Database, version: Version) {
  return {
    base: version.baseId,
    ancestors: await ancestorsOf(db, version),
    descendants: await descendantsOf(db, version),
  };
}

async function ancestorsOf(db: Database, version: Version): Promise<string[]> {
  const ancestors: string[] = [];
  for (let at: Version | undefined = version; at?.lineage?.parent && ancestors.length < MAX_ANCESTORS; ) {
    const [id = '', number] = at.lineage.parent.split('@');
    at = await findVersion(db, id, Number(number));
    if (at) ancestors.push(referenceOf(at));
  }
  return ancestors;
}

/** Nearest first. */
async function descendantsOf(db: Database, version: Version) {
  const descendants: { reference: string; parent: string }[] = [];
  let parents = [referenceOf(version)];
  while (parents.length > 0 && descendants.length < MAX_DESCENDANTS) {
    const found = await Promise.all(
      parents.map(async (parent) =>
        (await madeFrom(db, parent, MAX_CHILDREN)).map((child) => ({
          reference: referenceOf(child),
          parent,
        })),
      ),
    );
    const children = found.flat().slice(0, MAX_DESCENDANTS - descendants.length);
    descendants.push(...children);
    parents = children.map(({ reference }) => reference);
  }
  return descendants;
}
