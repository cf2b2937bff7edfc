/** The training fixtures (test/fixtures/training): what PEFT and PyTorch make of the same steps. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { decodeFloat32, parseHeader } from '../../adapter/safetensors.ts';
import { PARITY_NAMES } from './parity.ts';

const fixtures = fileURLToPath(new URL('../../test/fixtures/training', import.meta.url));
const LENGTH_SIZE = 8;

const Row = z.object({ tokens: z.array(z.int()), weights: z.array(z.number()) });
const Batches = z.array(z.array(Row));
const Fixture = z.object({
  checkpoint: z.enum(PARITY_NAMES),
  lora: z
    .object({
      target_modules: z.array(z.string()).optional(),
      rank_pattern: z.record(z.string(), z.int()).optional(),
      alpha_pattern: z.record(z.string(), z.number()).optional(),
      use_rslora: z.boolean().optional(),
      use_dora: z.boolean().optional(),
    })
    .nullable(),
  ratio: z.number(),
  /** Parameters of the base that are trained; none with LoRA. */
  trained: z.array(z.string()),
  steps: z.array(z.object({ loss: z.number(), norm: z.number(), rate: z.number() })),
});
export type FixtureRow = z.infer<typeof Row>;
export type TrainingFixture = z.infer<typeof Fixture>;

const read = async (name: string): Promise<unknown> =>
  JSON.parse(await readFile(join(fixtures, `${name}.json`), 'utf8'));

export const readBatches = async (): Promise<FixtureRow[][]> => Batches.parse(await read('batches'));
export const readFixture = async (name: string): Promise<TrainingFixture> => Fixture.parse(await read(name));

/** @returns values by `initial/PATH.lora_A`, `final/PATH.lora_B` and so on */
export async function readAdapters(name: string): Promise<Map<string, Float32Array>> {
  const file = await readFile(join(fixtures, `${name}.safetensors`));
  const length = Number(file.readBigUInt64LE(0));
  const { tensors, dataOffset } = parseHeader(file.subarray(LENGTH_SIZE, LENGTH_SIZE + length), file.length);
  return new Map(
    tensors.map(({ name: key, dtype, begin, end }) => [
      key,
      decodeFloat32(file.subarray(dataOffset + begin, dataOffset + end), dtype),
    ]),
  );
}
