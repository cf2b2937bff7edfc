/**
 * Looks at every value of an adapter as its bytes stream by: a value that is not a number, or is infinite, would poison
 * every answer; and an adapter of which every product B A is zero changes nothing.
 */
import { AdapterError, AdapterProblems } from './error.ts';
import { DTYPE_SIZE, type Dtype, type SafetensorsHeader } from './safetensors.ts';
import { loraTensorName } from './tensor-names.ts';

export interface Scan {
  /** The next bytes of the file, from its very first on, in pieces of any size. */
  push(chunk: Uint8Array): void;
  /** @throws AdapterProblems naming every tensor that is not finite; AdapterError all_zero, data_truncated */
  finish(): void;
}

/** IEEE 754: a value is NaN or infinite exactly if all bits of its exponent are set. */
const EXPONENT: Readonly<Record<Dtype, number>> = { F32: 0x7f800000, F16: 0x7c00, BF16: 0x7f80 };
/** All bits but the sign: -0 is zero, too. */
const MAGNITUDE: Readonly<Record<Dtype, number>> = { F32: 0x7fffffff, F16: 0x7fff, BF16: 0x7fff };

/** @param header says which bytes are whose; whether its names are right is not asked here */
export function createScan(header: SafetensorsHeader): Scan {
  const problems: AdapterError[] = [];
  const nonZero = new Set<string>();
  let position = 0; // in the file
  let index = 0; // of the tensor that is being read
  let carry: Uint8Array = new Uint8Array(0); // the first bytes of a value that a chunk's end has cut
  let finite = true;

  /** Bytes of the tensor that is being read. */
  const take = (bytes: Uint8Array): void => {
    const { dtype, name } = header.tensors[index]!;
    const joined = carry.length > 0 ? concat(carry, bytes) : bytes;
    const whole = joined.length - (joined.length % DTYPE_SIZE[dtype]);
    carry = joined.slice(whole);
    const seen = look(joined.subarray(0, whole), dtype);
    finite &&= seen.finite;
    if (seen.nonZero) nonZero.add(name);
  };

  const endTensor = (): void => {
    const { name } = header.tensors[index]!;
    if (!finite) problems.push(new AdapterError('not_finite', `${name} holds NaN or infinity.`, name));
    finite = true;
    index++;
  };

  return {
    push(chunk) {
      const skip = Math.min(chunk.length, Math.max(0, header.dataOffset - position));
      position += skip;
      let rest = chunk.subarray(skip);
      while (rest.length > 0 && index < header.tensors.length) {
        const end = header.dataOffset + header.tensors[index]!.end;
        const part = rest.subarray(0, end - position);
        take(part);
        position += part.length;
        rest = rest.subarray(part.length);
        if (position === end) endTensor();
      }
    },
    finish() {
      if (index < header.tensors.length) {
        const { name } = header.tensors[index]!;
        throw new AdapterError('data_truncated', `The data ended before ${name} was complete.`, name);
      }
      if (problems.length > 0) throw new AdapterProblems(problems);
      if (!hasEffect(header, nonZero)) {
        throw new AdapterError(
          'all_zero',
          'Every product B A is zero: this adapter would change nothing. Was it saved before training?',
        );
      }
    },
  };
}

function look(bytes: Uint8Array, dtype: Dtype): { finite: boolean; nonZero: boolean } {
  const words = asWords(bytes, dtype);
  const exponent = EXPONENT[dtype];
  const magnitude = MAGNITUDE[dtype];
  let finite = true;
  let any = 0;
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    if ((word & exponent) === exponent) finite = false;
    any |= word & magnitude;
  }
  return { finite, nonZero: any !== 0 };
}

/** Typed arrays need aligned memory; chunks of a stream seldom begin there. */
function asWords(bytes: Uint8Array, dtype: Dtype): Uint16Array | Uint32Array {
  const size = DTYPE_SIZE[dtype];
  const { buffer, byteOffset } = bytes.byteOffset % size === 0 ? bytes : new Uint8Array(bytes);
  const count = bytes.length / size;
  return size === 4 ? new Uint32Array(buffer, byteOffset, count) : new Uint16Array(buffer, byteOffset, count);
}

/** Whether some module's A and B both hold a value that is not zero. Of names that are none of LoRA's, others tell. */
function hasEffect(header: SafetensorsHeader, nonZero: ReadonlySet<string>): boolean {
  const sides = new Map<string, { all: Set<string>; nonZero: Set<string> }>();
  for (const { name } of header.tensors) {
    const { module, part } = loraTensorName(name) ?? {};
    if (module === undefined || part === 'lora_magnitude_vector') continue;
    const seen = sides.get(module) ?? { all: new Set(), nonZero: new Set() };
    sides.set(module, seen);
    const side = part!.endsWith('A') ? 'A' : 'B';
    seen.all.add(side);
    if (nonZero.has(name)) seen.nonZero.add(side);
  }
  const pairs = [...sides.values()].filter(({ all }) => all.size === 2);
  return pairs.length === 0 || pairs.some((seen) => seen.nonZero.size === 2);
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array {
  const joined = new Uint8Array(a.length + b.length);
  joined.set(a);
  joined.set(b, a.length);
  return joined;
}
