/** OpenAI's routes in our OpenAPI document. They are served by plain Hono, because model names hold slashes. */
import { type OpenAPIHono, z } from '@hono/zod-openapi';
import type { AppEnv } from '../context.ts';
import { ChatBody, CompletionBody } from './schemas.ts';

export function describeOpenai(app: OpenAPIHono<AppEnv>): void {
  const security = [{ key: ['infer'] }];
  const answer = {
    200: { description: "OpenAI's answer, or server-sent events where `stream` is true" },
    default: { description: "OpenAI's error shape" },
  };
  const body = (schema: z.ZodType) => ({
    body: { required: true, content: { 'application/json': { schema } } },
  });
  const register = (method: 'get' | 'post', path: string, summary: string, request: object) =>
    app.openAPIRegistry.registerPath({ method, path, summary, security, request, responses: answer });
  register('get', '/v1/models', 'Bases and adapters', {});
  register('get', '/v1/models/{model}', 'One model', { params: z.object({ model: z.string() }) });
  register('post', '/v1/chat/completions', 'Chat with a base, an adapter or a mix', body(ChatBody));
  register('post', '/v1/completions', 'Continue a text', body(CompletionBody));
}
