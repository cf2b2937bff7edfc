/** People, organisations and who belongs to them; what they settled for their adapters, and who may use gated ones. */
import { and, arrayContains, asc, count, eq, ne, sql } from 'drizzle-orm';
import { labelOf } from './catalog-labels.ts';
import type { Database } from './open.ts';
import {
  type ACCESS_STATUSES,
  accessRequests,
  account,
  adapterSettings,
  adapters,
  bases,
  events,
  type Gate,
  members,
  type Role,
  session,
  user,
  type Visibility,
} from './schema.ts';

export type Person = typeof user.$inferSelect;
export type AccessStatus = (typeof ACCESS_STATUSES)[number];

export async function findPerson(db: Database, name: string): Promise<Person | undefined> {
  const [row] = await db.select().from(user).where(eq(user.name, name));
  return row;
}

/** Under which a user pays. */
export async function nameOf(db: Database, userId: string): Promise<string> {
  const [row] = await db.select({ name: user.name }).from(user).where(eq(user.id, userId));
  return row!.name;
}

/** By organisation. */
export async function rolesOf(db: Database, userId: string): Promise<Map<string, Role>> {
  const rows = await db.select().from(members).where(eq(members.userId, userId));
  return new Map(rows.map(({ organisation, role }) => [organisation, role]));
}

/** @returns false: the name is taken */
export function createOrganisation(db: Database, name: string, adminId: string): Promise<boolean> {
  return db.transaction(async (tx) => {
    const made = await insertPerson(tx, { name, kind: 'organisation' });
    if (!made) return false;
    await tx.insert(members).values({ organisation: name, userId: adminId, role: 'admin' });
    await tx.insert(events).values({ actor: adminId, kind: 'organisation.created', subject: name, data: {} });
    return true;
  });
}

/** @returns undefined: the name is taken */
export function createServiceAccount(
  db: Database,
  { organisation, name, role, actor }: { organisation: string; name: string; role: Role; actor: string },
): Promise<Person | undefined> {
  return db.transaction(async (tx) => {
    const made = await insertPerson(tx, { name, kind: 'service', organisation });
    if (!made) return undefined;
    await tx.insert(members).values({ organisation, userId: made.id, role });
    await tx.insert(events).values({ actor, kind: 'service_account.created', subject: name, data: { role } });
    return made;
  });
}

/** Where no address is known: nobody has one there. */
export const noEmail = (name: string): string => `${name}@users.patchbay.invalid`;

/**
 * A password for somebody who is new, has only keys, or has lost theirs; then whoever is signed in is signed out.
 * @param password as it is kept. @returns what stands in the way
 */
export function givePassword(
  db: Database,
  { name, email, password, actor }: { name: string; email: string; password: string; actor: string },
): Promise<'given' | 'not a person' | 'other email' | 'email taken'> {
  return db.transaction(async (tx) => {
    const [other] = await tx.select({ name: user.name }).from(user).where(eq(user.email, email));
    if (other && other.name !== name) return 'email taken';
    await tx.insert(user).values({ id: crypto.randomUUID(), name, email }).onConflictDoNothing();
    const [person] = await tx.select().from(user).where(eq(user.name, name)).for('update');
    if (person?.kind !== 'person') return 'not a person';
    if (person.email !== email && person.email !== noEmail(name)) return 'other email';
    await tx.update(user).set({ email }).where(eq(user.id, person.id));
    const own = and(eq(account.userId, person.id), eq(account.providerId, 'credential'));
    const changed = await tx.update(account).set({ password }).where(own).returning({ id: account.id });
    if (changed.length === 0)
      await tx.insert(account).values({
        id: crypto.randomUUID(),
        userId: person.id,
        accountId: person.id,
        providerId: 'credential',
        password,
      });
    await tx.delete(session).where(eq(session.userId, person.id));
    await tx.insert(events).values({ actor, kind: 'password.given', subject: name, data: { email } });
    return 'given';
  });
}

async function insertPerson(
  tx: Database,
  person: Pick<typeof user.$inferInsert, 'name' | 'kind' | 'organisation'>,
): Promise<Person | undefined> {
  if (await isPublishedUnder(tx, person.name)) return undefined;
  const [made] = await tx
    .insert(user)
    .values({ ...person, id: crypto.randomUUID(), email: noEmail(person.name) })
    .onConflictDoNothing()
    .returning();
  return made;
}

export async function isTaken(db: Database, name: string): Promise<boolean> {
  return (await findPerson(db, name)) !== undefined || isPublishedUnder(db, name);
}

/** Names that models are under, though no account has them, are not given away. */
async function isPublishedUnder(tx: Database, name: string): Promise<boolean> {
  const label = labelOf('owner', name);
  const found = await tx
    .select({ id: adapters.id })
    .from(adapters)
    .where(arrayContains(adapters.labels, [label]))
    .limit(1);
  const base = await tx
    .select({ id: bases.id })
    .from(bases)
    .where(sql`starts_with(${bases.id}, ${`${name}/`})`)
    .limit(1);
  return found.length > 0 || base.length > 0;
}

