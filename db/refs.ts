/** Branches and tags: names that a publisher gives to versions of an adapter, and moves. */
import { and, count, eq } from 'drizzle-orm';
import type { Database } from './open.ts';
import { events, type RefKind, refs } from './schema.ts';

export type Ref = Pick<typeof refs.$inferSelect, 'kind' | 'name' | 'number'>;

/** Of one adapter: every page about it carries all of them. */
export const MAX_REFS = 1000;

type NewRef = Ref & { readonly adapterId: string };

/** @param overwrite moves the name, where it is there. @returns why it was not made */
export function createRef(
  db: Database,
  { adapterId, kind, name, number }: NewRef,
  { actor, overwrite }: { actor: string; overwrite: boolean },
): Promise<'exists' | 'too many' | undefined> {
  return db.transaction(async (tx) => {
    const [held] = await tx.select({ refs: count() }).from(refs).where(eq(refs.adapterId, adapterId));
    if (held!.refs >= MAX_REFS) return 'too many';
    const insert = tx.insert(refs).values({ adapterId, kind, name, number });
    const made = await (overwrite
      ? insert.onConflictDoUpdate({ target: [refs.adapterId, refs.kind, refs.name], set: { number } })
      : insert.onConflictDoNothing()
    ).returning({ name: refs.name });
    if (made.length === 0) return 'exists';
    const data = { name, number };
    await tx.insert(events).values({ actor, kind: `${kind}.created`, subject: adapterId, data });
    return undefined;
  });
}

/** @returns false: there was none */
export function deleteRef(
  db: Database,
  { adapterId, kind, name }: Omit<NewRef, 'number'>,
  actor: string,
): Promise<boolean> {
  return db.transaction(async (tx) => {
    const gone = await tx
      .delete(refs)
      .where(isRef(adapterId, kind, name))
      .returning({ number: refs.number });
    for (const { number } of gone) {
      const data = { name, number };
      await tx.insert(events).values({ actor, kind: `${kind}.deleted`, subject: adapterId, data });
    }
    return gone.length > 0;
  });
}

export async function branchTip(tx: Database, adapterId: string, name: string): Promise<number | undefined> {
  const [row] = await tx
    .select({ number: refs.number })
    .from(refs)
    .where(isRef(adapterId, 'branch', name));
  return row?.number;
}

export async function moveBranch(
  tx: Database,
  adapterId: string,
  name: string,
  number: number,
): Promise<void> {
  await tx
    .update(refs)
    .set({ number })
    .where(isRef(adapterId, 'branch', name));
}

const isRef = (adapterId: string, kind: RefKind, name: string) =>
  and(eq(refs.adapterId, adapterId), eq(refs.kind, kind), eq(refs.name, name));
