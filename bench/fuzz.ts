/**
 * Ten million inputs with something wrong in them, to everything that reads what strangers send: safetensors, commits, Xet's shards
 * and xorbs, LZ4 frames, cursors, chat templates. Each must be read or refused with its own error: no crash, no second spent on one,
 * no memory beyond the bound.
 */
import { AdapterError, AdapterProblems } from '../adapter/error.ts';
import { parseHeader, writeSafetensors } from '../adapter/safetensors.ts';
import { sampleTensors } from '../adapter/sample-adapter.ts';
import { decodeCursor, encodeCursor } from '../api/cursor.ts';
import { ApiError } from '../api/errors.ts';
import { readCommit } from '../api/hub/commit-payload.ts';
import { readShard, XetError, Xorb, type XorbSource } from '../api/hub/xet/formats.ts';
import { decodeLz4Frame, Lz4Error } from '../api/hub/xet/lz4.ts';
import { renderChat, TemplateError } from '../gpu-runner/model/chat-template.ts';
import { base } from '../test/in-process.ts';
import { draws, type Figure, note } from './measure.ts';

const MIB = 2 ** 20;

interface Target {
  readonly name: string;
  /** Of ten million. */
  readonly share: number;
  readonly seeds: readonly Uint8Array[];
  read(input: Uint8Array): unknown;
  /** What it may refuse with. */
  readonly errors: readonly (new (
    ...args: never[]
  ) => Error)[];
}

const text = (value: string) => new TextEncoder().encode(value);
const lenient = new TextDecoder();

const weights = writeSafetensors(sampleTensors(base));
const header = weights.subarray(0, 8 + Number(new DataView(weights.buffer).getBigUint64(0, true)));
const commit = [
  { key: 'header', value: { summary: 'a', description: 'b', parentCommit: 'c'.repeat(40) } },
  { key: 'file', value: { path: 'README.md', content: 'IyBIaQ==', encoding: 'base64' } },
  {
    key: 'lfsFile',
    value: { path: 'adapter_model.safetensors', algo: 'sha256', oid: 'd'.repeat(64), size: 9 },
  },
  { key: 'deletedFile', value: { path: 'LICENSE' } },
]
  .map((line) => JSON.stringify(line))
  .join('\n');
const at = { createdAt: '2026-11-24T00:00:00.000Z', id: 'a/b' } as const;
const frame = Uint8Array.from(
  // Ten letters, then a match of eleven that reaches back seven, then five more.
  [
    4,
    34,
    77,
    24,
    64,
    64,
    192,
    19,
    0,
    0,
    0,
    0xa7,
    ...text('abcdefghij'),
    7,
    0,
    0x50,
    ...text('vwxyz'),
    0,
    0,
    0,
    0,
    0,
  ],
);
/** One file, of so many terms of one chunk each. */
function shardOf(terms: number): Uint8Array {
  const bytes = new Uint8Array(48 * (2 * terms + 4));
  bytes.set([...text('HFRepoMetaData\0'), 0x55, 0x69, 0x67, 0x45, 0x6a, 0x7b, 0x81, 0x57]);
  bytes.set([0x83, 0xa5, 0xbd, 0xd9, 0x5c, 0xcd, 0xd1, 0x4a, 0xa9, 2], 23);
  const view = new DataView(bytes.buffer);
  view.setUint32(48 + 32, 0xc000_0000, true);
  view.setUint32(48 + 36, terms, true);
  for (let i = 0; i < terms; i++) {
    bytes.fill(7, 96 + 48 * i, 96 + 48 * i + 36);
    view.setUint32(96 + 48 * i + 36, 65_536, true);
    view.setUint32(96 + 48 * i + 44, 1, true);
  }
  return bytes.fill(255, bytes.length - 48);
}
const shard = shardOf(1);
const xorb = Uint8Array.from([
  0,
  5,
  0,
  0,
  0,
  5,
  0,
  0,
  ...text('hello'),
  0,
  frame.length,
  0,
  0,
  1,
  26,
  0,
  0,
  ...frame,
]);
/** So many chunks of so many bytes, as they are. */
function xorbOf(chunks: number, size: number): Uint8Array {
  const bytes = new Uint8Array(chunks * (8 + size));
  const header = [0, size & 255, size >> 8, size >> 16];
  for (let i = 0; i < chunks; i++) bytes.set([...header, ...header], i * (8 + size));
  return bytes;
}
const template =
  "{% for m in messages %}{{ '<|' + m['role'] + '|>' + m['content'] | trim }}{% if loop.last and add_generation_prompt %}{{ '<a>' }}{% endif %}{% endfor %}";

