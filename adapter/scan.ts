/**
 * Looks at every value of an adapter as its bytes stream by: a value that is not a number, or is infinite, would poison
 * every answer; and an adapter whose B matrices are all zero changes nothing.
 */
import { AdapterError, AdapterProblems } from './error.ts';
import { DTYPE_SIZE, type Dtype, decodeFloat32, type SafetensorsHeader } from './safetensors.ts';

export interface Scan {
  /** The next bytes of the file, from its very first on, in pieces of any size. */
  push(chunk: Uint8Array): void;
  /** @throws AdapterProblems naming every tensor that holds such values; AdapterError all_zero */
  finish(): void;
}

export function createScan(header: SafetensorsHeader): Scan {
  const problems: AdapterError[] = [];
  let anyEffect = false;
  let position = 0;
  let index = 0;
  let carry = new Uint8Array(0);
  let finite = true;

  const inspect = (bytes: Uint8Array, dtype: Dtype, name: string): void => {
    const values = decodeFloat32(bytes, dtype);
    const isB = /lora_(embedding_)?B/.test(name);
    for (let i = 0; i < values.length; i++) {
      const value = values[i]!;
      if (!Number.isFinite(value)) finite = false;
      else if (isB && value !== 0) anyEffect = true;
    }
  };

  /** Bytes of the tensor that is being read. */
  const take = (bytes: Uint8Array): void => {
    const { dtype, name } = header.tensors[index]!;
    const joined = carry.length > 0 ? concat(carry, bytes) : bytes;
    const whole = joined.length - (joined.length % DTYPE_SIZE[dtype]);
    inspect(joined.subarray(0, whole), dtype, name);
    carry = joined.slice(whole);
  };

  const endTensor = (): void => {
    const { name } = header.tensors[index]!;
    if (!finite) problems.push(new AdapterError('not_finite', `${name} holds NaN or infinity.`, name));
    finite = true;
    index++;
  };

  return {
    push(chunk) {
      let rest = chunk;
      const skip = Math.min(rest.length, Math.max(0, header.dataOffset - position));
      position += skip;
      rest = rest.subarray(skip);
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
      if (problems.length > 0) throw new AdapterProblems(problems);
      if (!anyEffect)
        throw new AdapterError(
          'all_zero',
          'Every B matrix is zero: this adapter would change nothing. Was it saved before training?',
        );
    },
  };
}

function concat(a: Uint8Array, b: Uint8Array): Uint8Array<ArrayBuffer> {
  const joined = new Uint8Array(a.length + b.length);
  joined.set(a);
  joined.set(b, a.length);
  return joined;
}
