/** Hugging Face's protocol: `huggingface_hub`, PEFT, `@huggingface/hub` and `hf` need nothing changed but their endpoint. */
import { type Context, Hono } from 'hono';
import { z } from 'zod';
import { requireRole, requireUse, worksOn } from '../access.ts';
import type { Log } from '../app.ts';
import { type AppEnv, absolute, requirePrincipal } from '../context.ts';
import type { DownloadCounter } from '../downloads.ts';
import { ApiError } from '../errors.ts';
import { logged } from '../failure-log.ts';
import { parseInput, readJsonBody, readTextBody } from '../request.ts';
import type { PublishDeps } from '../versions.ts';
import { disabledResponse, errorResponse, HubDisabled, HubNotFound, notFoundResponse } from './errors.ts';
import { GitObjects, isLfs, lfsPointer } from './git-objects.ts';
import { listModels } from './list.ts';
import { countChildren, history, modelInfo, refs } from './models.ts';
import { readThrough, type Upstream } from './proxy.ts';
import { hubPublishRoutes } from './publish-routes.ts';
import { refRoutes } from './ref-routes.ts';
import { type Believed, findCommit, findEntry, findRepository, isOpen } from './repositories.ts';
import { serveFile } from './serve-file.ts';
import { withoutXet, xetRoutes } from './xet/routes.ts';

export interface HubDeps extends PublishDeps {
  readonly believed: Believed;
  readonly downloads: DownloadCounter;
  /** Where bases are that are not here; undefined: nowhere. */
  readonly upstream: Upstream | undefined;
  readonly publicUrl?: string | undefined;
  /** Whether a request may have a few megabytes only: large files then go straight to the store, and not by Xet. */
  readonly smallBodies?: boolean | undefined;
  readonly log: Log;
}

const PathsInfo = z.object({
  paths: z.union([z.string().transform((one) => [one]), z.array(z.string()).max(1000)]),
});

