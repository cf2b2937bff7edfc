/** What a request leaves in the queue carries its trace on to the runner that works on it. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { sampleAdapter } from '../adapter/sample-adapter.ts';
import { TaskLease } from '../functions/tasks.ts';
import { TrainLease } from '../functions/train.ts';
import { VerifyLease } from '../functions/verify.ts';
import { createLog } from '../observe/log.ts';
import { startTelemetry } from '../observe/start.ts';
import { base, baseId, InProcess, runnerToken, upload } from './in-process.ts';

const TRACEPARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

let api: InProcess;

beforeAll(async () => {
  await startTelemetry('test', {}, createLog('test', 'silent'));
  api = await InProcess.open();
  api.verdict = undefined;
});
afterAll(() => api.close());

const traced = (path: string, init: RequestInit) =>
  api.app.request(path, {
    method: 'POST',
    ...init,
    headers: { authorization: `Bearer ${api.admin}`, traceparent: TRACEPARENT, ...init.headers },
  });
const leased = async (path: string, more: object = {}) => {
  for (;;) {
    const asked = { runner: 'by hand', ...more };
    const response = await api.call('POST', `/api/runner/${path}`, asked, runnerToken);
    if (response.status === 200) return response.json();
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
};

it('a version to verify', async () => {
  const { config, weights } = sampleAdapter(base);
  const files = { 'adapter_config.json': config, 'adapter_model.safetensors': weights };
  const draft = await api.start('/api/adapters/alice/traced/versions', files);
  await upload(draft, files);
  const answer = traced(`/api/drafts/${draft.id}/complete`, {});
  const lease = VerifyLease.parse(await leased('verifications'));
  expect(lease.traceparent).toBe(TRACEPARENT);
  const verdict = { problems: [], findings: { notes: [], spectrum: [], advice: [] } };
  await api.call('POST', `/api/runner/verifications/${lease.leaseId}/verdict`, verdict, runnerToken);
  expect((await answer).status).toBe(200);
});

async function rows(): Promise<string> {
  const form = new FormData();
  form.set('purpose', 'fine-tune');
  form.set('file', new File(['{"text": "one"}\n'], 'data.jsonl'));
  return ((await (await traced('/v1/files', { body: form })).json()) as { id: string }).id;
}
async function order(path: string, body: object, status: number): Promise<void> {
  const headers = { 'content-type': 'application/json' };
  const made = await traced(path, { body: JSON.stringify(body), headers });
  expect(made.status, await made.text()).toBe(status);
}

it('a job to train', async () => {
  await order('/v1/fine_tuning/jobs', { model: baseId, training_file: await rows(), suffix: 'traced' }, 200);
  expect(TrainLease.parse(await leased('leases')).traceparent).toBe(TRACEPARENT);
});

it('a task', async () => {
  await order('/api/tasks/evaluate', { model: baseId, file: await rows() }, 202);
  expect(TaskLease.parse(await leased('tasks', { functions: ['evaluate'] })).traceparent).toBe(TRACEPARENT);
});
