/**
 * The safetensors file: eight bytes of length, a JSON header, the values. Format:
 * https://github.com/huggingface/safetensors#format. Stricter than the reference reader: no duplicate keys, no unknown
 * fields, no empty tensors, only the dtypes that weights have, and every byte of the file belongs to exactly one tensor.
 */
import { z } from 'zod';
import { AdapterError, type AdapterErrorCode } from './error.ts';
import { jsonTokens, parseStrictJson } from './json.ts';

/** The header of a checkpoint with 10,000 tensors is about 1 MB; the reference allows 100 MB, which is only good for attacks. */
export const MAX_HEADER_SIZE = 8 * 2 ** 20;
const LENGTH_SIZE = 8;

export const DTYPE_SIZE = { F32: 4, F16: 2, BF16: 2 } as const;
export type Dtype = keyof typeof DTYPE_SIZE;

export interface TensorInfo {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** Bytes from the start of the data section. */
  readonly begin: number;
  readonly end: number;
}

export interface SafetensorsHeader {
  /** Bytes of JSON. */
  readonly headerLength: number;
  /** Where the data section starts in the file. */
  readonly dataOffset: number;
  /** In the order of their data. */
  readonly tensors: readonly TensorInfo[];
  readonly byName: ReadonlyMap<string, TensorInfo>;
  readonly metadata: Readonly<Record<string, string>>;
}

const Entry = z.strictObject({
  dtype: z.string().max(16),
  shape: z.array(z.number()).max(8),
  data_offsets: z.tuple([z.number(), z.number()]),
});

function fail(code: AdapterErrorCode, message: string, field?: string): never {
  throw new AdapterError(code, message, field);
}

/** Reads the header with two reads, whatever the size of the file. @throws AdapterError */
export async function readHeader(
  read: (offset: number, length: number) => Promise<Uint8Array>,
  fileSize: number,
): Promise<SafetensorsHeader> {
  if (fileSize < LENGTH_SIZE)
    fail('file_too_small', `The file has ${fileSize} bytes; a safetensors file has at least ${LENGTH_SIZE}.`);
  const length = headerLength(await read(0, LENGTH_SIZE), fileSize);
  const header = await read(LENGTH_SIZE, length);
  if (header.length !== length)
    fail('header_truncated', `The header should have ${length} bytes; ${header.length} could be read.`);
  return parseHeader(header, fileSize);
}

function headerLength(prefix: Uint8Array, fileSize: number): number {
  if (prefix.length < LENGTH_SIZE)
    fail('file_too_small', `The file ends within its first ${LENGTH_SIZE} bytes.`);
  const length = new DataView(prefix.buffer, prefix.byteOffset, LENGTH_SIZE).getBigUint64(0, true);
  if (length > BigInt(MAX_HEADER_SIZE)) {
    fail(
      'header_too_large',
      `The header claims ${length} bytes; the limit is ${MAX_HEADER_SIZE}. Is this a safetensors file?`,
    );
  }
  if (LENGTH_SIZE + Number(length) > fileSize) {
    fail(
      'header_truncated',
      `The header claims ${length} bytes; the file has only ${fileSize - LENGTH_SIZE} behind its length.`,
    );
  }
  return Number(length);
}

/** @param header the JSON, without the eight bytes before it. @throws AdapterError */
export function parseHeader(header: Uint8Array, fileSize: number): SafetensorsHeader {
  const text = decodeUtf8(header);
  if (!text.startsWith('{'))
    fail('header_not_object', 'The header must begin with {: a JSON object from tensor names to tensors.');
  const value = parseStrictJson(text, 'The header');
  refuseFractions(text);
  const { __metadata__: metadata = {}, ...entries } = value as Record<string, unknown>;
  const tensors = Object.entries(entries).map(([name, entry]) => parseEntry(name, entry));
  if (tensors.length === 0) fail('no_tensors', 'The file holds no tensors.');
  tensors.sort((a, b) => a.begin - b.begin);
  const dataOffset = LENGTH_SIZE + header.length;
  coverExactly(tensors, fileSize - dataOffset);
  return {
    headerLength: header.length,
    dataOffset,
    tensors,
    byName: new Map(tensors.map((tensor) => [tensor.name, tensor])),
    metadata: parseMetadata(metadata),
  };
}

