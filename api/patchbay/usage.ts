/** What was used and earned, prices, and the most that may be spent. */
import { z } from '@hono/zod-openapi';
import Papa from 'papaparse';
import type { Database } from '../../db/open.ts';
import { findPerson } from '../../db/people.ts';
import {
  addPrice,
  budgetOf,
  earningsOf,
  listPrices,
  monthOf,
  type Price,
  setCap,
  usageOf,
} from '../../db/usage.ts';
import { namespaceOf, requireOrganisationRole } from '../access.ts';
import type { Principal } from '../auth.ts';
import { requirePrincipal } from '../context.ts';
import { type App, json, needs, ok, ownedBy, problems, routesOf } from './kit.ts';
import * as u from './usage-schemas.ts';

const route = routesOf('Usage');

interface UsageDeps {
  readonly db: Database;
  readonly now: () => Date;
}

const NANO = 1e9;
const Statement = z.object({
  month: z
    .string()
    .regex(/^\d{4}-(0[1-9]|1[0-2])$/, 'must be as in 2026-11')
    .optional()
    .openapi({ description: 'This one unless given' }),
  owner: ownedBy,
  format: z.enum(['json', 'csv']).default('json'),
});

export function usageRoutes(app: App, { db, now }: UsageDeps): void {
  app.openapi(
    route({
      method: 'get',
      path: '/usage',
      summary: 'What you used in a month, by model, and what it costs',
      ...needs('read', 'manage'),
      request: { query: Statement },
      responses: { 200: statement(u.UsageStatement, 'The statement'), ...problems },
    }),
    async (c) => {
      const { owner, month, format } = await asked(
        requirePrincipal(c, 'read', 'manage'),
        c.req.valid('query'),
      );
      const items = (await usageOf(db, owner, month)).map((item) => ({
        ...item,
        charge: item.charge / NANO,
      }));
      const { spent, cap } = await budgetOf(db, owner, month);
      if (format === 'csv') return csv(c, ['model', 'kind', 'quantity', 'charge'], items);
      const total = spent / NANO;
      return c.json(
        { owner, month, currency: 'USD' as const, total, cap: cap === null ? null : cap / NANO, items },
        200,
      );
    },
  );

  app.openapi(
    route({
      method: 'get',
      path: '/earnings',
      summary: 'What your adapters earned in a month',
      ...needs('read', 'manage'),
      request: { query: Statement },
      responses: { 200: statement(u.EarningsStatement, 'The statement'), ...problems },
    }),
    async (c) => {
      const { owner, month, format } = await asked(
        requirePrincipal(c, 'read', 'manage'),
        c.req.valid('query'),
      );
      const items = (await earningsOf(db, owner, month)).map((item) => ({
        ...item,
        amount: item.amount / NANO,
      }));
      if (format === 'csv') return csv(c, ['adapter', 'kind', 'amount'], items);
      const total = items.reduce((sum, { amount }) => sum + amount, 0);
      return c.json({ owner, month, currency: 'USD' as const, total, items }, 200);
    },
  );

  app.openapi(
    route({
      method: 'put',
      path: '/usage/cap',
      summary: 'The most that may be spent in a month: beyond it, answers and training are refused',
      ...needs('manage'),
      request: { body: { ...json(u.SpendingCap.extend({ owner: ownedBy })), required: true } },
      responses: { 200: ok(u.SpendingCap, 'As it is now'), ...problems },
    }),
    async (c) => {
      const principal = requirePrincipal(c, 'manage');
      const { cap, owner: named } = c.req.valid('json');
      const owner = await namespaceOf(db, principal, named);
      // Else a key of a service account would lift what its organisation has set.
      const organisation = (await findPerson(db, owner))?.organisation;
      if (organisation) requireOrganisationRole(principal, organisation, 'admin');
      await setCap(db, owner, cap === null ? null : Math.round(cap * NANO), principal.userId);
      return c.json({ cap }, 200);
    },
  );

  app.openapi(
    route({
      method: 'get',
      path: '/prices',
      summary: 'Prices, newest first; of each kind the newest that is due holds',
      responses: { 200: ok(z.object({ prices: z.array(u.Price) }), 'Prices'), ...problems },
    }),
    async (c) => c.json({ prices: (await listPrices(db)).map(view) }, 200),
  );

  app.openapi(
    route({
      method: 'post',
      path: '/prices',
      summary: 'Set a price, from now or later on',
      ...needs('admin'),
      request: { body: { ...json(u.NewPrice), required: true } },
      responses: { 201: ok(u.Price, 'The price'), ...problems },
    }),
    async (c) => {
      const { base, perMillion, since, ...price } = c.req.valid('json');
      const made = await addPrice(
        db,
        {
          ...price,
          baseId: base,
          perUnit: (perMillion * NANO) / 1e6,
          since: since === undefined ? now() : new Date(since),
        },
        requirePrincipal(c, 'admin').userId,
      );
      return c.json(view(made), 201);
    },
  );

  async function asked(principal: Principal, { month, owner, format }: z.infer<typeof Statement>) {
    return { owner: await namespaceOf(db, principal, owner), month: month ?? monthOf(now()), format };
  }
}

const statement = <T extends z.ZodType>(schema: T, description: string) => ({
  content: { 'application/json': { schema }, 'text/csv': { schema: z.string() } },
  description,
});

function csv(
  c: { body(text: string, status: 200, headers: Record<string, string>): Response },
  columns: readonly string[],
  rows: readonly Readonly<Record<string, string | number>>[],
) {
  // What a spreadsheet would take for a formula is text.
  const text = `${Papa.unparse([...rows], { columns: [...columns], escapeFormulae: true })}\r\n`;
  return c.body(text, 200, { 'content-type': 'text/csv; charset=utf-8' }) as never;
}

const view = ({ baseId, kind, perUnit, ownersShare, since }: Price) => ({
  base: baseId,
  kind,
  perMillion: (perUnit * 1e6) / NANO,
  ownersShare,
  since: since.toISOString(),
});
