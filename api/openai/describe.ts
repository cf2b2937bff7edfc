/** OpenAI's routes in our OpenAPI document. They are served by plain Hono, because model names hold slashes. */
import { type OpenAPIHono, z } from '@hono/zod-openapi';
import type { Scope } from '../auth.ts';
import type { AppEnv } from '../context.ts';
import { pageQuery } from './paging.ts';
import { SEEING } from './routes.ts';
import { ChatBody, CompletionBody } from './schemas.ts';
import { PartForm, UploadBody, UploadCompletion } from './uploads.ts';

/** Of what there is more to OpenAI's types, which their clients have. */
const FileObject = z
  .object({
    id: z.string(),
    bytes: z.int(),
    created_at: z.int(),
    filename: z.string(),
    purpose: z.string(),
  })
  .openapi('FileObject');
const FineTuningJob = z
  .object({
    id: z.string(),
    status: z.string(),
    model: z.string(),
    fine_tuned_model: z.string().nullable(),
    organization_id: z.string(),
    user_provided_suffix: z.string(),
    trained_tokens: z.int().nullable(),
    created_at: z.int(),
    finished_at: z.int().nullable(),
  })
  .openapi('FineTuningJob');

export function describeOpenai(app: OpenAPIHono<AppEnv>): void {
  const answer = {
    200: { description: "OpenAI's answer, or server-sent events where `stream` is true" },
    default: { description: "OpenAI's error shape" },
  };
  const content = (schema: z.ZodType, type = 'application/json') => ({ [type]: { schema } });
  const body = (schema: z.ZodType, type?: string) => ({
    body: { required: true, content: content(schema, type) },
  });
  const pageOf = (listed: z.ZodType) =>
    z.object({ data: z.array(listed), last_id: z.string().nullable(), has_more: z.boolean() });
  interface Described {
    readonly summary: string;
    readonly scopes: readonly Scope[];
    readonly request: object;
    /** Of what is listed, one. */
    readonly listed?: z.ZodType;
  }
  const register = (
    method: 'get' | 'post' | 'delete',
    path: string,
    { summary, scopes, request, listed }: Described,
  ) =>
    app.openAPIRegistry.registerPath({
      method,
      path,
      summary,
      security: [{ key: [...scopes] }],
      request,
      responses: listed
        ? { ...answer, 200: { description: 'A page', content: content(pageOf(listed)) } }
        : answer,
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
  register('get', '/v1/files', {
    summary: 'Your files, newest first',
    scopes: ['train'],
    request: { query: z.object(pageQuery(100)) },
    listed: FileObject,
  });
  register('delete', '/v1/files/{id}', {
    summary: 'Delete a file that nothing needs any more',
    scopes: ['train'],
    request: { params: z.object({ id: z.string() }) },
  });
  register('get', '/v1/fine_tuning/jobs', {
    summary: 'Your training jobs, newest first',
    scopes: ['train'],
    request: { query: z.object(pageQuery(20)) },
    listed: FineTuningJob,
  });
}
