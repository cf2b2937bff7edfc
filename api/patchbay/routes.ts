/** Patchbay's own protocol: the catalog, publishing, verification, bases and keys. */
import { OpenAPIHono } from '@hono/zod-openapi';
import type { Auth } from '../auth.ts';
import type { AppEnv } from '../context.ts';
import { ApiError } from '../errors.ts';
import type { InvokeDeps } from '../invoke.ts';
import type { TrustDeps } from '../trusted-publishing.ts';
import { accessRoutes } from './access-routes.ts';
import { baseRoutes } from './bases.ts';
import { type CatalogDeps, catalogRoutes } from './catalog.ts';
import { keyRoutes } from './keys.ts';
import { type OperatorDeps, operatorRoutes } from './operator.ts';
import { organisationRoutes } from './organisations.ts';
import { publishRoutes } from './publishing.ts';
import { taskRoutes } from './tasks.ts';
import { trustedPublishingRoutes } from './trusted-publishing.ts';
import { usageRoutes } from './usage.ts';
import { verificationRoutes } from './verifications.ts';
import { warmRoutes } from './warm.ts';
import { webhookRoutes } from './webhooks.ts';

export type PatchbayDeps = CatalogDeps & TrustDeps & OperatorDeps & InvokeDeps & { readonly auth: Auth };

export function patchbayRoutes(deps: PatchbayDeps) {
  const app = new OpenAPIHono<AppEnv>({
    defaultHook: (result) => {
      if (result.success) return;
      const issue = result.error.issues[0]!;
      const field = issue.path.join('.');
      throw new ApiError('invalid_request', field ? `${field}: ${issue.message}` : issue.message, {
        ...(field ? { field } : {}),
      });
    },
  });
  catalogRoutes(app, deps);
  publishRoutes(app, deps);
  verificationRoutes(app, deps);
  baseRoutes(app, deps);
  keyRoutes(app, deps);
  organisationRoutes(app, deps);
  accessRoutes(app, deps);
  trustedPublishingRoutes(app, deps);
  usageRoutes(app, deps);
  taskRoutes(app, deps);
  warmRoutes(app, deps);
  webhookRoutes(app, deps);
  operatorRoutes(app, deps);
  return app;
}