export function listMembers(db: Database, organisation: string) {
  return db
    .select({ name: user.name, kind: user.kind, role: members.role, createdAt: members.createdAt })
    .from(members)
    .innerJoin(user, eq(user.id, members.userId))
    .where(eq(members.organisation, organisation))
    .orderBy(asc(user.name));
}

/** @param role undefined: leaves. @returns false: the organisation would be left without an admin */
export function setMember(
  db: Database,
  {
    organisation,
    userId,
    role,
    actor,
  }: { organisation: string; userId: string; role: Role | undefined; actor: string },
): Promise<boolean> {
  return db.transaction(async (tx) => {
    await tx.select().from(user).where(eq(user.name, organisation)).for('update');
    const others = and(
      eq(members.organisation, organisation),
      eq(members.role, 'admin'),
      ne(members.userId, userId),
    );
    const [left] = await tx.select({ admins: count() }).from(members).where(others);
    if (role !== 'admin' && left!.admins === 0) return false;
    const one = and(eq(members.organisation, organisation), eq(members.userId, userId));
    if (role === undefined) await tx.delete(members).where(one);
    else
      await tx
        .insert(members)
        .values({ organisation, userId, role })
        .onConflictDoUpdate({ target: [members.organisation, members.userId], set: { role } });
    const data = { userId, role: role ?? null };
    await tx.insert(events).values({ actor, kind: 'member.changed', subject: organisation, data });
    return true;
  });
}

export interface Settings {
  readonly visibility: Visibility;
  readonly gate: Gate | null;
}

/** Also of an adapter that has no version yet. */
export function settle(
  db: Database,
  id: string,
  settings: Partial<Settings>,
  actor: string,
): Promise<Settings> {
  return db.transaction(async (tx) => {
    const [kept] = await tx
      .insert(adapterSettings)
      .values({ id, ...settings })
      .onConflictDoUpdate({ target: adapterSettings.id, set: { id, ...settings } })
      .returning();
    const { visibility, gate } = kept!;
    await tx.update(adapters).set({ visibility, gate }).where(eq(adapters.id, id));
    await tx
      .insert(events)
      .values({ actor, kind: 'adapter.settings', subject: id, data: { visibility, gate } });
    return { visibility, gate };
  });
}

export async function settingsOf(db: Database, id: string): Promise<Settings> {
  const [row] = await db.select().from(adapterSettings).where(eq(adapterSettings.id, id));
  return { visibility: row?.visibility ?? 'public', gate: row?.gate ?? null };
}

export async function accessOf(
  db: Database,
  adapterId: string,
  userId: string,
): Promise<AccessStatus | undefined> {
  const [row] = await db
    .select({ status: accessRequests.status })
    .from(accessRequests)
    .where(and(eq(accessRequests.adapterId, adapterId), eq(accessRequests.userId, userId)));
  return row?.status;
}

/** Asking again changes nothing, but that who was waiting is let in where nobody has to wait any more. @returns what became of it */
export async function requestAccess(
  db: Database,
  request: Pick<typeof accessRequests.$inferInsert, 'adapterId' | 'userId' | 'status' | 'message'>,
): Promise<AccessStatus> {
  await db
    .insert(accessRequests)
    .values(request)
    .onConflictDoUpdate({
      target: [accessRequests.adapterId, accessRequests.userId],
      set: { status: request.status },
      setWhere: eq(accessRequests.status, 'pending'),
    });
  return (await accessOf(db, request.adapterId, request.userId))!;
}

export function listAccess(db: Database, adapterId: string) {
  return db
    .select({
      user: user.name,
      status: accessRequests.status,
      message: accessRequests.message,
      createdAt: accessRequests.createdAt,
      decidedAt: accessRequests.decidedAt,
    })
    .from(accessRequests)
    .innerJoin(user, eq(user.id, accessRequests.userId))
    .where(eq(accessRequests.adapterId, adapterId))
    .orderBy(asc(accessRequests.createdAt));
}

/** Also for who has not asked. */
export async function decideAccess(
  db: Database,
  {
    adapterId,
    userId,
    status,
    actor,
  }: { adapterId: string; userId: string; status: AccessStatus; actor: string },
): Promise<void> {
  const decided = { status, decidedAt: new Date(), decidedBy: actor };
  await db.transaction(async (tx) => {
    await tx
      .insert(accessRequests)
      .values({ adapterId, userId, ...decided })
      .onConflictDoUpdate({ target: [accessRequests.adapterId, accessRequests.userId], set: decided });
    await tx.insert(events).values({ actor, kind: `access.${status}`, subject: adapterId, data: { userId } });
  });
}
