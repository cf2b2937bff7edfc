/**
 * Keeps what the publish gate of a running server says of the adapters that ship, as it was verified there.
 *
 *   PATCHBAY_URL=http://127.0.0.1:8787 PATCHBAY_KEY=pb_... node verdicts.ts ..
 */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';

const Index = z.object({ adapters: z.array(z.looseObject({ id: z.string(), path: z.string() })) });
const Detail = z.looseObject({
  digest: z.string(),
  verification: z.looseObject({ rules: z.int(), problems: z.array(z.unknown()), findings: z.unknown() }),
});
const Verifications = z.object({ verifications: z.array(z.looseObject({ status: z.string() })) });

const [folder] = process.argv.slice(2);
const { PATCHBAY_URL: url = 'http://127.0.0.1:8787', PATCHBAY_KEY: key } = process.env;
if (!folder || !key) throw new Error('PATCHBAY_URL=... PATCHBAY_KEY=... node verdicts.ts SEED');

async function call(method: string, path: string): Promise<unknown> {
  const response = await fetch(`${url}/api/adapters/${path}`, {
    method,
    headers: { authorization: `Bearer ${key}` },
  });
  if (!response.ok) throw new Error(await response.text());
  return response.json();
}

const { adapters } = Index.parse(JSON.parse(await readFile(join(folder, 'index.json'), 'utf8')));
for (const { id, path } of adapters) {
  const route = `${id}/versions/1`;
  await call('POST', `${route}/verifications`);
  for (let isOpen = true; isOpen; await sleep(500)) {
    const { verifications } = Verifications.parse(await call('GET', `${route}/verifications`));
    isOpen = verifications.some(({ status }) => status === 'waiting' || status === 'running');
  }
  const { digest, verification } = Detail.parse(await call('GET', route));
  const { rules, problems, findings } = verification;
  const shipped = { digest, rules, verdict: { problems, findings } };
  await writeFile(join(folder, path, 'verdict.json'), `${JSON.stringify(shipped)}\n`);
  process.stdout.write(`${id}: ${problems.length} problems\n`);
}
