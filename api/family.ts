/** Who was trained from whom. */
import { madeFrom, type Version } from '../db/adapters.ts';
import type { Database } from '../db/open.ts';
import { findVisible, privateOf, type Viewer } from './access.ts';

/** Of one version: nobody draws more. */
const MAX_CHILDREN = 50;
const MAX_DESCENDANTS = 200;
const MAX_ANCESTORS = 50;

const referenceOf = ({ adapterId, number }: Version): string => `${adapterId}@${number}`;

/** What is not listed, or not for this viewer, is left out, and what comes behind it. */
export async function familyOf(db: Database, viewer: Viewer, version: Version) {
  return {
    base: version.baseId,
    ancestors: await ancestorsOf(db, viewer, version),
    descendants: await descendantsOf(db, viewer, version),
  };
}

async function ancestorsOf(db: Database, viewer: Viewer, version: Version): Promise<string[]> {
  const ancestors: string[] = [];
  for (let at: Version | undefined = version; at?.lineage?.parent && ancestors.length < MAX_ANCESTORS; ) {
    const [id = '', number]: string[] = at.lineage.parent.split('@');
    at = (await findVisible(db, viewer, id, Number(number)))?.version;
    if (at) ancestors.push(referenceOf(at));
  }
  return ancestors;
}

/** Nearest first. */
async function descendantsOf(db: Database, viewer: Viewer, version: Version) {
  const descendants: { reference: string; parent: string }[] = [];
  let parents = [referenceOf(version)];
  while (parents.length > 0 && descendants.length < MAX_DESCENDANTS) {
    const found = await Promise.all(
      parents.map(async (parent) =>
        (await madeFrom(db, parent, privateOf(viewer), MAX_CHILDREN)).map((child) => ({
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
