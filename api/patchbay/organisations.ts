/** Organisations: names that several people publish under, and the service accounts that do it for them. */
import { z } from '@hono/zod-openapi';
import { ownerName } from '../../adapter/reference.ts';
import type { Database } from '../../db/open.ts';
import {
  createOrganisation,
  createServiceAccount,
  findPerson,
  listMembers,
  type Person,
  setMember,
} from '../../db/people.ts';
import { requireOrganisationRole, requireUnrestricted } from '../access.ts';
import type { Auth } from '../auth.ts';
import { requirePrincipal } from '../context.ts';
import { ApiError } from '../errors.ts';
import { type App, json, needs, ok, problems, routesOf } from './kit.ts';
import * as p from './people-schemas.ts';

const route = routesOf('Accounts');

interface OrganisationDeps {
  readonly db: Database;
  readonly auth: Auth;
}

const Organisation = z.object({ organisation: ownerName });
const Membership = Organisation.extend({ member: ownerName });
const Members = z.object({ members: z.array(p.Member) });

export function organisationRoutes(app: App, { db, auth }: OrganisationDeps): void {
  app.openapi(
    route({
      method: 'post',
      path: '/organisations',
      summary: 'Make an organisation, and be its first admin',
      ...needs('manage'),
      request: { body: { ...json(z.object({ name: ownerName })), required: true } },
      responses: { 201: ok(z.object({ name: z.string() }), 'The organisation'), ...problems },
    }),
    async (c) => {
      const principal = requirePrincipal(c, 'manage');
      const { name } = c.req.valid('json');
      requireUnrestricted(principal);
      if (!(await createOrganisation(db, name, principal.userId))) throw taken(name);
      auth.forget();
      return c.json({ name }, 201);
    },
  );

  app.openapi(
    route({
      method: 'get',
      path: '/organisations/{organisation}/members',
      summary: 'Who belongs to an organisation: for its members',
      ...needs('read', 'manage'),
      request: { params: Organisation },
      responses: { 200: ok(Members, 'Members'), ...problems },
    }),
    async (c) => {
      const { organisation } = c.req.valid('param');
      requireOrganisationRole(requirePrincipal(c, 'read', 'manage'), organisation, 'read');
      const members = (await listMembers(db, organisation)).map(({ createdAt, ...member }) => ({
        ...member,
        since: createdAt.toISOString(),
      }));
      return c.json({ members }, 200);
    },
  );

  app.openapi(
    route({
      method: 'put',
      path: '/organisations/{organisation}/members/{member}',
      summary: 'Take somebody in, or change a role',
      ...needs('manage'),
      request: { params: Membership, body: { ...json(p.MemberRole), required: true } },
      responses: { 204: { description: 'Done' }, ...problems },
    }),
    async (c) => {
      const principal = requirePrincipal(c, 'manage');
      const { organisation, member } = c.req.valid('param');
      requireOrganisationRole(principal, organisation, 'admin');
      await change(organisation, member, c.req.valid('json').role, principal.userId);
      return c.body(null, 204);
    },
  );

  app.openapi(
    route({
      method: 'delete',
      path: '/organisations/{organisation}/members/{member}',
      summary: 'Take somebody out, or leave',
      ...needs('manage'),
      request: { params: Membership },
      responses: { 204: { description: 'Done' }, ...problems },
    }),
    async (c) => {
      const principal = requirePrincipal(c, 'manage');
      const { organisation, member } = c.req.valid('param');
      if (member !== principal.owner) requireOrganisationRole(principal, organisation, 'admin');
      await change(organisation, member, undefined, principal.userId);
      return c.body(null, 204);
    },
  );

  app.openapi(
    route({
      method: 'post',
      path: '/organisations/{organisation}/service-accounts',
      summary: 'Make an account for a program; its keys are made with POST /api/keys',
      ...needs('manage'),
      request: { params: Organisation, body: { ...json(p.NewServiceAccount), required: true } },
      responses: { 201: ok(z.object({ name: z.string() }), 'The account'), ...problems },
    }),
    async (c) => {
      const principal = requirePrincipal(c, 'manage');
      const { organisation } = c.req.valid('param');
      requireOrganisationRole(principal, organisation, 'admin');
      await organisationOr404(organisation);
      const { name, role } = c.req.valid('json');
      const made = await createServiceAccount(db, { organisation, name, role, actor: principal.userId });
      if (!made) throw taken(name);
      return c.json({ name }, 201);
    },
  );

  async function change(
    organisation: string,
    member: string,
    role: z.infer<typeof p.MemberRole>['role'] | undefined,
    actor: string,
  ): Promise<void> {
    await organisationOr404(organisation);
    const person = await findPerson(db, member);
    if (!person || person.kind === 'organisation')
      throw new ApiError('not_found', `There is nobody called ${member}.`);
    if (!(await setMember(db, { organisation, userId: person.id, role, actor })))
      throw new ApiError('conflict', `${organisation} would be left without an admin.`);
    auth.forget();
  }

  async function organisationOr404(name: string): Promise<Person> {
    const found = await findPerson(db, name);
    if (found?.kind !== 'organisation') throw new ApiError('not_found', `There is no organisation ${name}.`);
    return found;
  }
}

const taken = (name: string) =>
  new ApiError('conflict', `name: ${name} is taken; choose another one.`, { field: 'name' });
