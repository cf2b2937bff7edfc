/** The catalog that ships: a base and its adapters, brought in through the same steps as anybody's. */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { findAdapter } from '../../db/adapters.ts';
import { findBase } from '../../db/bases.ts';
import { Receipt } from '../../functions/train.ts';
import { RULES, Verdict } from '../../functions/verify.ts';
import type { Principal } from '../auth.ts';
import { ADAPTER_FILES, BASE_FILES, type DeclaredFile } from '../declared-files.ts';
import {
  type Completed,
  completeDraft,
  type DraftView,
  startAdapterDraft,
  startBaseDraft,
} from '../publish.ts';
import { decideShipped, type VerifyDeps } from '../verify.ts';
import type { PublishDeps } from '../versions.ts';

const Id = z.string().regex(/^[^/]+\/[^/]+$/);
const Index = z.object({
  base: z.object({ id: Id, path: z.string() }),
  adapters: z.array(z.looseObject({ id: Id, path: z.string() })),
});

const ShippedVerdict = z.object({ digest: z.string(), rules: z.int(), verdict: Verdict });

const seedFolder = fileURLToPath(new URL('../../seed', import.meta.url));

/** Brings in what is not there yet. @returns the id of the base */
export async function seedCatalog(deps: VerifyDeps, principal: Principal): Promise<string> {
  const { base, adapters } = await readIndex();
  if (!(await findBase(deps.db, base.id))) {
    const known = (path: string) => path in BASE_FILES || path.endsWith('.safetensors');
    await bringIn(deps, principal, base.path, known, (files) =>
      startBaseDraft(deps, principal, ownerAndName(base.id), files),
    );
  }
  for (const { id, path } of adapters) {
    if (await findAdapter(deps.db, id)) continue;
    const known = (file: string) => file in ADAPTER_FILES;
    const receipt = Receipt.parse(JSON.parse(await readFile(join(seedFolder, path, 'receipt.json'), 'utf8')));
    const { version } = (await bringIn(deps, principal, path, known, (files) =>
      startAdapterDraft(deps, principal, ownerAndName(id), base.id, files, { lineage: null, receipt }),
    )) as Extract<Completed, { kind: 'adapter' }>;
    const { digest, rules, verdict } = await readVerdict(path);
    // Else it goes through the gate here, like any other.
    if (digest === version.digest && rules === RULES) await decideShipped(deps, version, verdict);
  }
  return base.id;
}

/** What the publish gate said of the files that ship: the first start would take twice as long if it asked again. */
const readVerdict = async (path: string) =>
  ShippedVerdict.parse(JSON.parse(await readFile(join(seedFolder, path, 'verdict.json'), 'utf8')));

const readIndex = async () => Index.parse(JSON.parse(await readFile(join(seedFolder, 'index.json'), 'utf8')));

async function bringIn(
  deps: PublishDeps,
  principal: Principal,
  path: string,
  known: (path: string) => boolean,
  start: (files: DeclaredFile[]) => Promise<DraftView>,
): Promise<Completed> {
  const folder = join(seedFolder, path);
  const contents = new Map<string, Buffer>();
  for (const name of await readdir(folder))
    if (known(name)) contents.set(name, await readFile(join(folder, name)));
  const files = [...contents].map(([name, bytes]) => ({
    path: name,
    size: bytes.length,
    sha256: createHash('sha256').update(bytes).digest('hex'),
  }));
  const draft = await start(files);
  for (const file of draft.files) {
    for (const { number, url } of file.parts ?? []) {
      const at = (number - 1) * file.partSize!;
      const body = new Uint8Array(contents.get(file.path)!.subarray(at, at + file.partSize!));
      const response = await fetch(url!, { method: 'PUT', body });
      if (!response.ok)
        throw new Error(`the object store refused ${file.path} of the seed catalog: ${response.status}`);
    }
  }
  return completeDraft(deps, principal, draft.id);
}

function ownerAndName(id: string): { owner: string; name: string } {
  const [owner, name] = id.split('/');
  return { owner: owner!, name: name! };
}
