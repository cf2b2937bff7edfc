/** The edge is told what it is bound to, and nothing else: a setting that its configuration leaves out would be ignored in silence. */
import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { SETTINGS } from '../api/config.ts';

/** Of a process that listens and has a folder; and webhooks leave the edge through a network that leads to public addresses only. */
const NOT_THERE = ['PORT', 'HOST', 'PATCHBAY_DATA', 'PATCHBAY_WEBHOOKS_ANYWHERE'];

it('the configuration of workerd passes every setting on', async () => {
  const config = await readFile(new URL('../infra/edge/patchbay.capnp', import.meta.url), 'utf8');
  const bound = [...config.matchAll(/name = "(\w+)", fromEnvironment = "(\w+)"/g)];
  for (const [, name, variable] of bound) expect(name).toBe(variable);
  expect(bound.map(([, name]) => name).sort()).toEqual(
    SETTINGS.filter((name) => !NOT_THERE.includes(name)).sort(),
  );
});