/** 4.0, 1e1 and -0 are the whole numbers 4, 10 and 0 to `JSON.parse`, but no sizes to the reference reader. */
function refuseFractions(text: string): void {
  for (const { kind, source } of jsonTokens(text)) {
    if (kind === 'literal' && /^-|[.eE]/.test(source) && source !== 'true' && source !== 'false')
      fail(
        'tensor_entry_invalid',
        `The header holds the number ${source.slice(0, 40)}; sizes and offsets are plain digits.`,
      );
  }
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return fail('header_not_utf8', 'The header is not UTF-8.');
  }
}

/** By hand: zod's records leave out a key named `__proto__`, without a word. */
function parseMetadata(value: unknown): Record<string, string> {
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  if (!isObject || !Object.values(value).every((text) => typeof text === 'string'))
    fail('metadata_invalid', '__metadata__ must be an object that holds only strings.', '__metadata__');
  return value as Record<string, string>;
}

function parseEntry(name: string, value: unknown): TensorInfo {
  const checked = Entry.safeParse(value);
  if (!checked.success) {
    const issue = checked.error.issues[0]!;
    const code = issue.code === 'unrecognized_keys' ? 'unknown_field' : 'tensor_entry_invalid';
    return fail(
      code,
      `${name}: ${issue.path.join('.') || 'entry'}: ${issue.message}. A tensor has dtype, shape and data_offsets.`,
      name,
    );
  }
  const { dtype, shape, data_offsets: offsets } = checked.data;
  if (!Object.hasOwn(DTYPE_SIZE, dtype)) {
    fail(
      'dtype_unsupported',
      `${name} is ${dtype}; weights must be ${Object.keys(DTYPE_SIZE).join(', ')}.`,
      name,
    );
  }
  if (shape.length === 0 || !shape.every((size) => Number.isSafeInteger(size) && size > 0)) {
    fail(
      'shape_invalid',
      `${name} has the shape [${shape}]; sizes must be positive whole numbers, at least one.`,
      name,
    );
  }
  const [begin, end] = offsets;
  if (!Number.isSafeInteger(begin) || !Number.isSafeInteger(end) || begin < 0 || end < begin) {
    fail(
      'offsets_invalid',
      `${name} has data_offsets [${begin}, ${end}]; they must be whole numbers, begin before end.`,
      name,
    );
  }
  const bytes = shape.reduce((product, size) => product * size, DTYPE_SIZE[dtype as Dtype]);
  if (bytes !== end - begin) {
    fail(
      'size_mismatch',
      `${name} is ${dtype} [${shape}], ${bytes} bytes; its data_offsets hold ${end - begin}.`,
      name,
    );
  }
  return { name, dtype: dtype as Dtype, shape, begin, end };
}

/** @param tensors sorted by where they begin */
function coverExactly(tensors: readonly TensorInfo[], dataSize: number): void {
  let at = 0;
  for (const { name, begin, end } of tensors) {
    if (begin < at)
      fail(
        'tensor_overlap',
        `${name} begins at ${begin}, within the tensor before it, which ends at ${at}.`,
        name,
      );
    if (begin > at) fail('tensor_gap', `${begin - at} bytes before ${name} belong to no tensor.`, name);
    at = end;
  }
  if (at > dataSize)
    fail(
      'data_truncated',
      `The tensors need ${at} bytes of data; the file has ${dataSize}. Is it truncated?`,
      tensors.at(-1)!.name,
    );
  if (at < dataSize)
    fail('trailing_bytes', `${dataSize - at} bytes behind the last tensor belong to no tensor.`);
}

export interface TensorToWrite {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  /** Little-endian values. */
  readonly data: Uint8Array;
}

/** The reference writer's order: wide values first, so that every tensor is aligned to its own width; then by name. */
const WRITE_ORDER: readonly Dtype[] = ['F32', 'BF16', 'F16'];

