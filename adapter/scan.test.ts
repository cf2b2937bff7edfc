import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type AdapterError, AdapterProblems } from './error.ts';
import { type Dtype, readHeader, writeSafetensors } from './safetensors.ts';
import { sampleTensor } from './sample-adapter.ts';
import { createScan } from './scan.ts';

const A = 'base_model.model.lm_head.lora_A.weight';
const B = 'base_model.model.lm_head.lora_B.weight';

async function scan(file: Uint8Array, cuts: readonly number[]): Promise<void> {
  const header = await readHeader(
    async (offset, length) => file.subarray(offset, offset + length),
    file.length,
  );
  const scan = createScan(header);
  const ends = [...cuts.map((cut) => cut % file.length), file.length].sort((a, b) => a - b);
  let at = 0;
  for (const end of ends) {
    scan.push(file.subarray(at, end));
    at = end;
  }
  scan.finish();
}

describe('the scan of values', () => {
  const cuts = fc.array(fc.nat(10_000), { maxLength: 30 });
  const dtype = fc.constantFrom<Dtype>('F32', 'F16', 'BF16');

  it('accepts finite values, however the stream is cut', async () => {
    await fc.assert(
      fc.asyncProperty(cuts, dtype, dtype, async (at, a, b) => {
        await scan(writeSafetensors([sampleTensor(A, [3, 5], a), sampleTensor(B, [7, 3], b)]), at);
      }),
    );
  });

  it('finds one value that is not finite, wherever it is and however the stream is cut', async () => {
    const words = { F32: [0x7f800000, 0xffc00000], F16: [0x7c00, 0xfe01], BF16: [0xff80, 0x7fc0] };
    await fc.assert(
      fc.asyncProperty(cuts, dtype, fc.nat(20), fc.nat(1), async (at, type, index, kind) => {
        const b = sampleTensor(B, [7, 3], type);
        const view = new DataView(b.data.buffer);
        const word = words[type][kind]!;
        if (type === 'F32') view.setUint32(4 * index, word, true);
        else view.setUint16(2 * index, word, true);
        const file = writeSafetensors([sampleTensor(A, [3, 5]), b]);
        const error: unknown = await scan(file, at).catch((thrown: unknown) => thrown);
        expect(error).toBeInstanceOf(AdapterProblems);
        const problems: readonly AdapterError[] = (error as AdapterProblems).problems;
        expect(problems).toMatchObject([{ code: 'not_finite', field: B }]);
      }),
    );
  });

  it('takes minus zero for zero', async () => {
    const zeros = sampleTensor(B, [7, 3], 'F16', 'zero');
    new Uint16Array(zeros.data.buffer).fill(0x8000);
    await expect(scan(writeSafetensors([sampleTensor(A, [3, 5]), zeros]), [])).rejects.toMatchObject({
      code: 'all_zero',
    });
  });

  it('says so when the stream ends early', async () => {
    const file = writeSafetensors([sampleTensor(A, [3, 5]), sampleTensor(B, [7, 3])]);
    const header = await readHeader(
      async (offset, length) => file.subarray(offset, offset + length),
      file.length,
    );
    const early = createScan(header);
    early.push(file.subarray(0, file.length - 1));
    expect(() => early.finish()).toThrow(/before .* was complete/);
  });
});
