/** What an answer needs is away while it is being got together: the request fails, and the server goes on. */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { writeSafetensors } from '../adapter/safetensors.ts';
import { sampleConfig, sampleTensors } from '../adapter/sample-adapter.ts';
import { resolveModel } from '../api/invoke.ts';
import { base, InProcess } from './in-process.ts';

let api: InProcess;
const unhandled: unknown[] = [];
const note = (reason: unknown) => unhandled.push(reason);

beforeAll(async () => {
  process.on('unhandledRejection', note);
  api = await InProcess.open();
  const published = await api.publish('/api/adapters/admin/some/versions', {
    'adapter_config.json': JSON.stringify(sampleConfig()),
    'adapter_model.safetensors': writeSafetensors(sampleTensors(base)),
  });
  expect(published.status).toBe(200);
});

afterAll(async () => {
  process.off('unhandledRejection', note);
  await api.close();
});

it('leaves nothing that fails later and is nobody’s', async () => {
  const principal = await api.auth.authenticate(`Bearer ${api.admin}`);
  const down = new Error('connect ECONNREFUSED');
  let asked = 0;
  // The base's files fail first, the adapter's a moment later.
  const readUrl = async () => {
    await new Promise((resolve) => setTimeout(resolve, 5 * asked++));
    throw down;
  };
  const blobs = { ...api.blobs, readUrl };
  await expect(resolveModel({ db: api.deps.db, blobs }, principal!, 'admin/some')).rejects.toBe(down);
  await new Promise((resolve) => setTimeout(resolve, 100));
  expect(asked).toBeGreaterThan(1);
  expect(unhandled).toEqual([]);
});