const TARGETS: readonly Target[] = [
  {
    name: 'safetensors',
    share: 0.25,
    seeds: [header],
    read: (input) => parseHeader(input.subarray(8), weights.length),
    errors: [AdapterError, AdapterProblems],
  },
  {
    name: 'commit',
    share: 0.1,
    seeds: [text(commit)],
    read: (input) => readCommit(new Blob([Uint8Array.from(input)]).stream()),
    errors: [ApiError],
  },
  { name: 'shard', share: 0.2, seeds: [shard], read: readShard, errors: [XetError] },
  {
    name: 'xorb',
    share: 0.15,
    seeds: [xorb],
    read: readXorb,
    errors: [XetError],
  },
  // As large as they may be, and so few of them: what is wrong in one may cost memory and time for each of its parts.
  { name: 'large shard', share: 1e-5, seeds: [shardOf(100_000)], read: readShard, errors: [XetError] },
  {
    name: 'large xorb',
    share: 1e-5,
    seeds: [xorbOf(8192, 1), xorbOf(512, 128 * 1024 - 1)],
    read: (input) => Xorb.open(sourceOf(input)),
    errors: [XetError],
  },
  {
    name: 'lz4',
    share: 0.15,
    seeds: [frame],
    read: (input) => decodeLz4Frame(input, 26),
    errors: [Lz4Error],
  },
  {
    name: 'cursor',
    share: 0.1,
    seeds: [text(encodeCursor({ sort: 'relevance', tier: 0, key: 7, ...at }))],
    read: (input) => decodeCursor(lenient.decode(input), 'relevance'),
    errors: [ApiError],
  },
  {
    name: 'template',
    share: 0.05,
    seeds: [text(template)],
    read: (input) =>
      renderChat({
        template: lenient.decode(input),
        messages: [{ role: 'user', content: 'Hi' }],
        addGenerationPrompt: true,
        now: new Date(0),
        specials: {},
      }),
    errors: [TemplateError],
  },
];

const sourceOf =
  (bytes: Uint8Array): XorbSource =>
  async (range = { offset: 0, length: bytes.length }) =>
    (async function* () {
      const end = range.offset + range.length;
      for (let at = range.offset; at < end; at += 65_536)
        yield bytes.subarray(at, Math.min(at + 65_536, end));
    })();

async function readXorb(bytes: Uint8Array): Promise<void> {
  const xorb = await Xorb.open(sourceOf(bytes));
  for await (const chunk of xorb.read({ begin: 0, end: 2, size: 31 })) void chunk;
}

/** One to four of: a byte changed, a piece cut out, doubled, or put elsewhere, a number made extreme. */
function mutated(seed: Uint8Array, next: () => number): Uint8Array {
  let bytes = Uint8Array.from(seed);
  for (let changes = 1 + Math.floor(next() * 4); changes > 0; changes--) {
    const place = Math.floor(next() * bytes.length);
    const length = 1 + Math.floor(next() ** 3 * 64);
    const piece = bytes.subarray(place, place + length);
    switch (Math.floor(next() * 6)) {
      case 0:
        bytes[place] = Math.floor(next() * 256);
        break;
      case 1:
        bytes[place] = (bytes[place] ?? 0) ^ (1 << Math.floor(next() * 8));
        break;
      case 2:
        bytes = joined(bytes.subarray(0, place), bytes.subarray(place + length));
        break;
      case 3:
        bytes = joined(bytes.subarray(0, place), piece, piece, bytes.subarray(place + length));
        break;
      case 4:
        bytes.fill(next() < 0.5 ? 255 : 0, place, place + 4 ** (1 + Math.floor(next() ** 3 * 12)));
        break;
      default:
        bytes.copyWithin(Math.floor(next() * bytes.length), place, place + length);
    }
  }
  return bytes;
}

function joined(...pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let to = 0;
  for (const piece of pieces) {
    whole.set(piece, to);
    to += piece.length;
  }
  return whole;
}

export async function run(): Promise<Figure[]> {
  const inputs = Number(process.env['PATCHBAY_FUZZ_INPUTS'] ?? 10_000_000);
  const next = draws(Number(process.env['PATCHBAY_FUZZ_SEED'] ?? 1));
  let [crashes, slowest, most, done] = [0, 0, 0, 0];
  for (const { name, share, seeds, read, errors } of TARGETS) {
    for (const seed of seeds) await read(seed); // what is right is not refused
    const began = performance.now();
    let refused = 0;
    const count = Math.round(share * inputs);
    for (let i = 0; i < count; i++) {
      const input = mutated(seeds[i % seeds.length]!, next);
      const then = performance.now();
      try {
        const result = read(input);
        if (result instanceof Promise) await result;
      } catch (error) {
        refused++;
        if (!errors.some((kind) => error instanceof kind)) {
          crashes++;
          note(`${name}: ${(error as Error).stack}\n${Buffer.from(input).toString('base64')}`);
        }
      }
      slowest = Math.max(slowest, performance.now() - then);
      if (i % 10_000 === 0 || input.length > MIB) most = Math.max(most, process.memoryUsage.rss());
    }
    done += count;
    const seconds = (performance.now() - began) / 1000;
    note(
      `${name}: ${count} inputs in ${seconds.toFixed(0)} s, ${((100 * refused) / count).toFixed(0)}% refused`,
    );
  }
  return [
    { key: 'fuzz_inputs', value: done, unit: 'inputs' },
    { key: 'fuzz_crashes', value: crashes, unit: 'inputs' },
    { key: 'fuzz_slowest_ms', value: slowest, unit: 'ms' },
    { key: 'fuzz_memory_mib', value: most / MIB, unit: 'MiB' },
  ];
}
