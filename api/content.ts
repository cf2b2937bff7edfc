/** Reading uploaded content from the object store, in pieces and within limits. */
import { readHeader, type SafetensorsHeader } from '../adapter/safetensors.ts';
import { createScan, type Scan } from '../adapter/scan.ts';
import type { BlobStore } from './blob-store.ts';
import { ApiError } from './errors.ts';

/** A file and where its bytes are. */
export interface Content {
  readonly path: string;
  readonly size: number;
  readonly sha256: string;
  readonly key: string;
  readonly store: Pick<BlobStore, 'read'>;
  /** Present: it is here, and not in the object store yet. */
  readonly bytes?: Uint8Array<ArrayBuffer>;
  /** Present: every value was looked at when its digest was worked out. */
  readonly scan?: Scan | undefined;
}

/** Content that came with the request itself. */
export function contentInMemory(path: string, sha256: string, bytes: Uint8Array<ArrayBuffer>): Content {
  const read: BlobStore['read'] = async (_key, range) => {
    const end = range ? range.offset + range.length : bytes.length;
    return new Blob([bytes.subarray(range?.offset ?? 0, end)]).stream();
  };
  return { path, size: bytes.length, sha256, key: '', store: { read }, bytes };
}

/** Incremental. */
export interface Hasher {
  update(chunk: Uint8Array): void;
  /** As hexadecimal digits. */
  digest(): string;
}

/** @param algorithm sha256, unless a protocol asks for another one */
export type CreateHasher = (algorithm?: 'sha256' | 'md5') => Hasher;

/** @param scan looks at the same bytes, which are read once */
export async function hashOf(
  stream: ReadableStream<Uint8Array>,
  hasher: Hasher,
  scan?: Scan,
): Promise<string> {
  for await (const chunk of stream) {
    hasher.update(chunk);
    scan?.push(chunk);
  }
  return hasher.digest();
}

/** For the values of weights whose header can be read; what is wrong with the others is said where they are checked. */
export async function scanOf(content: Content): Promise<Scan | undefined> {
  const header = await readHeaderOf(content).catch(() => undefined);
  return header && createScan(header);
}

async function readAll(stream: ReadableStream<Uint8Array>, size: number): Promise<Uint8Array> {
  const whole = new Uint8Array(size);
  let at = 0;
  for await (const chunk of stream) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole.subarray(0, at);
}

/** Whole text of a small file (its size was checked against the limit when it was declared). */
export async function readText(content: Content): Promise<string> {
  const bytes = await readAll(await content.store.read(content.key), content.size);
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw refusedFile(content.path, 'not_utf8', 'is not UTF-8 text');
  }
  checkStorable(content.path, text);
  return text;
}

/** Postgres holds neither NUL nor half a surrogate pair, in text and JSON alike. @throws ApiError refused */
export function checkStorable(path: string, value: unknown): void {
  if (!isStorable(value))
    throw refusedFile(path, 'not_text', 'holds the character NUL or half a surrogate pair, which is no text');
}

export function isStorable(value: unknown): boolean {
  if (typeof value === 'string') return value.isWellFormed() && !value.includes('\0');
  if (typeof value !== 'object' || value === null) return true;
  return Object.entries(value).every(([key, one]) => isStorable(key) && isStorable(one));
}

/** Text of a model holds what it likes: what the database cannot hold becomes the replacement character. */
export function toStorable<T>(value: T): T {
  const text = JSON.stringify(value, (_key, one: unknown) =>
    typeof one === 'string' ? one.toWellFormed().replaceAll('\0', '\uFFFD') : one,
  );
  return JSON.parse(text) as T;
}

export async function readJson(content: Content): Promise<unknown> {
  try {
    return JSON.parse(await readText(content));
  } catch (error) {
    if (error instanceof ApiError) throw error;
    throw refusedFile(content.path, 'not_json', `is not JSON: ${(error as Error).message}`);
  }
}

export function readHeaderOf(content: Content): Promise<SafetensorsHeader> {
  const read = async (offset: number, length: number) => {
    if (length === 0) return new Uint8Array(0); // no range says "nothing"
    return readAll(await content.store.read(content.key, { offset, length }), length);
  };
  return readHeader(read, content.size);
}

/** Looks at every value, one chunk at a time. @throws AdapterError NaN, infinity, or an adapter that changes nothing */
export async function scanWeights(content: Content, header: SafetensorsHeader): Promise<void> {
  if (content.scan) return content.scan.finish();
  const scan = createScan(header);
  for await (const chunk of await content.store.read(content.key)) scan.push(chunk);
  scan.finish();
}

export function refusedFile(path: string, code: string, what: string): ApiError {
  const detail = `${path} ${what}`;
  return new ApiError('refused', detail, { field: path, problems: [{ code, detail, field: path }] });
}
