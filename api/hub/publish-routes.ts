/** Hugging Face's protocol, for publishing: `upload_folder`, `push_to_hub` and `@huggingface/hub`'s `uploadFiles`. */
import { type Context, Hono } from 'hono';
import { z } from 'zod';
import { listVersions } from '../../db/adapters.ts';
import { settle } from '../../db/people.ts';
import { requireRole } from '../access.ts';
import type { Principal } from '../auth.ts';
import { CardError, readCard } from '../card.ts';
import { type AppEnv, absolute, requirePrincipal } from '../context.ts';
import { ApiError } from '../errors.ts';
import { beginPrivate } from '../publish.ts';
import { parseInput, readJsonBody } from '../request.ts';
import { awaitVerdict, withdraw } from '../verify.ts';
import type { PublishDeps } from '../versions.ts';
import { commit, findTarget } from './commit.ts';
import { readCommit } from './commit-payload.ts';
import { noRepository } from './errors.ts';
import type { GitObjects } from './git-objects.ts';
import { LfsBatch, lfsBatch } from './lfs.ts';
import { commitOf } from './repositories.ts';
import { Preupload, planUpload } from './upload-plan.ts';

const NewRepository = z.object({
  name: z.string().min(1).max(200),
  organization: z.string().max(100).nullish(),
  type: z.enum(['model']).nullish(),
  private: z.boolean().nullish(),
  visibility: z.enum(['public', 'private']).nullish(),
});
const RepositorySettings = z.object({
  private: z.boolean().nullish(),
  visibility: z.enum(['public', 'private']).nullish(),
  gated: z.union([z.literal(false), z.enum(['auto', 'manual'])]).nullish(),
});
const CardText = z.object({ content: z.string(), repoType: z.literal('model').optional() });

/** huggingface_hub waits ten seconds for an answer. */
const VERDICT_SECONDS = 8;

const BATCH = '/:owner/:repository{[^/]+\\.git}/info/lfs/objects/batch';
const COMPLETE = '/:owner/:repository{[^/]+\\.git}/info/lfs/complete';

/** @param smallBodies whether requests may have a few megabytes only */
export function hubPublishRoutes(deps: PublishDeps, objects: GitObjects, smallBodies: boolean) {
  const app = new Hono<AppEnv>();

  const targetOf = async (c: Context<AppEnv>) => {
    const principal = requirePrincipal(c, 'publish', 'admin');
    const { owner = '', name, repository, revision } = c.req.param() as Record<string, string | undefined>;
    const named = { owner, name: name ?? repository?.slice(0, -'.git'.length) ?? '', revision };
    return { principal, target: await findTarget(deps, principal, named) };
  };

  /** A repository is named whole, or in its owner's namespace, which is the asker's unless an organisation is named. */
  const repositoryAsked = async (c: Context<AppEnv>, principal: Principal) => {
    const asked = parseInput(NewRepository, await readJsonBody(c.req.raw));
    const [owner, name] = asked.name.includes('/')
      ? asked.name.split('/', 2)
      : [asked.organization ?? principal.owner, asked.name];
    return { asked, ...(await findTarget(deps, principal, { owner: owner!, name: name! })) };
  };

  // A repository begins to be with its first commit; until then there is nothing to create.
  app.post('/api/repos/create', async (c) => {
    const principal = requirePrincipal(c, 'publish', 'admin');
    const { asked, id, latest } = await repositoryAsked(c, principal);
    const repository = { url: absolute(c, `/${id}`), name: id };
    if (latest) return c.json({ ...repository, error: `${id} exists already.` }, 409);
    if (asked.private || asked.visibility === 'private') await beginPrivate(deps, principal, id);
    return c.json(repository);
  });

  // Every version is withdrawn: content that others may have pinned is not taken from under the catalog's records.
  app.delete('/api/repos/delete', async (c) => {
    const principal = requirePrincipal(c, 'manage', 'admin');
    const { id, latest } = await repositoryAsked(c, principal);
    requireRole(principal, id, 'admin');
    if (!latest) throw noRepository(id);
    for (const version of await listVersions(deps.db, id)) await withdraw(deps, version, principal.userId);
    return c.json({ success: true });
  });

  app.put('/api/models/:owner/:name/settings', async (c) => {
    const principal = requirePrincipal(c, 'manage');
    const id = `${c.req.param('owner')}/${c.req.param('name')}`;
    requireRole(principal, id, 'admin');
    const {
      private: hidden,
      visibility,
      gated,
    } = parseInput(RepositorySettings, await readJsonBody(c.req.raw));
    const wanted =
      visibility ?? (hidden === undefined || hidden === null ? undefined : hidden ? 'private' : 'public');
    const settings = await settle(
      deps.db,
      id,
      {
        ...(wanted ? { visibility: wanted } : {}),
        ...(gated === undefined || gated === null ? {} : { gate: gated === false ? null : gated }),
      },
      principal.userId,
    );
    return c.json({ private: settings.visibility === 'private', gated: settings.gate ?? false });
  });

  app.post('/api/repos/move', (c) => {
    requirePrincipal(c, 'publish', 'admin');
    throw new ApiError(
      'invalid_request',
      'An adapter keeps its name, which others have pinned: publish it under the new one, and withdraw this.',
      { field: 'toRepo' },
    );
  });

  app.post('/api/validate-yaml', async (c) => {
    requirePrincipal(c, 'publish', 'admin');
    const { content } = parseInput(CardText, await readJsonBody(c.req.raw));
    try {
      readCard(content);
      return c.json({ errors: [], warnings: [] });
    } catch (error) {
      if (!(error instanceof CardError)) throw error;
      return c.json({ errors: error.reasons.map((message) => ({ message })), warnings: [] }, 400);
    }
  });

  app.post('/api/models/:owner/:name/preupload/:revision', async (c) => {
    const { target } = await targetOf(c);
    const asked = parseInput(Preupload, await readJsonBody(c.req.raw));
    return c.json(await planUpload(asked, target.files, objects, smallBodies));
  });

  app.post(BATCH, async (c) => {
    const { principal, target } = await targetOf(c);
    const asked = parseInput(LfsBatch, await readJsonBody(c.req.raw));
    const completionUrl = absolute(c, c.req.path.replace(/objects\/batch$/, 'complete'));
    const answer = await lfsBatch(deps, { principal, target: target.id, completionUrl }, asked);
    return c.json(answer, 200, { 'content-type': 'application/vnd.git-lfs+json' });
  });

  app.post(COMPLETE, (c) => c.json({ success: true }));

  app.post('/api/models/:owner/:name/commit/:revision', async (c) => {
    const { principal, target } = await targetOf(c);
    if (c.req.query('create_pr') === '1')
      throw new ApiError('invalid_request', 'create_pr: there are no pull requests here; commit to main.', {
        field: 'create_pr',
      });
    const submitted = await commit(deps, principal, target, await readCommit(c.req.raw.body));
    const version = await awaitVerdict(deps, submitted, VERDICT_SECONDS);
    const commitOid = commitOf(version.digest);
    const commitUrl = absolute(c, `/${target.id}/commit/${commitOid}`);
    return c.json({ success: true, commitOid, commitUrl, hookOutput: '', pullRequestUrl: null });
  });
  return app;
}
