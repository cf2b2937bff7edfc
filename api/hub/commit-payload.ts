/** A commit as Hugging Face's clients send it: a header, then changes, each a line of JSON. */
import { z } from 'zod';
import { ApiError } from '../errors.ts';
import { parseInput } from '../request.ts';

/** Of the whole body; what is larger than a third of it is told to go by git-lfs beforehand. */
const MAX_COMMIT = 96 * 2 ** 20;
const MAX_LINES = 1000;

const path = z.string().min(1).max(1000);
const Header = z.object({
  summary: z.string().max(1000),
  description: z.string().max(65_536).nullish(),
  /** The commit that the change was made against. */
  parentCommit: z.string().max(64).nullish(),
});
const Line = z.discriminatedUnion('key', [
  z.object({ key: z.literal('header'), value: Header }),
  z.object({
    key: z.literal('file'),
    value: z.object({ path, content: z.string(), encoding: z.enum(['base64', 'utf-8']).default('utf-8') }),
  }),
  z.object({
    key: z.literal('lfsFile'),
    value: z.object({
      path,
      algo: z.literal('sha256').optional(),
      oid: z.string().regex(/^[0-9a-f]{64}$/, 'must be a lower-case hexadecimal sha256'),
    }),
  }),
  z.object({ key: z.literal('deletedFile'), value: z.object({ path }) }),
  z.object({ key: z.literal('deletedFolder'), value: z.object({ path }) }),
]);
type Line = z.infer<typeof Line>;

export type Change =
  | { readonly kind: 'content'; readonly path: string; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: 'lfs'; readonly path: string; readonly sha256: string }
  | { readonly kind: 'delete'; readonly path: string };

export interface CommitPayload {
  readonly parent: string | undefined;
  readonly changes: readonly Change[];
}

/** Line by line, so that of base64 and JSON there is only one file's at a time. @throws ApiError invalid_request, too_large */
export async function readCommit(body: ReadableStream<Uint8Array> | null): Promise<CommitPayload> {
  if (!body) throw missingHeader();
  const lines = linesOf(body);
  try {
    return await readLines(lines);
  } catch (error) {
    // A client that still sends would miss the answer: the rest is read, and dropped.
    await drop(body);
    throw error;
  }
}

async function readLines(lines: AsyncIterable<string>): Promise<CommitPayload> {
  let header: z.infer<typeof Header> | undefined;
  const changes: Change[] = [];
  let number = 0;
  for await (const text of lines) {
    number += 1;
    if (text.trim() === '') continue;
    if (number > MAX_LINES) throw bad(number, `a commit has at most ${MAX_LINES} lines`);
    const line = parseLine(text, number);
    if (line.key === 'header') {
      if (header) throw bad(number, 'there is a header already');
      header = line.value;
    } else changes.push(changeOf(line, number));
  }
  if (!header) throw missingHeader();
  return { parent: header.parentCommit ?? undefined, changes };
}

async function drop(body: ReadableStream<Uint8Array>): Promise<void> {
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > MAX_COMMIT) return;
  }
}

async function* linesOf(body: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let size = 0;
  let pending: string[] = [];
  const decode = (chunk?: Uint8Array) => {
    try {
      return chunk ? decoder.decode(chunk, { stream: true }) : decoder.decode();
    } catch {
      throw new ApiError('invalid_request', 'The commit is not UTF-8 text.');
    }
  };
  for await (const chunk of body.values({ preventCancel: true })) {
    size += chunk.length;
    if (size > MAX_COMMIT)
      throw new ApiError(
        'too_large',
        `A commit has at most ${MAX_COMMIT} bytes; larger files go by git-lfs.`,
      );
    const [rest, ...begun] = decode(chunk).split('\n');
    pending.push(rest!);
    for (const next of begun) {
      yield pending.join('');
      pending = [next];
    }
  }
  yield pending.join('') + decode();
}

function parseLine(text: string, number: number): Line {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw bad(number, 'is not JSON');
  }
  try {
    return parseInput(Line, json);
  } catch (error) {
    throw error instanceof ApiError ? bad(number, error.message) : error;
  }
}

function changeOf(line: Exclude<Line, { key: 'header' }>, number: number): Change {
  switch (line.key) {
    case 'file':
      return { kind: 'content', path: line.value.path, bytes: bytesOf(line.value, number) };
    case 'lfsFile':
      return { kind: 'lfs', path: line.value.path, sha256: line.value.oid };
    case 'deletedFile':
      return { kind: 'delete', path: line.value.path };
    case 'deletedFolder':
      throw bad(number, `an adapter has no folders, so there is no ${line.value.path} to delete`);
  }
}

function bytesOf({ content, encoding }: { content: string; encoding: string }, number: number) {
  if (encoding === 'utf-8') return new TextEncoder().encode(content);
  try {
    return bytesOfBase64(content);
  } catch {
    throw bad(number, 'content is not base64');
  }
}

/** @throws DOMException it is not base64 */
export function bytesOfBase64(base64: string): Uint8Array<ArrayBuffer> {
  const binary = atob(base64);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

const missingHeader = () => bad(1, 'the header is missing: {"key":"header","value":{"summary":"…"}}');

const bad = (line: number, what: string) =>
  new ApiError('invalid_request', `line ${line} of the commit: ${what}`, { field: `line ${line}` });
