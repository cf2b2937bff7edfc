/** Bodies of the routes of usage, webhooks and the log. */
import { z } from '@hono/zod-openapi';
import { TOLD_KINDS, USAGE_KINDS } from '../../db/schema.ts';
import { ownedBy } from './kit.ts';
import { storable } from './schemas.ts';

const UsageKind = z.enum(USAGE_KINDS);
const statement = { owner: z.string(), month: z.string(), currency: z.literal('USD'), total: z.number() };
export const UsageStatement = z
  .object({
    ...statement,
    cap: z.number().nullable(),
    items: z.array(
      z.object({ model: z.string(), kind: UsageKind, quantity: z.number(), charge: z.number() }),
    ),
  })
  .openapi('UsageStatement');
export const EarningsStatement = z
  .object({
    ...statement,
    items: z.array(z.object({ adapter: z.string(), kind: UsageKind, amount: z.number() })),
  })
  .openapi('EarningsStatement');
export const SpendingCap = z
  .object({ cap: z.number().min(0).max(1e6).nullable().openapi({ description: 'In dollars; null: none' }) })
  .openapi('SpendingCap');
export const NewPrice = z
  .object({
    base: storable(200)
      .min(3)
      .nullable()
      .default(null)
      .openapi({ description: 'Null: all without a price of their own' }),
    kind: UsageKind,
    perMillion: z
      .number()
      .min(0)
      .max(1e6)
      .openapi({ description: 'Dollars for a million tokens, or bytes a day' }),
    ownersShare: z
      .number()
      .min(0)
      .max(1)
      .default(0)
      .openapi({ description: 'Of it, the part of the adapters’ owners' }),
    since: z.iso.datetime().optional(),
  })
  .openapi('NewPrice');
export const Price = z
  .object({
    base: z.string().nullable(),
    kind: UsageKind,
    perMillion: z.number(),
    ownersShare: z.number(),
    since: z.string(),
  })
  .openapi('Price');

const Told = z.enum(TOLD_KINDS);
export const NewWebhook = z
  .object({
    url: z.url({ protocol: /^https?$/, error: 'must be an http or https URL' }).max(2000),
    kinds: z.array(Told).min(1).optional().openapi({ description: 'All unless given' }),
    owner: ownedBy,
  })
  .openapi('NewWebhook');
export const Webhook = z
  .object({
    id: z.string(),
    owner: z.string(),
    url: z.string(),
    kinds: z.array(Told),
    createdAt: z.string(),
    disabled: z.boolean().openapi({ description: 'It was answered with 410' }),
  })
  .openapi('Webhook');
export const MadeWebhook = Webhook.extend({ secret: z.string() }).openapi('MadeWebhook');
export const Delivery = z
  .object({
    id: z.string(),
    kind: z.string(),
    subject: z.string(),
    status: z.enum(['waiting', 'delivered', 'failed']),
    attempts: z.int(),
    answer: z.string().nullable(),
    nextAt: z.string().nullable(),
  })
  .openapi('Delivery');
export const AuditEvent = z
  .object({
    id: z.int(),
    at: z.string(),
    actor: z.string().nullable(),
    kind: z.string(),
    subject: z.string(),
    data: z.record(z.string(), z.unknown()),
  })
  .openapi('AuditEvent');
