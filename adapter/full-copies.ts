/**
 * Full copies of modules in an adapter's file: PEFT's `modules_to_save`, and the embeddings that it saves by itself where the vocabulary
 * was resized. Requests of many adapters share one base, so no matrix of it can be replaced for one of them: such a file is refused,
 * with what the copies weigh and how their change is kept.
 */
import type { ModuleTable } from './base-config.ts';
import { AdapterError } from './error.ts';
import type { SafetensorsHeader, TensorInfo } from './safetensors.ts';

const COPY = /^base_model\.model\.(.+?)(?:\.modules_to_save)?\.(?:weight|bias)$/;
/** To show what a conversion would weigh: most of what a trained head has changed. */
const EXAMPLE_RANK = 64;

/** The module that a tensor replaces; undefined: it is none. */
export function copiedModule(
  { name }: TensorInfo,
  modules: ModuleTable,
  declared: readonly string[],
): string | undefined {
  const path = COPY.exec(name)?.[1];
  if (path === undefined || /\.lora_[^.]+$/.test(path)) return undefined;
  const isDeclared = declared.some((one) => path === one || path.endsWith(`.${one}`));
  return isDeclared || modules.has(path) ? path : undefined;
}

/** @param declared modules_to_save of adapter_config.json. @returns an error for each copied module */
export function refuseCopies(
  header: SafetensorsHeader,
  modules: ModuleTable,
  declared: readonly string[],
): AdapterError[] {
  const copies = new Map<string, TensorInfo[]>();
  for (const tensor of header.tensors) {
    const module = copiedModule(tensor, modules, declared);
    if (module) copies.set(module, [...(copies.get(module) ?? []), tensor]);
  }
  if (copies.size === 0 && declared.length > 0) {
    const detail = `modules_to_save names ${declared.slice(0, 5).join(', ')}, of which the file has no copy: set it to null.`;
    return [new AdapterError('field_unsupported', detail, 'modules_to_save')];
  }
  const whole = header.tensors.reduce((sum, { begin, end }) => sum + end - begin, 0);
  return [...copies].map(([module, tensors]) => {
    const bytes = tensors.reduce((sum, { begin, end }) => sum + end - begin, 0);
    const size = modules.get(module);
    const smaller = size
      ? `at rank ${EXAMPLE_RANK} its change is ${megabytes(EXAMPLE_RANK * (size.in + size.out) * 4)}`
      : 'train LoRA on linear modules and the embedding only';
    return new AdapterError(
      'field_unsupported',
      `${module} is a full copy (modules_to_save): ${megabytes(bytes)}, ${Math.round((100 * bytes) / whole)}% of the file. Adapters share their base, so its matrices cannot be replaced. Keep what training changed as LoRA, by the script in docs/publish-gate.md: ${smaller}.`,
      'modules_to_save',
    );
  });
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toPrecision(3)} MB`;
