/** Who is told of what happens, and the log of what happened. */
import { z } from '@hono/zod-openapi';
import type { Database } from '../../db/open.ts';
import { TOLD_KINDS } from '../../db/schema.ts';
import {
  addWebhook,
  type Event,
  findWebhook,
  listDeliveries,
  listEvents,
  listWebhooks,
  removeWebhook,
  replayDelivery,
  type Webhook,
} from '../../db/webhooks.ts';
import { administers, namespaceOf } from '../access.ts';
import type { Principal } from '../auth.ts';
import { requirePrincipal } from '../context.ts';
import { ApiError } from '../errors.ts';
import { type App, json, needs, ok, ownedBy, problems, routesOf } from './kit.ts';
import * as u from './usage-schemas.ts';

const route = routesOf('Webhooks');

interface WebhookDeps {
  readonly db: Database;
  readonly now: () => Date;
}

const SHOWN = 100;
/** Of an owner: each event goes to all of them, whoever they belong to. */
const MAX_WEBHOOKS = 20;
const SECRET_BYTES = 32;
const WebhookId = z.object({ id: z.uuid() });
const Owner = z.object({ owner: ownedBy });

export function webhookRoutes(app: App, { db, now }: WebhookDeps): void {
  app.openapi(
    route({
      method: 'post',
      path: '/webhooks',
      summary: 'Be told what happens: signed as Standard Webhooks are',
      ...needs('manage'),
      request: { body: { ...json(u.NewWebhook), required: true } },
      responses: { 201: ok(u.MadeWebhook, 'The webhook; its secret is shown only now'), ...problems },
    }),
    async (c) => {
      const principal = requirePrincipal(c, 'manage');
      const { url, kinds, owner } = c.req.valid('json');
      const bytes = crypto.getRandomValues(new Uint8Array(SECRET_BYTES));
      const secret = `whsec_${btoa(String.fromCharCode(...bytes))}`;
      const webhook = {
        id: crypto.randomUUID(),
        owner: await namespaceOf(db, principal, owner),
        url,
        secret,
        kinds: [...(kinds ?? TOLD_KINDS)],
        createdBy: principal.userId,
      };
      const made = await addWebhook(db, webhook, MAX_WEBHOOKS);
      if (!made)
        throw new ApiError(
          'conflict',
          `${webhook.owner} has ${MAX_WEBHOOKS} webhooks, and may have no more: DELETE /api/webhooks/{id} makes room.`,
        );
      return c.json({ ...view(made), secret }, 201);
    },
  );

  app.openapi(
    route({
      method: 'get',
      path: '/webhooks',
      summary: 'Your webhooks',
      ...needs('manage'),
      request: { query: Owner },
      responses: { 200: ok(z.object({ webhooks: z.array(u.Webhook) }), 'Webhooks'), ...problems },
    }),
    async (c) => {
      const owner = await namespaceOf(db, requirePrincipal(c, 'manage'), c.req.valid('query').owner);
      return c.json({ webhooks: (await listWebhooks(db, owner)).map(view) }, 200);
    },
  );

  app.openapi(
    route({
      method: 'delete',
      path: '/webhooks/{id}',
      summary: 'Be told no more',
      ...needs('manage'),
      request: { params: WebhookId },
      responses: { 204: { description: 'Done' }, ...problems },
    }),
    async (c) => {
      const principal = requirePrincipal(c, 'manage');
      await removeWebhook(db, await ownWebhook(principal, c.req.valid('param').id), principal.userId);
      return c.body(null, 204);
    },
  );

  app.openapi(
    route({
      method: 'get',
      path: '/webhooks/{id}/deliveries',
      summary: 'What was told, and how it was answered; newest first',
      ...needs('manage'),
      request: { params: WebhookId },
      responses: { 200: ok(z.object({ deliveries: z.array(u.Delivery) }), 'Deliveries'), ...problems },
    }),
    async (c) => {
      const { id } = await ownWebhook(requirePrincipal(c, 'manage'), c.req.valid('param').id);
      const deliveries = (await listDeliveries(db, id, SHOWN)).map((one) => ({
        id: one.id,
        kind: one.kind,
        subject: one.subject,
        status: one.status,
        attempts: one.attempts,
        answer: one.answer,
        nextAt: one.status === 'waiting' ? one.nextAt.toISOString() : null,
      }));
      return c.json({ deliveries }, 200);
    },
  );

  app.openapi(
    route({
      method: 'post',
      path: '/webhooks/{id}/deliveries/{delivery}/replay',
      summary: 'Tell it once more',
      ...needs('manage'),
      request: { params: WebhookId.extend({ delivery: z.uuid() }) },
      responses: { 202: { description: 'It will be' }, ...problems },
    }),
    async (c) => {
      const { id, delivery } = c.req.valid('param');
      const { disabledAt } = await ownWebhook(requirePrincipal(c, 'manage'), id);
      if (disabledAt)
        throw new ApiError(
          'conflict',
          'Its address answered 410 Gone: make a new webhook, which is told anew.',
        );
      if (!(await replayDelivery(db, id, delivery, now())))
        throw new ApiError('not_found', `There is no delivery ${delivery}.`);
      return c.body(null, 202);
    },
  );

  app.openapi(
    route({
      method: 'get',
      path: '/audit',
      summary: 'What was done under your name, by whom; newest first',
      ...needs('manage'),
      request: {
        query: Owner.extend({
          all: z
            .enum(['true', 'false'])
            .default('false')
            .openapi({ description: 'Of all names: for the admin' }),
          before: z.coerce.number().int().min(1).optional(),
          limit: z.coerce.number().int().min(1).max(SHOWN).default(SHOWN),
        }),
      },
      responses: {
        200: ok(z.object({ events: z.array(u.AuditEvent), next: z.int().nullable() }), 'Events'),
        ...problems,
      },
    }),
    async (c) => {
      const principal = requirePrincipal(c, 'manage');
      const { owner, all, before, limit } = c.req.valid('query');
      if (all === 'true' && !principal.scopes.has('admin'))
        throw new ApiError('forbidden', 'all: for a key with the scope `admin`.', { field: 'all' });
      const namespace = all === 'true' ? undefined : await namespaceOf(db, principal, owner);
      const rows = await listEvents(db, { namespace, before, limit });
      const seen = principal.scopes.has('admin') ? rows : rows.map(toOwner);
      const page = seen.slice(0, limit).map(({ at, ...event }) => ({ ...event, at: at.toISOString() }));
      return c.json({ events: page, next: rows.length > limit ? page.at(-1)!.id : null }, 200);
    },
  );

  /** Of somebody else, it is as good as missing. */
  async function ownWebhook(principal: Principal, id: string): Promise<Webhook> {
    const found = await findWebhook(db, id);
    if (!found || !(await administers(db, principal, found.owner)))
      throw new ApiError('not_found', `There is no webhook ${id}.`);
    return found;
  }
}

/** Who complains of an adapter, and in what words, is for whoever runs the server alone. */
const toOwner = (event: Event): Event =>
  event.kind === 'adapter.reported'
    ? { ...event, actor: null, data: { reason: event.data['reason'] } }
    : event;

const view = ({ id, owner, url, kinds, createdAt, disabledAt }: Webhook) => ({
  id,
  owner,
  url,
  kinds: kinds as (typeof TOLD_KINDS)[number][],
  createdAt: createdAt.toISOString(),
  disabled: disabledAt !== null,
});
