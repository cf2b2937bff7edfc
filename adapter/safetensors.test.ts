import { readFile } from 'node:fs/promises';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AdapterError } from './error.ts';
import {
  DTYPE_SIZE,
  type Dtype,
  decodeFloat32,
  readHeader,
  type SafetensorsHeader,
  type TensorToWrite,
  writeSafetensors,
} from './safetensors.ts';

const fixtures = new URL('../test/fixtures/parity/', import.meta.url);

function header(file: Uint8Array): Promise<SafetensorsHeader> {
  return readHeader(async (offset, length) => file.subarray(offset, offset + length), file.length);
}

function tensorsOf(file: Uint8Array, { tensors, dataOffset }: SafetensorsHeader): TensorToWrite[] {
  return tensors.map(({ name, dtype, shape, begin, end }) => {
    return { name, dtype, shape, data: file.slice(dataOffset + begin, dataOffset + end) };
  });
}

const name = fc
  .string({ minLength: 1, maxLength: 40, unit: 'grapheme' })
  .filter((text) => text !== '__metadata__' && text.isWellFormed());
const tensor = fc
  .record({
    name,
    dtype: fc.constantFrom<Dtype>('F32', 'F16', 'BF16'),
    shape: fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 1, maxLength: 4 }),
    fill: fc.integer({ min: 0, max: 255 }),
  })
  .map(({ name, dtype, shape, fill }) => {
    const size = shape.reduce((product, n) => product * n, DTYPE_SIZE[dtype]);
    return { name, dtype, shape, data: new Uint8Array(size).fill(fill) };
  });
const tensors = fc.uniqueArray(tensor, { minLength: 1, maxLength: 8, selector: ({ name }) => name });
const metadata = fc.option(
  fc.dictionary(
    fc.string().filter((key) => key.isWellFormed()),
    fc.string({ unit: 'grapheme' }),
    { noNullPrototype: true },
  ),
  { nil: undefined },
);

describe('reading and writing', () => {
  it('gives back what was written, and the same bytes every time', async () => {
    await fc.assert(
      fc.asyncProperty(tensors, metadata, async (written, about) => {
        const file = writeSafetensors(written, about);
        const read = await header(file);
        expect(read.dataOffset % 8).toBe(0);
        expect(read.metadata).toEqual(about ?? {});
        const byName = (a: { name: string }, b: { name: string }) => (a.name < b.name ? -1 : 1);
        expect(tensorsOf(file, read).sort(byName)).toEqual([...written].sort(byName));
        expect(writeSafetensors([...written].reverse(), about)).toEqual(file);
      }),
    );
  });

  it.each([
    'llama3/adapters/all-linear/adapter_model.safetensors',
    'mistral/adapters/query-value-bf16/adapter_model.safetensors',
    'qwen2/model.safetensors',
  ])('writes byte for byte what the reference writer made: %s', async (path) => {
    const file = new Uint8Array(await readFile(new URL(path, fixtures)));
    const read = await header(file);
    expect(writeSafetensors(tensorsOf(file, read), read.metadata)).toEqual(file);
  });

  it('writes nothing that it would refuse to read', () => {
    const x: TensorToWrite = { name: 'x', dtype: 'F32', shape: [1], data: new Uint8Array(4) };
    expect(() => writeSafetensors([x, x])).toThrow(/"x" twice/);
    expect(() => writeSafetensors([])).toThrow(AdapterError);
    expect(() => writeSafetensors([{ ...x, shape: [2] }])).toThrow(/8 bytes; its data_offsets hold 4/);
    expect(() => writeSafetensors([{ ...x, name: '__metadata__' }])).toThrow(AdapterError);
  });

  it('asks for eight bytes and for the header, and for nothing else', async () => {
    const file = writeSafetensors([{ name: 'x', dtype: 'F32', shape: [25], data: new Uint8Array(100) }]);
    const asked: [number, number][] = [];
    await readHeader(async (offset, length) => {
      asked.push([offset, length]);
      return file.subarray(offset, offset + length);
    }, file.length);
    expect(asked).toEqual([
      [0, 8],
      [8, file.length - 100 - 8],
    ]);
  });

  it('says so when the store has fewer bytes than it claimed', async () => {
    const file = writeSafetensors([{ name: 'x', dtype: 'F32', shape: [1], data: new Uint8Array(4) }]);
    const short = readHeader(async (offset) => file.subarray(offset, offset + 8), file.length);
    await expect(short).rejects.toMatchObject({ code: 'header_truncated' });
  });

  it('keeps a tensor that is named like a part of every object', async () => {
    const x = { name: '__proto__', dtype: 'F32', shape: [1], data: new Uint8Array(4) } as const;
    const about = JSON.parse('{"__proto__":"kept"}');
    const read = await header(writeSafetensors([x], about));
    expect(read.byName.get('__proto__')?.shape).toEqual([1]);
    expect(Object.entries(read.metadata)).toEqual([['__proto__', 'kept']]);
  });
});