export function hubRoutes(deps: HubDeps) {
  const { db, blobs, downloads, log } = deps;
  const app = new Hono<AppEnv>();
  const objects = new GitObjects(blobs);

  /** What the path names. A revision may hold slashes, escaped. */
  const at = async (c: Context<AppEnv>, find?: Believed['find']) => {
    const { owner = '', name = '', revision = 'main' } = c.req.param() as Record<string, string>;
    const repository = await findRepository(db, c.get('principal'), { owner, name }, find);
    return { repository, commit: findCommit(repository, revision) };
  };
  const entryAt = async (c: Context<AppEnv>) => {
    // What was not there a moment ago may be there by now: it is looked for again.
    const afresh = (error: unknown) => (error instanceof HubNotFound ? at(c) : Promise.reject(error));
    const found = at(c, deps.believed.find).catch(afresh);
    const { repository, commit } = await found.catch((error: unknown) => {
      throw isEmptyRepository(c, error)
        ? new HubNotFound('EntryNotFound', 'The repository is empty.')
        : error;
    });
    const file = await findEntry(commit, c.req.param('path') ?? '');
    if (repository.adapter) await requireUse(db, c.get('principal'), repository.adapter, 'read');
    return { repository, commit: commit.id, file, isOpen: isOpen(repository) };
  };

  app.use(readThrough(deps, deps.upstream));

  app.get('/api/models', async (c) => {
    const { models, next } = await listModels(db, c.get('principal'), new URL(absolute(c)));
    if (next) c.header('link', `<${next}>; rel="next"`);
    return c.json(models);
  });

  for (const path of ['/api/models/:owner/:name', '/api/models/:owner/:name/revision/:revision']) {
    app.get(path, async (c) => {
      const { repository, commit } = await at(c);
      const detailed = c.req.query('blobs') !== undefined;
      const info = await modelInfo(repository, commit, { objects, detailed });
      // All the rest is told whatever is asked for.
      const isCounted = c.req.queries('expand')?.includes('childrenModelCount');
      return c.json(isCounted ? { ...info, childrenModelCount: await countChildren(db, repository) } : info);
    });
  }

  app.get('/api/models/:owner/:name/auth-check', async (c) => {
    const { repository } = await at(c);
    if (repository.adapter) await requireUse(db, c.get('principal'), repository.adapter, 'read');
    return c.json({});
  });

  app.get('/api/models/:owner/:name/auth-check/write', async (c) => {
    const principal = requirePrincipal(c, 'publish', 'admin');
    requireRole(principal, `${c.req.param('owner')}/${c.req.param('name')}`, 'write');
    const found = await at(c).catch((error: unknown) => {
      if (!isEmptyRepository(c, error)) throw error;
    });
    if (found && !found.repository.adapter)
      throw new ApiError('forbidden', `${found.repository.id} is a base model, and a base never changes.`);
    return c.json({});
  });

  app.get('/api/models/:owner/:name/tree/:revision', async (c) => {
    const { commit } = await at(c);
    return c.json(await Promise.all((await commit.files()).map((file) => objects.entry(file))));
  });

  // Repositories here have no folders: a path below the root is a file, or nothing.
  app.get('/api/models/:owner/:name/tree/:revision/:path{.+}', async (c) => {
    const { file } = await entryAt(c);
    return c.json([await objects.entry(file)]);
  });

  app.post('/api/models/:owner/:name/paths-info/:revision', async (c) => {
    const { commit } = await at(c);
    const { paths } = parseInput(PathsInfo, await pathsAsked(c));
    const files = (await commit.files()).filter(({ path }) => paths.includes(path));
    return c.json(await Promise.all(files.map((file) => objects.entry(file))));
  });

  app.get('/api/models/:owner/:name/refs', async (c) => c.json(refs((await at(c)).repository)));

  app.get('/api/models/:owner/:name/commits/:revision', async (c) => {
    const { repository, commit } = await at(c);
    return c.json(history(repository, commit));
  });

  app.get('/api/whoami-v2', (c) => {
    const { userId, owner, scopes, roles } = requirePrincipal(
      c,
      'read',
      'publish',
      'infer',
      'train',
      'admin',
    );
    const role = scopes.has('publish') || scopes.has('admin') ? 'write' : 'read';
    return c.json({
      type: 'user',
      id: userId,
      name: owner,
      fullname: owner,
      orgs: [...roles].map(([org, role]) => ({ type: 'org', name: org, fullname: org, roleInOrg: role })),
      auth: { type: 'access_token', accessToken: { displayName: owner, role } },
    });
  });

  app.get('/:owner/:name/resolve/:revision/:path{.+}', async (c) => {
    const served = await entryAt(c);
    if (served.repository.adapter && c.req.method === 'GET')
      downloads.count(served.repository.id, served.file.path);
    return serveFile(c, { blobs, objects }, { ...served, pinned: c.req.param('revision') === served.commit });
  });

  // As in git: in place of a large file there is the pointer to it.
  app.get('/:owner/:name/raw/:revision/:path{.+}', async (c) => {
    const { file, commit, isOpen } = await entryAt(c);
    if (!isLfs(file)) return serveFile(c, { blobs, objects }, { file, commit, isOpen, pinned: false });
    return c.text(lfsPointer(file), 200, { 'x-repo-commit': commit });
  });

  app.route('/', hubPublishRoutes(deps, objects, deps.smallBodies ?? false));
  app.route('/', refRoutes(deps));
  app.route('/', deps.smallBodies ? withoutXet() : xetRoutes(deps));

  app.onError((error, c) => {
    if (error instanceof HubNotFound) return notFoundResponse(error);
    if (error instanceof HubDisabled) return disabledResponse();
    return errorResponse(logged(log, c, error), deps.publicUrl ?? c.req.url);
  });
  return app;
}

/**
 * What was created but has no commit yet is not kept anywhere. So to who may publish under a name it is an empty repository,
 * in which tools first look for a card, before they write one.
 */
function isEmptyRepository(c: Context<AppEnv>, error: unknown): boolean {
  const principal = c.get('principal');
  const isMissing = error instanceof HubNotFound && error.code === 'RepoNotFound';
  return isMissing && worksOn(principal, `${c.req.param('owner')}/${c.req.param('name')}`, ['publish']);
}

/** Python's client sends a form, JavaScript's sends JSON. */
async function pathsAsked(c: Context<AppEnv>): Promise<unknown> {
  const type = c.req.header('content-type') ?? '';
  if (type.startsWith('application/json')) return readJsonBody(c.req.raw);
  if (!type.startsWith('application/x-www-form-urlencoded'))
    throw new ApiError('invalid_request', 'The body must be JSON or a form.', { field: 'paths' });
  const body = new URLSearchParams(await readTextBody(c.req.raw));
  return { paths: body.getAll('paths') };
}