/** A file that every reader accepts, byte for byte what the reference writer makes. @throws AdapterError */
export function writeSafetensors(
  tensors: readonly TensorToWrite[],
  metadata?: Readonly<Record<string, string>>,
): Uint8Array<ArrayBuffer> {
  const sized = tensors.map((tensor) => ({ ...tensor, size: tensor.data.length }));
  const { start, ordered } = beginSafetensors(sized, metadata);
  const file = new Uint8Array(ordered.reduce((sum, { size }) => sum + size, start.length));
  file.set(start);
  let offset = start.length;
  for (const { data } of ordered) {
    file.set(data, offset);
    offset += data.length;
  }
  return file;
}

export interface TensorToCome extends Omit<TensorToWrite, 'data'> {
  /** In bytes. */
  readonly size: number;
}

/**
 * For files that are larger than memory.
 * @returns how the file begins, and the order in which the tensors' bytes follow @throws AdapterError
 */
export function beginSafetensors<T extends TensorToCome>(
  tensors: readonly T[],
  metadata?: Readonly<Record<string, string>>,
): { start: Uint8Array<ArrayBuffer>; ordered: T[] } {
  const ordered = [...tensors].sort(
    (a, b) =>
      WRITE_ORDER.indexOf(a.dtype) - WRITE_ORDER.indexOf(b.dtype) ||
      (a.name < b.name ? -1 : a.name > b.name ? 1 : 0),
  );
  const header = encodeHeader(ordered, metadata);
  const start = new Uint8Array(LENGTH_SIZE + header.length);
  new DataView(start.buffer).setBigUint64(0, BigInt(header.length), true);
  start.set(header, LENGTH_SIZE);
  // What we would refuse to read, we do not write.
  parseHeader(
    header,
    ordered.reduce((sum, { size }) => sum + size, start.length),
  );
  return { start, ordered };
}

/** The JSON, padded with spaces so that the data begins at a multiple of 8. Members are joined by hand: an object of
 * JavaScript would put names such as "10" first and keep only one of two equal names. */
function encodeHeader(
  tensors: readonly TensorToCome[],
  metadata: Readonly<Record<string, string>> | undefined,
): Uint8Array {
  let at = 0;
  const members = tensors.map(({ name, dtype, shape, size }) => {
    const entry = { dtype, shape, data_offsets: [at, at + size] };
    at += size;
    return `${JSON.stringify(name)}:${JSON.stringify(entry)}`;
  });
  if (metadata) members.unshift(`"__metadata__":${JSON.stringify(metadata)}`);
  const json = new TextEncoder().encode(`{${members.join(',')}}`);
  const padded = new Uint8Array(Math.ceil(json.length / 8) * 8).fill(0x20);
  padded.set(json);
  return padded;
}

/**
 * Values as float32; BF16 and F16 widen exactly. Typed arrays have the machine's byte order, and every machine that runs
 * this is little-endian, as the file is.
 * @param bytes whole values
 */
export function decodeFloat32(bytes: Uint8Array, dtype: Dtype): Float32Array<ArrayBuffer> {
  // Fresh memory is aligned. (Not `slice`: Node's Buffer returns a view of memory that it shares.)
  const copy = new Uint8Array(bytes);
  if (dtype === 'F32') return new Float32Array(copy.buffer);
  const halves = new Uint16Array(copy.buffer);
  const values = new Float32Array(halves.length);
  if (dtype === 'BF16') {
    const words = new Uint32Array(values.buffer);
    for (let i = 0; i < halves.length; i++) words[i] = halves[i]! << 16;
    return values;
  }
  const table = float16Table();
  for (let i = 0; i < halves.length; i++) values[i] = table[halves[i]!]!;
  return values;
}

let float16: Float32Array | undefined;

/** The value of each of the 65,536 half-precision numbers (IEEE 754 binary16). */
function float16Table(): Float32Array {
  float16 ??= Float32Array.from({ length: 65_536 }, (_, half) => {
    const sign = half & 0x8000 ? -1 : 1;
    const exponent = (half >> 10) & 0x1f;
    const fraction = half & 0x3ff;
    if (exponent === 0) return sign * fraction * 2 ** -24;
    if (exponent === 31) return fraction ? Number.NaN : sign * Number.POSITIVE_INFINITY;
    return sign * (1 + fraction / 1024) * 2 ** (exponent - 15);
  });
  return float16;
}
