/** A job on disk: everything that its next step depends on, so that a run that was cut off ends as one that was not. */
import {
  decodeFloat32,
  parseHeader,
  type TensorToWrite,
  writeSafetensors,
} from '../../adapter/safetensors.ts';
import type { Parameter } from './adamw.ts';
import type { TrainingJob } from './job.ts';

const PARTS = ['value', 'first', 'second'] as const;
const LENGTH_SIZE = 8;

export class JobCheckpointError extends Error {
  override readonly name = 'JobCheckpointError';
}

/** @returns a safetensors file: matrices and moments of every module, and the steps done. Between steps only. */
export function saveJob(job: TrainingJob): Uint8Array<ArrayBuffer> {
  if (job.isWithinStep) throw new JobCheckpointError('a step is under way');
  const tensors: TensorToWrite[] = [];
  for (const [name, parameter, rank] of named(job)) {
    for (const part of PARTS) {
      const { buffer, byteOffset, byteLength, length } = parameter[part];
      const data = new Uint8Array(buffer, byteOffset, byteLength);
      const shape = shapeOf(name, rank, length);
      tensors.push({ name: `${name}.${part}`, dtype: 'F32', shape, data });
    }
  }
  return writeSafetensors(tensors, { step: String(job.step) });
}

/** Puts the job where it was when the file was written. @throws JobCheckpointError for a file of another job */
export function restoreJob(job: TrainingJob, file: Uint8Array): void {
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const length = Number(view.getBigUint64(0, true));
  const { tensors, dataOffset, metadata } = parseHeader(
    file.subarray(LENGTH_SIZE, LENGTH_SIZE + length),
    file.length,
  );
  const found = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  const step = Number(metadata?.['step']);
  if (!Number.isInteger(step)) throw new JobCheckpointError('it does not say how many steps were done');
  const targets = [...named(job)].flatMap(([name, parameter]) =>
    PARTS.map((part) => [`${name}.${part}`, parameter[part]] as const),
  );
  if (targets.length !== tensors.length) throw new JobCheckpointError('it is of other modules');
  for (const [name, target] of targets) {
    const tensor = found.get(name);
    if (!tensor || tensor.end - tensor.begin !== target.byteLength)
      throw new JobCheckpointError(`${name} is missing, or of another size`);
    target.set(decodeFloat32(file.subarray(dataOffset + tensor.begin, dataOffset + tensor.end), 'F32'));
  }
  job.step = step;
}

function shapeOf(name: string, rank: number, length: number): number[] {
  if (name.endsWith('lora_magnitude_vector')) return [length];
  return name.endsWith('lora_A') ? [rank, length / rank] : [length / rank, rank];
}

function* named(job: TrainingJob): Generator<[name: string, parameter: Parameter, rank: number]> {
  for (const [path, { rank, a, b, magnitude }] of job.parameters) {
    yield [`${path}.lora_A`, a, rank];
    yield [`${path}.lora_B`, b, rank];
    if (magnitude) yield [`${path}.lora_magnitude_vector`, magnitude, rank];
  }
}
