/** Hugging Face's protocol, for publishing: `upload_folder`, `push_to_hub` and `@huggingface/hub`'s `uploadFiles`. */
import { type Context, Hono } from 'hono';
import { z } from 'zod';
import { settle } from '../../db/people.ts';
import { CardError, readCard } from '../card.ts';
import { type AppEnv, requirePrincipal } from '../context.ts';
import { ApiError } from '../errors.ts';
import { parseInput, readJsonBody } from '../request.ts';
import { awaitVerdict } from '../verify.ts';
import type { PublishDeps } from '../versions.ts';
import { commit, findTarget } from './commit.ts';
import { readCommit } from './commit-payload.ts';
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
const CardText = z.object({ content: z.string(), repoType: z.literal('model').optional() });

/** huggingface_hub waits ten seconds for an answer. */
const VERDICT_SECONDS = 8;

const BATCH = '/:owner/:repository{[^/]+\\.git}/info/lfs/objects/batch';
const COMPLETE = '/:owner/:repository{[^/]+\\.git}/info/lfs/complete';

export function hubPublishRoutes(deps: PublishDeps, objects: GitObjects) {
  const app = new Hono<AppEnv>();

  /** Commits go to `main`, which is the latest version: there are no other branches. */
  const targetOf = async (c: Context<AppEnv>) => {
    const principal = requirePrincipal(c, 'publish', 'admin');
    const revision = c.req.param('revision') ?? 'main';
    if (revision !== 'main')
      throw new ApiError('invalid_request', `revision: commits go to main, not to ${revision}.`, {
        field: 'revision',
      });
    const name = c.req.param('name') ?? c.req.param('repository')?.slice(0, -'.git'.length) ?? '';
    return { principal, target: await findTarget(deps, principal, c.req.param('owner') ?? '', name) };
  };

  // A repository begins to be with its first commit; until then there is nothing to create.
  app.post('/api/repos/create', async (c) => {
    const principal = requirePrincipal(c, 'publish', 'admin');
    const asked = parseInput(NewRepository, await readJsonBody(c.req.raw));
    const [owner, name] = asked.name.includes('/')
      ? asked.name.split('/', 2)
      : [asked.organization ?? principal.owner, asked.name];
    const { id, latest } = await findTarget(deps, principal, owner!, name!);
    const repository = { url: new URL(`/${id}`, c.req.url).href, name: id };
    if (latest) return c.json({ ...repository, error: `${id} exists already.` }, 409);
    const visibility = asked.visibility ?? (asked.private ? 'private' : undefined);
    if (visibility) await settle(deps.db, id, { visibility }, principal.userId);
    return c.json(repository);
  });

  app.post('/api/validate-yaml', async (c) => {
    requirePrincipal(c, 'publish', 'admin');
    const { content } = parseInput(CardText, await readJsonBody(c.req.raw));
    try {
      readCard(content);
      return c.json({ errors: [], warnings: [] });
    } catch (error) {
      if (!(error instanceof CardError)) throw error;
      return c.json({ errors: [{ message: error.message }], warnings: [] }, 400);
    }
  });

  app.post('/api/models/:owner/:name/preupload/:revision', async (c) => {
    const { target } = await targetOf(c);
    const asked = parseInput(Preupload, await readJsonBody(c.req.raw));
    return c.json(await planUpload(asked, target.files, objects));
  });

  app.post(BATCH, async (c) => {
    const { principal, target } = await targetOf(c);
    const asked = parseInput(LfsBatch, await readJsonBody(c.req.raw));
    const completionUrl = new URL(c.req.path.replace(/objects\/batch$/, 'complete'), c.req.url).href;
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
    const commitUrl = new URL(`/${target.id}/commit/${commitOid}`, c.req.url).href;
    return c.json({ success: true, commitOid, commitUrl, hookOutput: '', pullRequestUrl: null });
  });
  return app;
}
