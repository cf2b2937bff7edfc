/** Branches and tags, as `create_branch`, `create_tag` and their opposites ask for them. Versions stay; names for them move. */
import { type Context, Hono } from 'hono';
import { z } from 'zod';
import { createRef, deleteRef, MAX_REFS } from '../../db/refs.ts';
import type { RefKind } from '../../db/schema.ts';
import { requireRole } from '../access.ts';
import { type AppEnv, requirePrincipal } from '../context.ts';
import { ApiError } from '../errors.ts';
import { parseInput, readJsonBody } from '../request.ts';
import type { PublishDeps } from '../versions.ts';
import { HubNotFound } from './errors.ts';
import { findCommit, findRepository, isMain } from './repositories.ts';

/** A part of what git allows (git-check-ref-format), which any client can put into a URL. */
const RefName = z
  .string()
  .max(100)
  .regex(
    /^[A-Za-z0-9](?!.*(\.\.|\/\/|\.lock$|[./]$))[\w./-]*$/,
    'must begin with a letter or digit, and hold letters, digits, `.`, `_`, `-` and `/`',
  )
  .refine((name) => !/^([0-9a-f]{40}|refs\/.*)$/.test(name), 'must not look like a commit or a path of refs');

const NewBranch = z.object({
  /** A branch, a tag or a commit. */
  startingPoint: z.string().max(200).nullish(),
  /** Moves the branch, where there is one. */
  overwrite: z.boolean().nullish(),
});
const NewTag = z.object({ tag: z.string(), message: z.string().max(65_536).nullish() });

/** Those that follow from the versions themselves. */
const isOwn = (kind: RefKind, name: string): boolean => (kind === 'tag' ? /^v\d+$/.test(name) : isMain(name));

export function refRoutes(deps: PublishDeps) {
  const { db } = deps;
  const app = new Hono<AppEnv>();

  const repositoryOf = async (c: Context<AppEnv>) => {
    const principal = requirePrincipal(c, 'publish', 'admin');
    const { owner = '', name = '', revision = '' } = c.req.param() as Record<string, string>;
    requireRole(principal, `${owner}/${name}`, 'write');
    const repository = await findRepository(db, principal, { owner, name });
    if (!repository.adapter)
      throw new ApiError('conflict', `${repository.id} is a base model: it has one revision, main.`);
    return { principal, repository, revision };
  };

  const create = async (
    c: Context<AppEnv>,
    { kind, name, at, overwrite = false }: { kind: RefKind; name: string; at: string; overwrite?: boolean },
  ) => {
    const { principal, repository } = await repositoryOf(c);
    const { id } = repository;
    if (isOwn(kind, name)) {
      if (isMain(name))
        return c.json({ error: `${id} has a branch ${name} already: its latest version.` }, 409);
      throw ownName(name);
    }
    parseInput(z.object({ [kind]: RefName }), { [kind]: name });
    const number = findCommit(repository, at).number!;
    const ref = { adapterId: id, kind, name, number };
    const failed = await createRef(db, ref, { actor: principal.userId, overwrite });
    if (failed === 'exists') return c.json({ error: `${id} has a ${kind} ${name} already.` }, 409);
    if (failed) throw new ApiError('conflict', `${id} has ${MAX_REFS} branches and tags: delete some first.`);
    return c.json({ success: true });
  };

  const remove = async (c: Context<AppEnv>, kind: RefKind) => {
    const { principal, repository, revision } = await repositoryOf(c);
    if (isOwn(kind, revision)) throw ownName(revision);
    const ref = { adapterId: repository.id, kind, name: revision };
    if (!(await deleteRef(db, ref, principal.userId)))
      throw new HubNotFound('RevisionNotFound', `${repository.id} has no ${kind} ${revision}.`);
    return c.json({ success: true });
  };

  const ownName = (name: string) =>
    new ApiError(
      'invalid_request',
      `${name} follows from the versions: \`main\` is the latest one, and every version has its tag, such as v3.`,
      { field: 'revision' },
    );

  app.post('/api/models/:owner/:name/branch/:revision', async (c) => {
    const { startingPoint, overwrite } = parseInput(NewBranch, await bodyOf(c));
    const name = c.req.param('revision');
    return create(c, { kind: 'branch', name, at: startingPoint ?? 'main', overwrite: overwrite ?? false });
  });
  app.post('/api/models/:owner/:name/tag/:revision', async (c) => {
    const { tag } = parseInput(NewTag, await bodyOf(c));
    return create(c, { kind: 'tag', name: tag, at: c.req.param('revision') });
  });
  app.delete('/api/models/:owner/:name/branch/:revision', (c) => remove(c, 'branch'));
  app.delete('/api/models/:owner/:name/tag/:revision', (c) => remove(c, 'tag'));
  return app;
}

/** Before the body is looked at, it is asked who sends it. */
function bodyOf(c: Context<AppEnv>): Promise<unknown> {
  requirePrincipal(c, 'publish', 'admin');
  return readJsonBody(c.req.raw);
}
