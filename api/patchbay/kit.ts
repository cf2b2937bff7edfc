/** What the routes of Patchbay's own protocol are made of. */
import { createRoute, type OpenAPIHono, type RouteConfig, z } from '@hono/zod-openapi';
import { bodyLimit } from 'hono/body-limit';
import { createMiddleware } from 'hono/factory';
import { ownerName } from '../../adapter/reference.ts';
import type { Scope } from '../auth.ts';
import { type AppEnv, MAX_BODY, requirePrincipal, tooLarge } from '../context.ts';
import type { Section } from '../reference/sections.ts';
import * as s from './schemas.ts';

export type App = OpenAPIHono<AppEnv>;

/** @returns what makes the routes of a section of the reference */
export const routesOf =
  (section: Section) =>
  <const R extends RouteConfig>(config: R) =>
    createRoute({ ...config, tags: [section] });

export const json = <T extends z.ZodType>(schema: T) => ({ content: { 'application/json': { schema } } });
export const ok = <T extends z.ZodType>(schema: T, description: string) => ({ ...json(schema), description });
export const problems = { default: { ...json(s.Problem), description: 'RFC 9457 problem' } };
export const limitBody = bodyLimit({
  maxSize: MAX_BODY,
  onError: () => {
    throw tooLarge();
  },
});
/** Who may call is settled before what they sent is looked at. */
export const needs = (...scopes: [Scope, ...Scope[]]) => ({
  security: [{ key: scopes }],
  middleware: [
    createMiddleware<AppEnv>(async (c, next) => {
      requirePrincipal(c, ...scopes);
      await next();
    }),
    limitBody,
  ],
});
/** Whose it is, where that need not be one's own. */
export const ownedBy = ownerName
  .optional()
  .openapi({ description: 'An organisation that you administer, or a service account of one' });
export const id = { params: s.Id };
export const draftId = { params: z.object({ id: z.uuid() }) };
