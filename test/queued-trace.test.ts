/** What a request leaves in the queue carries its trace on to the runner that works on it. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { sampleAdapter } from '../adapter/sample-adapter.ts';
import { TrainLease } from '../functions/train.ts';
import { VerifyLease } from '../functions/verify.ts';
import { startTelemetry } from '../observe/start.ts';
import { base, baseId, InProcess, runnerToken, upload } from './in-process.ts';

const TRACEPARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

let api: InProcess;

beforeAll(async () => {
  await startTelemetry('test', {});
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
const leased = async (path: string) => {
  for (;;) {
    const response = await api.call('POST', `/api/runner/${path}`, { runner: 'by hand' }, runnerToken);
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

it('a job to train', async () => {
  const form = new FormData();
  form.set('purpose', 'fine-tune');
  form.set('file', new File(['{"text": "one"}\n'], 'data.jsonl'));
  const { id } = (await (await traced('/v1/files', { body: form })).json()) as { id: string };
  const order = { model: baseId, training_file: id, suffix: 'traced' };
  const made = await traced('/v1/fine_tuning/jobs', {
    body: JSON.stringify(order),
    headers: { 'content-type': 'application/json' },
  });
  expect(made.status, await made.text()).toBe(200);
  expect(TrainLease.parse(await leased('leases')).traceparent).toBe(TRACEPARENT);
});
