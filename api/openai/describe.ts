/** OpenAI's routes in our OpenAPI document. They are served by plain Hono, because model names hold slashes. */
import { type OpenAPIHono, z } from '@hono/zod-openapi';
import type { Scope } from '../auth.ts';
import type { AppEnv } from '../context.ts';
import { SEEING } from './routes.ts';
import { ChatBody, CompletionBody } from './schemas.ts';

export function describeOpenai(app: OpenAPIHono<AppEnv>): void {
  const answer = {
    200: { description: "OpenAI's answer, or server-sent events where `stream` is true" },
    default: { description: "OpenAI's error shape" },
  };
  const body = (schema: z.ZodType) => ({
    body: { required: true, content: { 'application/json': { schema } } },
  });
  const register = (
    method: 'get' | 'post',
    path: string,
    { summary, scopes, request }: { summary: string; scopes: readonly Scope[]; request: object },
  ) =>
    app.openAPIRegistry.registerPath({
      method,
      path,
      summary,
      security: [{ key: [...scopes] }],
      request,
      responses: answer,
    });
  register('get', '/v1/models', { summary: 'Bases and adapters', scopes: SEEING, request: {} });
  register('get', '/v1/models/{model}', {
    summary: 'One model',
    scopes: SEEING,
    request: { params: z.object({ model: z.string() }) },
  });
  register('post', '/v1/chat/completions', {
    summary: 'Chat with a base, an adapter or a mix',
    scopes: ['infer'],
    request: body(ChatBody),
  });
  register('post', '/v1/completions', {
    summary: 'Continue a text',
    scopes: ['infer'],
    request: body(CompletionBody),
  });
}
