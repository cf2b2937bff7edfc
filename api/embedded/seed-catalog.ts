/** The catalog that ships: a base and its adapters, brought in through the same steps as anybody's. */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { findAdapter, findSubmitted } from '../../db/adapters.ts';
import { findBase } from '../../db/bases.ts';
import { Receipt } from '../../functions/train.ts';
import type { Principal } from '../auth.ts';
import {
  ADAPTER_FILES,
  BASE_FILES,
  completeDraft,
  type DeclaredFile,
  type DraftView,
  startAdapterDraft,
  startBaseDraft,
} from '../publish.ts';
import { awaitVerdict } from '../verify.ts';
import type { PublishDeps } from '../versions.ts';

/** Each takes a second or two. */
const VERDICT_SECONDS = 60;

const Id = z.string().regex(/^[^/]+\/[^/]+$/);
const Index = z.object({
  base: z.object({ id: Id, path: z.string() }),
  adapters: z.array(z.looseObject({ id: Id, path: z.string() })),
});

const seedFolder = fileURLToPath(new URL('../../seed', import.meta.url));

/** Brings in what is not there yet. @returns the id of the base */
export async function seedCatalog(deps: PublishDeps, principal: Principal): Promise<string> {
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
    await bringIn(deps, principal, path, known, (files) =>
      startAdapterDraft(deps, principal, ownerAndName(id), base.id, files, { lineage: null, receipt }),
    );
  }
  return base.id;
}

/** Resolves once the publish gate has passed what ships, or after a while without an answer. @throws ApiError refused */
export async function seedVerified(deps: PublishDeps): Promise<void> {
  const { adapters } = await readIndex();
  for (const { id } of adapters) {
    const version = await findSubmitted(deps.db, id, 1);
    if (version?.status === 'pending') await awaitVerdict(deps, version, VERDICT_SECONDS);
  }
}

const readIndex = async () => Index.parse(JSON.parse(await readFile(join(seedFolder, 'index.json'), 'utf8')));

async function bringIn(
  deps: PublishDeps,
  principal: Principal,
  path: string,
  known: (path: string) => boolean,
  start: (files: DeclaredFile[]) => Promise<DraftView>,
): Promise<void> {
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
  await completeDraft(deps, principal, draft.id);
}

function ownerAndName(id: string): { owner: string; name: string } {
  const [owner, name] = id.split('/');
  return { owner: owner!, name: name! };
}
