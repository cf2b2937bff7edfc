/**
 * What clients of Xet send: xorbs, which hold compressed chunks, and shards, which say of which chunks a file consists
 * (huggingface.co/docs/xet). Everything comes from strangers: lengths are checked before anything is read or made.
 */
import { decodeLz4Frame, Lz4Error } from './lz4.ts';

/** How what was staged of an upload is called: a space, and so no file's name. */
export const XORB_PREFIX = 'xorb ';

const HASH_BYTES = 32;
const RECORD_BYTES = 48;
const SHARD_HEADER_BYTES = 48;
const CHUNK_HEADER_BYTES = 8;
const CHUNK_VERSION = 0;
/** Chunks have 128 KiB at most. */
const MAX_CHUNK = 128 * 1024;
const WITH_VERIFICATION = 0x8000_0000;
const WITH_METADATA = 0x4000_0000;
/** `HFRepoMetaData`, and bytes that no text has. */
const SHARD_MAGIC = [
  0x48, 0x46, 0x52, 0x65, 0x70, 0x6f, 0x4d, 0x65, 0x74, 0x61, 0x44, 0x61, 0x74, 0x61, 0x00, 0x55, 0x69, 0x67,
  0x45, 0x6a, 0x7b, 0x81, 0x57, 0x83, 0xa5, 0xbd, 0xd9, 0x5c, 0xcd, 0xd1, 0x4a, 0xa9,
];
/** Of a shard: a file of 4 GiB has some hundred terms for each xorb. */
const MAX_TERMS = 1_000_000;

export class XetError extends Error {
  override readonly name = 'XetError';
}

/** Some chunks of a xorb, one after the other. */
export interface Term {
  /** Of the xorb, as it is written in URLs. */
  readonly xorb: string;
  readonly begin: number;
  readonly end: number;
  /** Bytes of the chunks. */
  readonly size: number;
}

export interface ShardFile {
  readonly sha256: string;
  readonly size: number;
  readonly terms: readonly Term[];
}

/** @throws XetError */
export function readShard(bytes: Uint8Array): ShardFile[] {
  if (bytes.length < SHARD_HEADER_BYTES || SHARD_MAGIC.some((byte, i) => bytes[i] !== byte))
    throw new XetError('is no shard');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const files: ShardFile[] = [];
  let at = SHARD_HEADER_BYTES;
  let terms = 0;
  const record = (): number => {
    if (at + RECORD_BYTES > bytes.length) throw new XetError('ends too early');
    at += RECORD_BYTES;
    return at - RECORD_BYTES;
  };
  for (;;) {
    const header = record();
    if (bytes.subarray(header, header + HASH_BYTES).every((byte) => byte === 0xff)) return files;
    const flags = view.getUint32(header + HASH_BYTES, true);
    const count = view.getUint32(header + HASH_BYTES + 4, true);
    terms += count;
    if (terms > MAX_TERMS) throw new XetError(`has more than ${MAX_TERMS} terms`);
    const file: Term[] = [];
    for (let i = 0; i < count; i++) file.push(readTerm(bytes, view, record()));
    if (flags & WITH_VERIFICATION) for (let i = 0; i < count; i++) record();
    if (!(flags & WITH_METADATA)) throw new XetError('names a file without its sha256');
    const sha256 = hashText(bytes, record());
    files.push({ sha256, size: file.reduce((sum, { size }) => sum + size, 0), terms: file });
  }
}

function readTerm(bytes: Uint8Array, view: DataView, at: number): Term {
  const term = {
    xorb: hashText(bytes, at),
    size: view.getUint32(at + HASH_BYTES + 4, true),
    begin: view.getUint32(at + HASH_BYTES + 8, true),
    end: view.getUint32(at + HASH_BYTES + 12, true),
  };
  if (term.begin >= term.end) throw new XetError('has a term without chunks');
  return term;
}

/** Hashes are four little-endian numbers of 64 bits, and are written as those numbers. */
function hashText(bytes: Uint8Array, at: number): string {
  let text = '';
  for (let word = at; word < at + HASH_BYTES; word += 8)
    for (let i = 7; i >= 0; i--) text += bytes[word + i]!.toString(16).padStart(2, '0');
  return text;
}

interface Chunk {
  readonly at: number;
  readonly packed: number;
  readonly scheme: number;
  readonly size: number;
}

/** Chunks one after the other; what may follow them, of the client's own, is not looked at. */
export class Xorb {
  private readonly bytes: Uint8Array;
  private readonly chunks: readonly Chunk[];

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
    this.chunks = chunksIn(bytes);
  }

  /** Chunks `begin` to `end`, in their order. @throws XetError */
  *read({ begin, end }: Pick<Term, 'begin' | 'end'>): Generator<Uint8Array<ArrayBuffer>> {
    if (end > this.chunks.length) throw new XetError('has fewer chunks than a file asks of it');
    for (const { at, packed, scheme, size } of this.chunks.slice(begin, end))
      yield unpacked(this.bytes.subarray(at, at + packed), scheme, size);
  }
}

function chunksIn(bytes: Uint8Array): Chunk[] {
  const chunks: Chunk[] = [];
  const u24 = (at: number) => bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16);
  let at = 0;
  while (at + CHUNK_HEADER_BYTES <= bytes.length && bytes[at] === CHUNK_VERSION) {
    const chunk = {
      packed: u24(at + 1),
      scheme: bytes[at + 4]!,
      size: u24(at + 5),
      at: at + CHUNK_HEADER_BYTES,
    };
    at = chunk.at + chunk.packed;
    if (chunk.size > MAX_CHUNK || at > bytes.length) break;
    chunks.push(chunk);
  }
  return chunks;
}

function unpacked(data: Uint8Array, scheme: number, size: number): Uint8Array<ArrayBuffer> {
  try {
    switch (scheme) {
      case 0:
        if (data.length !== size) throw new XetError('has a chunk of another size than it says');
        return data.slice();
      case 1:
        return decodeLz4Frame(data, size);
      case 2:
        return ungrouped(decodeLz4Frame(data, size));
      default:
        throw new XetError(`has a chunk that is compressed in the unknown way ${scheme}`);
    }
  } catch (error) {
    throw error instanceof Lz4Error ? new XetError(`has a chunk that ${error.message}`) : error;
  }
}

/** First bytes of all numbers of 32 bits, then their second ones, and so on: back in their order. */
function ungrouped(grouped: Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(grouped.length);
  let from = 0;
  for (let group = 0; group < 4; group++)
    for (let to = group; to < bytes.length; to += 4) bytes[to] = grouped[from++]!;
  return bytes;
}
