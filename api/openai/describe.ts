/** OpenAI's routes in our OpenAPI document. They are served by plain Hono, because model names hold slashes. */
import { type OpenAPIHono, z } from '@hono/zod-openapi';
import type { Scope } from '../auth.ts';
import type { AppEnv } from '../context.ts';
import type { Section } from '../reference/sections.ts';
import { FileForm, FilesQuery } from './files.ts';
import { CheckpointsQuery, EventsQuery, JobBody, JobsQuery } from './fine-tuning.ts';
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
const JobEvent = z
  .object({ id: z.string(), created_at: z.int(), level: z.string(), type: z.string(), message: z.string() })
  .openapi('FineTuningJobEvent');
const JobCheckpoint = z
  .object({
    id: z.string(),
    created_at: z.int(),
    step_number: z.int(),
    fine_tuned_model_checkpoint: z.string(),
  })
  .openapi('FineTuningJobCheckpoint');

const pageOf = (listed: z.ZodType) =>
  z.object({ data: z.array(listed), last_id: z.string().nullable(), has_more: z.boolean() });
const content = (schema: z.ZodType, type = 'application/json') => ({ [type]: { schema } });
const body = (schema: z.ZodType, type?: string) => ({
  body: { required: true, content: content(schema, type) },
});
const byId = { params: z.object({ id: z.string() }) };

interface Described {
  readonly summary: string;
  readonly scopes: readonly Scope[];
  readonly request?: object;
  /** Absent: as their clients have it. */
  readonly answer?: z.ZodType;
  readonly streams?: true;
}

type Routes = Readonly<Record<string, Described>>;

const MODELS: Routes = {
  'GET /v1/models': { summary: 'Bases and adapters', scopes: SEEING },
  'GET /v1/models/{model}': {
    summary: 'One model',
    scopes: SEEING,
    request: { params: z.object({ model: z.string() }) },
  },
  'POST /v1/chat/completions': {
    summary: 'Chat with a base, an adapter or a mix',
    scopes: ['infer'],
    request: body(ChatBody),
    streams: true,
  },
  'POST /v1/completions': {
    summary: 'Continue a text',
    scopes: ['infer'],
    request: body(CompletionBody),
    streams: true,
  },
};

const TRAINING: Routes = {
  'POST /v1/uploads': {
    summary: 'Begin a file that comes in parts',
    scopes: ['train'],
    request: body(UploadBody),
  },
  'POST /v1/uploads/{id}/parts': {
    summary: 'Send a part: several at a time, in any order',
    scopes: ['train'],
    request: { ...byId, ...body(PartForm, 'multipart/form-data') },
  },
  'POST /v1/uploads/{id}/complete': {
    summary: 'Make a file of the parts, in the order that is given',
    scopes: ['train'],
    request: { ...byId, ...body(UploadCompletion) },
  },
  'POST /v1/uploads/{id}/cancel': {
    summary: 'Send no more parts, and make no file of them',
    scopes: ['train'],
    request: byId,
  },
  'POST /v1/files': {
    summary: 'Send a file of rows in one request',
    scopes: ['train'],
    request: body(FileForm, 'multipart/form-data'),
    answer: FileObject,
  },
  'GET /v1/files': {
    summary: 'Your files, newest first',
    scopes: ['train'],
    request: { query: FilesQuery },
    answer: pageOf(FileObject),
  },
  'GET /v1/files/{id}': { summary: 'A file', scopes: ['train'], request: byId, answer: FileObject },
  'GET /v1/files/{id}/content': { summary: 'What is in a file', scopes: ['train'], request: byId },
  'DELETE /v1/files/{id}': {
    summary: 'Delete a file that nothing needs any more',
    scopes: ['train'],
    request: byId,
  },
  'POST /v1/fine_tuning/jobs': {
    summary: 'Train an adapter',
    scopes: ['train'],
    request: body(JobBody),
    answer: FineTuningJob,
  },
  'GET /v1/fine_tuning/jobs': {
    summary: 'Your training jobs, newest first',
    scopes: ['train'],
    request: { query: JobsQuery },
    answer: pageOf(FineTuningJob),
  },
  'GET /v1/fine_tuning/jobs/{id}': {
    summary: 'A training job: how far it is, and what came of it',
    scopes: ['train'],
    request: byId,
    answer: FineTuningJob,
  },
  'POST /v1/fine_tuning/jobs/{id}/cancel': {
    summary: 'End a job where it stands',
    scopes: ['train'],
    request: byId,
    answer: FineTuningJob,
  },
  'POST /v1/fine_tuning/jobs/{id}/pause': {
    summary: 'Pause a job at its next checkpoint',
    scopes: ['train'],
    request: byId,
    answer: FineTuningJob,
  },
  'POST /v1/fine_tuning/jobs/{id}/resume': {
    summary: 'Go on with a job that is paused',
    scopes: ['train'],
    request: byId,
    answer: FineTuningJob,
  },
  'GET /v1/fine_tuning/jobs/{id}/events': {
    summary: 'What a job tells of itself, newest first',
    scopes: ['train'],
    request: { ...byId, query: EventsQuery },
    answer: pageOf(JobEvent),
  },
  'GET /v1/fine_tuning/jobs/{id}/checkpoints': {
    summary: 'What a job has kept on its way, latest first',
    scopes: ['train'],
    request: { ...byId, query: CheckpointsQuery },
    answer: pageOf(JobCheckpoint),
  },
  'POST /v1/fine_tuning/jobs/{id}/checkpoints/{checkpoint}/promote': {
    summary: 'Publish a checkpoint as a version',
    scopes: ['publish'],
    request: { params: z.object({ id: z.string(), checkpoint: z.string() }) },
    answer: z.object({ model: z.string(), status: z.string() }),
  },
};

export function describeOpenai(app: OpenAPIHono<AppEnv>): void {
  describe(app, 'Models', MODELS);
  describe(app, 'Training', TRAINING);
}

function describe(app: OpenAPIHono<AppEnv>, section: Section, routes: Routes): void {
  for (const [route, { summary, scopes, request = {}, answer, streams }] of Object.entries(routes)) {
    const [method = '', path = ''] = route.split(' ');
    app.openAPIRegistry.registerPath({
      method: method.toLowerCase() as 'get' | 'post' | 'delete',
      path,
      summary,
      tags: [section],
      security: [{ key: [...scopes] }],
      request,
      responses: {
        200: answer
          ? { description: 'The answer', content: content(answer) }
          : { description: `OpenAI's answer${streams ? '; server-sent events where `stream` is true' : ''}` },
        default: { description: "OpenAI's error shape" },
      },
    });
  }
}
