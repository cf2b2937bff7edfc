/**
 * Makes the folder that every Lambda gets, each of its entries in one file: `npx node infra/aws/build.ts` before `cdk deploy`. A bundle
 * starts in a fraction of the time that thousands of files of packages take.
 */
import { cpSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { rolldown } from 'rolldown';

const here = (path: string) => fileURLToPath(new URL(path, import.meta.url));
const out = process.argv[2] ?? here('dist');

/** By where their code looks for files: the site's lie two folders above the API, migrations beside whoever opens the database. */
const ENTRIES = {
  'api/lambda/index': 'entries/api.ts',
  'api/function/index': 'entries/function.ts',
  'scale/index': 'entries/scale.ts',
} as const;

rmSync(out, { recursive: true, force: true });
for (const [name, entry] of Object.entries(ENTRIES)) {
  const bundle = await rolldown({ input: here(entry), platform: 'node' });
  await bundle.write({ file: `${out}/${name}.mjs`, format: 'esm', codeSplitting: false, sourcemap: true });
  await bundle.close();
}
for (const entry of ['lambda', 'function'])
  cpSync(here('../../db/migrations'), `${out}/api/${entry}/migrations`, { recursive: true });
cpSync(here('../../web/dist'), `${out}/web/dist`, { recursive: true });
