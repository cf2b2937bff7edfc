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
/** Chunks have 128 KiB at most, and 8 KiB at least but for the last of a file; a xorb has so many at most, as clients make them. */
const MAX_CHUNK = 128 * 1024;
const MIN_CHUNK = 8 * 1024;
const MAX_XORB_CHUNKS = 8 * 1024;
/** Of a file, beyond what its size lets one expect: clients may cut where a piece of it ends. */
const SHORT_CHUNKS = 1000;
const WITH_VERIFICATION = 0x8000_0000;
const WITH_METADATA = 0x4000_0000;
/** `HFRepoMetaData`, and bytes that no text has. */
const SHARD_MAGIC = [
  0x48, 0x46, 0x52, 0x65, 0x70, 0x6f, 0x4d, 0x65, 0x74, 0x61, 0x44, 0x61, 0x74, 0x61, 0x00, 0x55, 0x69, 0x67,
  0x45, 0x6a, 0x7b, 0x81, 0x57, 0x83, 0xa5, 0xbd, 0xd9, 0x5c, 0xcd, 0xd1, 0x4a, 0xa9,
];
/** Of a shard: a file of 4 GiB has some hundred terms for each of its 64 xorbs. */
const MAX_TERMS = 100_000;
const MAX_FILES = 1000;

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
    if (count === 0) throw new XetError('has a file without content');
    if (terms > MAX_TERMS) throw new XetError(`has more than ${MAX_TERMS} terms`);
    if (files.length === MAX_FILES) throw new XetError(`has more than ${MAX_FILES} files`);
    const file: Term[] = [];
    for (let i = 0; i < count; i++) file.push(readTerm(view, record()));
    if (flags & WITH_VERIFICATION) for (let i = 0; i < count; i++) record();
    if (!(flags & WITH_METADATA)) throw new XetError('names a file without its sha256');
    const size = file.reduce((sum, term) => sum + term.size, 0);
    const chunks = file.reduce((sum, { begin, end }) => sum + end - begin, 0);
    if (chunks > (2 * size) / MIN_CHUNK + SHORT_CHUNKS)
      throw new XetError(`cuts a file of ${size} bytes into ${chunks} chunks: they are too small`);
    files.push({ sha256: hashText(view, record()), size, terms: file });
  }
}

function readTerm(view: DataView, at: number): Term {
  const term = {
    xorb: hashText(view, at),
    size: view.getUint32(at + HASH_BYTES + 4, true),
    begin: view.getUint32(at + HASH_BYTES + 8, true),
    end: view.getUint32(at + HASH_BYTES + 12, true),
  };
  if (term.begin >= term.end) throw new XetError('has a term without chunks');
  return term;
}

/** Hashes are four little-endian numbers of 64 bits, and are written as those numbers. */
function hashText(view: DataView, at: number): string {
  let text = '';
  for (let word = at; word < at + HASH_BYTES; word += 8)
    text += view.getBigUint64(word, true).toString(16).padStart(16, '0');
  return text;
}

/** The bytes of a xorb, or some of them. */
export type XorbSource = (range?: { offset: number; length: number }) => Promise<AsyncIterable<Uint8Array>>;

/** Where the chunks of a xorb lie. It is read through once for that, and then only what is asked of it: it is never in memory. */
export class Xorb {
  private readonly source: XorbSource;
  /** Where each chunk begins, and where the last one ends: in the xorb, and in what comes out. */
  private readonly packed: Uint32Array;
  private readonly plain: Uint32Array;

  private constructor(source: XorbSource, packed: Uint32Array, plain: Uint32Array) {
    this.source = source;
    this.packed = packed;
    this.plain = plain;
  }

  /** @throws XetError */
  static async open(source: XorbSource): Promise<Xorb> {
    const packed = new Uint32Array(MAX_XORB_CHUNKS + 1);
    const plain = new Uint32Array(MAX_XORB_CHUNKS + 1);
    let count = 0;
    for await (const { data, size } of chunksIn(await source())) {
      if (count === MAX_XORB_CHUNKS) throw new XetError(`has more than ${MAX_XORB_CHUNKS} chunks`);
      packed[count + 1] = packed[count]! + CHUNK_HEADER_BYTES + data.length;
      plain[count + 1] = plain[count]! + size;
      count++;
    }
    return new Xorb(source, packed.slice(0, count + 1), plain.slice(0, count + 1));
  }

  /** Chunks `begin` to `end`, in their order. @throws XetError */
  async *read({ begin, end, size }: Omit<Term, 'xorb'>): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    if (end >= this.packed.length) throw new XetError('has fewer chunks than a file asks of it');
    const actual = this.plain[end]! - this.plain[begin]!;
    if (actual !== size)
      throw new XetError(`has ${actual} bytes where a file asks for ${size}: chunks ${begin} to ${end}`);
    const offset = this.packed[begin]!;
    const bytes = await this.source({ offset, length: this.packed[end]! - offset });
    for await (const { data, scheme, size } of chunksIn(bytes)) yield unpacked(data, scheme, size);
  }
}

interface Chunk {
  readonly scheme: number;
  /** Of what comes out. */
  readonly size: number;
  readonly data: Uint8Array<ArrayBuffer>;
}

/** Chunks one after the other; what may follow them, of the client's own, is not looked at. @throws XetError */
async function* chunksIn(bytes: AsyncIterable<Uint8Array>): AsyncGenerator<Chunk> {
  const input = takingFrom(bytes);
  try {
    for (;;) {
      const header = await input.take(CHUNK_HEADER_BYTES);
      if (header.length < CHUNK_HEADER_BYTES || header[0] !== CHUNK_VERSION) return;
      const u24 = (at: number) => header[at]! | (header[at + 1]! << 8) | (header[at + 2]! << 16);
      const [packed, scheme, size] = [u24(1), header[4]!, u24(5)];
      if (size === 0 || size > MAX_CHUNK)
        throw new XetError(`has a chunk of ${size} bytes: they have 1 to ${MAX_CHUNK}`);
      if (packed > largestPacked(size))
        throw new XetError(`has a chunk of ${size} bytes that is packed into ${packed}: send it as it is`);
      const data = await input.take(packed);
      if (data.length < packed) throw new XetError('ends within a chunk');
      yield { scheme, size, data };
    }
  } finally {
    await input.close();
  }
}

/** What LZ4 makes of what cannot be compressed, in one block. */
const largestPacked = (size: number): number => size + Math.ceil(size / 255) + 64;

/** Pieces of any length, taken in the lengths that are asked for; less at the end. */
function takingFrom(pieces: AsyncIterable<Uint8Array>) {
  const source = pieces[Symbol.asyncIterator]();
  let rest = new Uint8Array();
  return {
    async take(length: number): Promise<Uint8Array<ArrayBuffer>> {
      const taken = new Uint8Array(length);
      for (let filled = 0; ; ) {
        const piece = rest.subarray(0, length - filled);
        taken.set(piece, filled);
        filled += piece.length;
        rest = rest.subarray(piece.length);
        if (filled === length) return taken;
        const next = await source.next();
        if (next.done) return taken.subarray(0, filled);
        rest = next.value as Uint8Array<ArrayBuffer>;
      }
    },
    close: async () => void (await source.return?.()),
  };
}

function unpacked(data: Uint8Array<ArrayBuffer>, scheme: number, size: number): Uint8Array<ArrayBuffer> {
  try {
    switch (scheme) {
      case 0:
        if (data.length !== size) throw new XetError('has a chunk of another size than it says');
        return data;
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
