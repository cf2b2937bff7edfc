import { describe, expect, it } from 'vitest';
import { readConfig } from './config.ts';

const NEEDED = { PATCHBAY_RUNNER_TOKEN: 'sixteen characters', PATCHBAY_RUNNER_CACHE: '/tmp/cache' };

describe('settings', () => {
  it('have defaults for one machine', () => {
    expect(readConfig(NEEDED)).toMatchObject({
      host: '127.0.0.1',
      port: 0,
      maxRows: 16,
      provider: 'cpu',
      cacheFolder: '/tmp/cache',
    });
  });

  it.each([
    [{ PATCHBAY_RUNNER_TOKEN: undefined }, /PATCHBAY_RUNNER_TOKEN/],
    [{ PATCHBAY_RUNNER_TOKEN: 'short' }, /PATCHBAY_RUNNER_TOKEN.*16/],
    [{ PATCHBAY_RUNNER_CACHE: '' }, /PATCHBAY_RUNNER_CACHE/],
    [{ PATCHBAY_RUNNER_PORT: '70000' }, /PATCHBAY_RUNNER_PORT/],
    [{ PATCHBAY_RUNNER_THREADS: 'many' }, /PATCHBAY_RUNNER_THREADS/],
    [{ PATCHBAY_RUNNER_KV_BYTES: '-1' }, /PATCHBAY_RUNNER_KV_BYTES/],
    [{ PATCHBAY_RUNNER_PROVIDER: 'gpu' }, /PATCHBAY_RUNNER_PROVIDER.*"cpu".*"cuda".*"webgpu"/],
  ])('name the variable that is wrong: %j', (wrong, reason) => {
    expect(() => readConfig({ ...NEEDED, ...wrong })).toThrow(reason);
  });
});