describe('a file that somebody has changed', () => {
  const valid = writeSafetensors(
    [
      { name: 'a.lora_A.weight', dtype: 'F32', shape: [2, 3], data: new Uint8Array(24) },
      { name: 'a.lora_B.weight', dtype: 'F16', shape: [3, 2], data: new Uint8Array(12) },
    ],
    { format: 'pt' },
  );
  const headerEnd = valid.length - 36;
  const change = fc.oneof(
    fc.record({ kind: fc.constant('set' as const), at: fc.nat(headerEnd - 1), byte: fc.nat(255) }),
    fc.record({ kind: fc.constant('insert' as const), at: fc.nat(headerEnd), byte: fc.nat(255) }),
    fc.record({ kind: fc.constant('remove' as const), at: fc.nat(headerEnd - 1), byte: fc.constant(0) }),
    fc.record({ kind: fc.constant('cut' as const), at: fc.nat(valid.length), byte: fc.constant(0) }),
  );

  function changed(changes: readonly { kind: string; at: number; byte: number }[]): Uint8Array {
    const bytes = [...valid];
    for (const { kind, at, byte } of changes) {
      if (kind === 'set') bytes[Math.min(at, bytes.length - 1)] = byte;
      else if (kind === 'insert') bytes.splice(at, 0, byte);
      else if (kind === 'remove') bytes.splice(at, 1);
      else bytes.length = Math.min(at, bytes.length);
    }
    return Uint8Array.from(bytes, (byte) => byte ?? 0);
  }

  it('is either a file that covers its bytes exactly, or refused with a code', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 4 }), async (changes) => {
        const file = changed(changes);
        try {
          const { tensors, dataOffset } = await header(file);
          const covered = tensors.reduce((sum, { begin, end }) => sum + end - begin, dataOffset);
          expect(covered).toBe(file.length);
        } catch (error) {
          expect(error).toBeInstanceOf(AdapterError);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

describe('values as float32', () => {
  it('widens every half-precision number exactly', () => {
    const halves = Uint16Array.from({ length: 65_536 }, (_, i) => i);
    const view = new DataView(halves.buffer) as DataView & {
      getFloat16(at: number, little: boolean): number;
    };
    const values = decodeFloat32(new Uint8Array(halves.buffer), 'F16');
    for (let i = 0; i < halves.length; i++) {
      if (!Object.is(values[i], view.getFloat16(2 * i, true)))
        expect.fail(`0x${i.toString(16)}: ${values[i]}`);
    }
  });

  it('widens bfloat16 by sixteen zero bits', () => {
    const halves = Uint16Array.from({ length: 65_536 }, (_, i) => i);
    const words = new Uint32Array(decodeFloat32(new Uint8Array(halves.buffer), 'BF16').buffer);
    expect(words).toEqual(Uint32Array.from({ length: 65_536 }, (_, i) => i * 65_536));
  });

  it('reads only its own bytes where a Buffer shares memory with others', () => {
    const bytes = Buffer.from([9, 0, 0, 0x80, 0x3f, 9]).subarray(1, 5);
    expect([...decodeFloat32(bytes, 'F32')]).toEqual([1]);
    expect([...decodeFloat32(bytes.subarray(2), 'BF16')]).toEqual([1]);
  });
});
