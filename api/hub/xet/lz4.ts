/**
 * LZ4 frames (github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md), decoded. Checksums of frames and blocks are not looked at:
 * what comes out is held against a sha256 in the end.
 */
const MAGIC = 0x184d2204;
const VERSION = 0b01;
const UNCOMPRESSED = 0x8000_0000;
const MIN_MATCH = 4;
const LENGTH_CONTINUES = 15;
const BYTE_CONTINUES = 255;

export class Lz4Error extends Error {
  override readonly name = 'Lz4Error';
}

/** @param size of what comes out, exactly. @throws Lz4Error */
export function decodeLz4Frame(frame: Uint8Array, size: number): Uint8Array<ArrayBuffer> {
  const input = new Reader(frame);
  const { blockChecksum } = readHeader(input);
  const output = new Uint8Array(size);
  let at = 0;
  for (;;) {
    const word = input.u32();
    if (word === 0) break; // a checksum of the content may follow
    const length = word & 0x7fff_ffff;
    const block = input.take(length);
    if (word & UNCOMPRESSED) {
      if (at + length > size) throw new Lz4Error('holds more than it should');
      output.set(block, at);
      at += length;
    } else at = decodeBlock(block, output, at);
    if (blockChecksum) input.take(4);
  }
  if (at !== size) throw new Lz4Error(`holds ${at} bytes instead of ${size}`);
  return output;
}

function readHeader(input: Reader): { blockChecksum: boolean } {
  if (input.u32() !== MAGIC) throw new Lz4Error('is no LZ4 frame');
  const flags = input.u8();
  if (flags >> 6 !== VERSION) throw new Lz4Error('is an LZ4 frame of an unknown version');
  input.u8(); // largest block
  if (flags & 0b1000) input.take(8); // size of the content
  if (flags & 0b1) input.take(4); // dictionary
  input.u8(); // checksum of the header
  return { blockChecksum: (flags & 0b1_0000) !== 0 };
}

/** Matches may reach back into blocks before. @returns where the output ends */
function decodeBlock(block: Uint8Array, output: Uint8Array, begin: number): number {
  const input = new Reader(block);
  let at = begin;
  while (!input.isEmpty) {
    const token = input.u8();
    const literals = input.take(input.length(token >> 4));
    if (at + literals.length > output.length) throw new Lz4Error('holds more than it should');
    output.set(literals, at);
    at += literals.length;
    if (input.isEmpty) return at; // a block ends with literals
    const offset = input.u16();
    const length = input.length(token & LENGTH_CONTINUES) + MIN_MATCH;
    if (offset === 0 || offset > at) throw new Lz4Error('refers to what is not there');
    if (at + length > output.length) throw new Lz4Error('holds more than it should');
    // Byte by byte where it overlaps what it writes: so runs are written.
    if (offset >= length) output.copyWithin(at, at - offset, at - offset + length);
    else for (let i = 0; i < length; i++) output[at + i] = output[at + i - offset]!;
    at += length;
  }
  return at;
}

class Reader {
  private readonly bytes: Uint8Array;
  private at = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  get isEmpty(): boolean {
    return this.at === this.bytes.length;
  }

  take(length: number): Uint8Array {
    if (this.at + length > this.bytes.length) throw new Lz4Error('ends too early');
    this.at += length;
    return this.bytes.subarray(this.at - length, this.at);
  }

  u8(): number {
    return this.take(1)[0]!;
  }

  u16(): number {
    const [low, high] = this.take(2);
    return low! | (high! << 8);
  }

  u32(): number {
    const [a, b, c, d] = this.take(4);
    return (a! | (b! << 8) | (c! << 16) | (d! << 24)) >>> 0;
  }

  /** Fifteen, and every 255 after it, say that it goes on. */
  length(first: number): number {
    let length = first;
    if (first !== LENGTH_CONTINUES) return length;
    for (let byte = BYTE_CONTINUES; byte === BYTE_CONTINUES; length += byte) byte = this.u8();
    return length;
  }
}
