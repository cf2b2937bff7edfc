/** Clients that publish adapters by the API's own protocol, insist until they are told that it is done, or leave half-way. */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { z } from 'zod';
import { baseId, type DraftBody, declare, type Files } from '../../in-process.ts';
import { Refused } from '../client.ts';
import type { Random } from '../random.ts';
import { insist, type Load, sleep } from './load.ts';

const fixture = join(import.meta.dirname, '../../fixtures/parity/smollm2/adapters/all-linear');
const LEAVES = 0.2;
const SECOND_VERSION = 0.4;
/** From the end of the weights: the last values of the last tensor. */
const CHANGED_BYTES = 4 * 64;
/** How soon a client looks again at a version that the gate has not decided on. */
const LOOK_AGAIN_MS = 300;

export interface Publishing {
  readonly target: string;
  /** By path. */
  readonly files: ReadonlyMap<string, { readonly sha256: string; readonly size: number }>;
  /** The version that it is known to be. */
  number: number | undefined;
  /** It was answered that it is listed. */
  listed: boolean;
  /** The client left before it was done. */
  left: boolean;
  /** What nobody should be told. */
  problem: string | undefined;
}

const Done = z.object({
  kind: z.literal('adapter'),
  version: z.object({ number: z.int(), status: z.string() }),
});

export async function publishAgainAndAgain(load: Load, client: number, seen: Publishing[]): Promise<void> {
  const random = load.random(client);
  let target = '';
  for (let count = 0; load.timeline.ms < load.endsAt; count++) {
    if (!target || !random.chance(SECOND_VERSION)) target = `${load.prefix}-p${client}-${count}`;
    const leaves = random.chance(LEAVES);
    const files = await adapterOf(random);
    const publishing: Publishing = {
      target: `admin/${target}`,
      files: new Map(declare(files).map(({ path, ...file }) => [path, file])),
      number: undefined,
      listed: false,
      left: leaves,
      problem: undefined,
    };
    seen.push(publishing);
    await publish(load, `publisher ${client}`, publishing, files).catch((error: unknown) => {
      publishing.problem = (error as Error).message;
      load.timeline.note(`publisher ${client}`, `gave up: ${publishing.problem}`);
    });
    if (publishing.listed) load.models.push(publishing.target, `${publishing.target}@${publishing.number}`);
    await sleep(random.between(0, 200));
  }
}

/** The fixture's adapter with other numbers at its end, and a card of its own. */
export async function adapterOf(random: Random): Promise<Files> {
  const weights = new Uint8Array(await readFile(join(fixture, 'adapter_model.safetensors')));
  const values = new DataView(weights.buffer, weights.length - CHANGED_BYTES);
  for (let at = 0; at < CHANGED_BYTES; at += 4) values.setFloat32(at, random.between(-0.1, 0.1), true);
  return {
    'adapter_config.json': new Uint8Array(await readFile(join(fixture, 'adapter_config.json'))),
    'adapter_model.safetensors': weights,
    'README.md': `# Made for a test\n\n${createHash('sha256').update(weights).digest('hex')}\n`,
  };
}

/** To be told so would end it for good; anything else is worth asking again. */
const isFinal = (error: unknown) =>
  error instanceof Refused && error.status < 500 && error.status !== 429 && error.status !== 409;

async function publish(load: Load, who: string, publishing: Publishing, files: Files): Promise<void> {
  const { client, timeline } = load;
  const persistently = <T>(attempt: () => Promise<T>) => insist(load, who, attempt, isFinal);
  const [owner, name] = publishing.target.split('/');
  const begin = () =>
    client.ok('POST', `/api/adapters/${owner}/${name}/versions`, { base: baseId, files: declare(files) });
  const draft = (await persistently(begin)) as DraftBody | undefined;
  if (!draft) return;
  const view = () => client.ok('GET', `/api/drafts/${draft.id}`) as Promise<DraftBody>;
  const sendAll = async () => {
    for (const { path, parts } of (await view()).files)
      for (const { url, done } of parts ?? [])
        if (!done) await put(url!, bytesOf(files[path]!), publishing.left);
  };
  if (publishing.left) {
    await sendAll().catch(() => undefined);
    timeline.note(who, 'left in the middle of an upload');
    return;
  }
  const complete = async () => {
    await sendAll();
    return Done.parse(await client.ok('POST', `/api/drafts/${draft.id}/complete`)).version;
  };
  const version = await persistently(complete);
  if (!version) return;
  publishing.number = version.number;
  timeline.note(who, `published ${publishing.target}@${version.number}: ${version.status}`);
  const look = async () => {
    const path = `/api/adapters/${owner}/${name}/versions/${version.number}`;
    return (await client.ok('GET', path)) as { status: string };
  };
  let { status } = version;
  while (status === 'pending' && timeline.ms < load.givesUpAt) {
    await sleep(LOOK_AGAIN_MS);
    status = (await persistently(look))?.status ?? status;
  }
  publishing.listed = status === 'passed';
  if (!['passed', 'pending'].includes(status)) publishing.problem = `became ${status}`;
}

const bytesOf = (content: Files[string]) =>
  typeof content === 'string' ? new TextEncoder().encode(content) : content;

/** @param half leaves in the middle */
async function put(url: string, bytes: Uint8Array<ArrayBuffer>, half: boolean): Promise<void> {
  if (!half) {
    const response = await fetch(url, { method: 'PUT', body: bytes, signal: AbortSignal.timeout(20_000) });
    if (!response.ok) throw new Error(`the object store answered ${response.status}`);
    return;
  }
  const leave = new AbortController();
  const body = new ReadableStream<Uint8Array>({
    start: (controller) => controller.enqueue(bytes.subarray(0, bytes.length >> 1)),
    pull: () => leave.abort(),
  });
  const headers = { 'content-length': String(bytes.length) };
  await fetch(url, { method: 'PUT', body, headers, signal: leave.signal, duplex: 'half' } as RequestInit);
}
