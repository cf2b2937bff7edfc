/** OpenAI's routes in our OpenAPI document. They are served by plain Hono, because model names hold slashes. */
import { type OpenAPIHono, z } from '@hono/zod-openapi';
import type { Scope } from '../auth.ts';
import type { AppEnv } from '../context.ts';
import { SEEING } from './routes.ts';
import { ChatBody, CompletionBody } from './schemas.ts';
import { PartForm, UploadBody, UploadCompletion } from './uploads.ts';

export function describeOpenai(app: OpenAPIHono<AppEnv>): void {
  const answer = {
    200: { description: "OpenAI's answer, or server-sent events where `stream` is true" },
    default: { description: "OpenAI's error shape" },
  };
  const body = (schema: z.ZodType, type = 'application/json') => ({
    body: { required: true, content: { [type]: { schema } } },
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
  const upload = { params: z.object({ id: z.string() }) };
  register('post', '/v1/uploads', {
    summary: 'Begin a file that comes in parts',
    scopes: ['train'],
    request: body(UploadBody),
  });
  register('post', '/v1/uploads/{id}/parts', {
    summary: 'Send a part: several at a time, in any order',
    scopes: ['train'],
    request: { ...upload, ...body(PartForm, 'multipart/form-data') },
  });
  register('post', '/v1/uploads/{id}/complete', {
    summary: 'Make a file of the parts, in the order that is given',
    scopes: ['train'],
    request: { ...upload, ...body(UploadCompletion) },
  });
  register('post', '/v1/uploads/{id}/cancel', {
    summary: 'Send no more parts, and make no file of them',
    scopes: ['train'],
    request: upload,
  });
}
