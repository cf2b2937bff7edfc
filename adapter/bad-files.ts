/**
 * Adapters with exactly one thing wrong each, and the code that says so. Every reader and gate is held to this table: the
 * readers here, and whatever takes uploads.
 */
import type { BaseConfig } from './base-config.ts';
import { moduleTable } from './base-config.ts';
import type { AdapterErrorCode } from './error.ts';
import { MAX_DEPTH, MAX_KEY_LENGTH } from './json.ts';
import { MAX_HEADER_SIZE, type TensorToWrite, writeSafetensors } from './safetensors.ts';
import {
  type AdapterFiles,
  SAMPLE_MODULES,
  SAMPLE_RANK,
  sampleAdapter,
  sampleConfig,
  sampleTensor,
  sampleTensors,
} from './sample-adapter.ts';
import { MAX_EXPRESSION_CHARACTERS } from './scale.ts';

export interface BadFile extends AdapterFiles {
  /** Says what is wrong. */
  readonly name: string;
  readonly code: AdapterErrorCode;
}

type Row<T> = readonly [name: string, code: AdapterErrorCode, wrong: T];

export function badFiles(base: BaseConfig): BadFile[] {
  const good = sampleAdapter(base);
  return [
    ...wholeFiles(good.weights).map(([name, code, weights]) => ({ ...good, name, code, weights })),
    ...headers().map(([name, code, header]) => ({ ...good, name, code, weights: fileOf(header) })),
    ...entries().map(([name, code, entry]) => ({ ...good, name, code, weights: fileOf(`{"x":${entry}}`) })),
    ...configTexts().map(([name, code, config]) => ({ ...good, name, code, config })),
    ...configFields().map(([name, code, changes]) => {
      return { ...good, name, code, config: JSON.stringify(sampleConfig(changes)) };
    }),
    ...tensors(base).map(([name, code, list]) => ({ ...good, name, code, weights: writeSafetensors(list) })),
  ];
}

/** Data that the hand-written headers share: 16 bytes. */
const DATA_SIZE = 16;

function fileOf(header: string | Uint8Array, dataSize = DATA_SIZE): Uint8Array<ArrayBuffer> {
  const bytes = typeof header === 'string' ? new TextEncoder().encode(header) : header;
  const file = new Uint8Array(8 + bytes.length + dataSize).fill(1);
  file.set(bytes, 8);
  return withLength(file, BigInt(bytes.length));
}

function withLength(file: Uint8Array, length: bigint): Uint8Array<ArrayBuffer> {
  const changed = new Uint8Array(file);
  new DataView(changed.buffer).setBigUint64(0, length, true);
  return changed;
}

function wholeFiles(good: Uint8Array): Row<Uint8Array<ArrayBuffer>>[] {
  const text = (content: string) => new TextEncoder().encode(content);
  const headerEnd = 8 + Number(new DataView(good.buffer).getBigUint64(0, true));
  return [
    ['one byte', 'file_too_small', new Uint8Array(1)],
    ['seven bytes', 'file_too_small', new Uint8Array(7)],
    ['a pickle of PyTorch, renamed', 'header_too_large', text('PK\u0003\u0004 archive/data.pkl')],
    ['a web page that says not found', 'header_too_large', text('<!doctype html><title>404</title>')],
    ['a pointer of git-lfs', 'header_too_large', text('version https://git-lfs.github.com/spec/v1\n')],
    ['a header of 2^63 bytes', 'header_too_large', withLength(good, 2n ** 63n)],
    ['a header just over the limit', 'header_too_large', withLength(good, BigInt(MAX_HEADER_SIZE + 1))],
    ['a header longer than the file', 'header_truncated', withLength(good, BigInt(good.length - 7))],
    ['cut within the header', 'header_truncated', new Uint8Array(good.subarray(0, headerEnd - 10))],
    ['cut by one byte', 'data_truncated', new Uint8Array(good.subarray(0, good.length - 1))],
    ['cut behind the header', 'data_truncated', new Uint8Array(good.subarray(0, headerEnd))],
    ['one byte too many', 'trailing_bytes', new Uint8Array([...good, 0])],
  ];
}

const entry = (begin: number, end: number) =>
  `{"dtype":"F32","shape":[${(end - begin) / 4}],"data_offsets":[${begin},${end}]}`;
const WHOLE = entry(0, DATA_SIZE);

function headers(): Row<string | Uint8Array>[] {
  return [
    ['a header of no bytes', 'header_not_object', ''],
    ['a byte order mark', 'header_not_object', `\ufeff{"x":${WHOLE}}`],
    ['a space before the header', 'header_not_object', ` {"x":${WHOLE}}`],
    ['a list as header', 'header_not_object', `[${WHOLE}]`],
    ['bytes that are not UTF-8', 'header_not_utf8', new Uint8Array([0x7b, 0x22, 0xc3, 0x28, 0x22, 0x7d])],
    ['a header that is cut off', 'json_invalid', `{"x":${WHOLE}`],
    ['a comma too many', 'json_invalid', `{"x":${WHOLE},}`],
    ['a comment', 'json_invalid', `{"x":${WHOLE}/* fine */}`],
    ['two headers', 'json_invalid', `{"x":${WHOLE}}{"x":${WHOLE}}`],
    ['padding with zero bytes', 'json_invalid', `{"x":${WHOLE}}\0\0\0`],
    ['half a surrogate pair', 'json_invalid', `{"\\ud83d":${WHOLE}}`],
    ['nesting without end', 'json_too_deep', `{"x":${'['.repeat(MAX_DEPTH)}${']'.repeat(MAX_DEPTH)}}`],
    ['a name without end', 'key_too_long', `{"${'x'.repeat(MAX_KEY_LENGTH + 1)}":${WHOLE}}`],
    ['one name twice', 'duplicate_key', `{"x":${WHOLE},"x":${WHOLE}}`],
    ['one name twice, once escaped', 'duplicate_key', `{"x":${WHOLE},"\\u0078":${WHOLE}}`],
    ['one name twice, far from its colon', 'duplicate_key', `{"x":${WHOLE},"x"${' '.repeat(99)}:${WHOLE}}`],
    ['metadata twice', 'duplicate_key', `{"__metadata__":{},"__metadata__":{},"x":${WHOLE}}`],
    ['a number as metadata', 'metadata_invalid', `{"__metadata__":{"step":7},"x":${WHOLE}}`],
    ['metadata that are a list', 'metadata_invalid', `{"__metadata__":[],"x":${WHOLE}}`],
    ['nothing but metadata', 'no_tensors', '{"__metadata__":{"format":"pt"}}'],
    ['no tensor at all', 'no_tensors', '{}'],
    ['two tensors in one place', 'tensor_overlap', `{"x":${WHOLE},"y":${WHOLE}}`],
    ['tensors that overlap', 'tensor_overlap', `{"x":${entry(0, 12)},"y":${entry(8, 16)}}`],
    ['a hole before the first tensor', 'tensor_gap', `{"x":${entry(4, 16)}}`],
    ['a hole between tensors', 'tensor_gap', `{"x":${entry(0, 4)},"y":${entry(8, 16)}}`],
  ];
}

function entries(): Row<string>[] {
  const dtypes = ['F64', 'F8_E4M3', 'I8', 'U8', 'I64', 'BOOL', 'f32', 'constructor'];
  const of = (dtype: string, shape: string, offsets: string) =>
    `{"dtype":${JSON.stringify(dtype)},"shape":${shape},"data_offsets":${offsets}}`;
  return [
    ['a list as tensor', 'tensor_entry_invalid', '["F32",[4],[0,16]]'],
    ['null as tensor', 'tensor_entry_invalid', 'null'],
    ['a tensor without dtype', 'tensor_entry_invalid', '{"shape":[4],"data_offsets":[0,16]}'],
    ['a tensor without offsets', 'tensor_entry_invalid', '{"dtype":"F32","shape":[4]}'],
    ['a field too many', 'unknown_field', '{"dtype":"F32","shape":[4],"data_offsets":[0,16],"stride":[1]}'],
    [
      'offsets twice',
      'duplicate_key',
      '{"dtype":"F32","shape":[4],"data_offsets":[0,8],"data_offsets":[0,16]}',
    ],
    ...dtypes.map(
      (dtype) => [`values of ${dtype}`, 'dtype_unsupported', of(dtype, '[4]', '[0,16]')] as const,
    ),
    ['a shape of text', 'tensor_entry_invalid', of('F32', '["4"]', '[0,16]')],
    ['a negative size', 'tensor_entry_invalid', of('F32', '[-4]', '[0,16]')],
    ['a size of minus zero', 'tensor_entry_invalid', of('F32', '[-0,4]', '[0,16]')],
    ['a size of 4.0', 'tensor_entry_invalid', of('F32', '[4.0]', '[0,16]')],
    ['an offset of 1.6e1', 'tensor_entry_invalid', of('F32', '[4]', '[0,1.6e1]')],
    ['nine dimensions', 'tensor_entry_invalid', of('F32', '[4,1,1,1,1,1,1,1,1]', '[0,16]')],
    ['three offsets', 'tensor_entry_invalid', of('F32', '[4]', '[0,8,16]')],
    ['no dimension', 'shape_invalid', of('F32', '[]', '[0,4]')],
    ['a size of zero', 'shape_invalid', of('F32', '[0]', '[0,0]')],
    ['a size beyond 2^53', 'shape_invalid', of('F32', '[9007199254740993]', '[0,16]')],
    ['a size that wraps around 2^64', 'size_mismatch', of('F32', '[4294967296,4294967297]', '[0,16]')],
    ['a shape larger than its bytes', 'size_mismatch', of('F32', '[5]', '[0,16]')],
    ['a dtype narrower than its bytes', 'size_mismatch', of('F16', '[4]', '[0,16]')],
    ['offsets the wrong way round', 'offsets_invalid', of('F32', '[4]', '[16,0]')],
    ['an offset beyond 2^53', 'offsets_invalid', of('F32', '[4]', '[0,9007199254740993]')],
    ['offsets beyond the file', 'data_truncated', of('F32', '[400]', '[0,1600]')],
  ];
}

function configTexts(): Row<string>[] {
  return [
    ['a configuration that is no JSON', 'json_invalid', 'r: 8'],
    ['a configuration that is a list', 'config_invalid', '["LORA"]'],
    ['two ranks in the configuration', 'duplicate_key', '{"peft_type":"LORA","r":2,"r":64}'],
    ['a configuration without end', 'json_too_deep', `${'{"a":'.repeat(40)}1${'}'.repeat(40)}`],
    ['an empty configuration', 'peft_type_unsupported', '{}'],
  ];
}

function configFields(): Row<Readonly<Record<string, unknown>>>[] {
  const unsupported: Readonly<Record<string, unknown>> = {
    bias: 'all',
    lora_bias: true,
    use_qalora: true,
    modules_to_save: ['lm_head'],
    trainable_token_indices: [1, 2],
    target_parameters: ['mlp.experts.gate_up_proj'],
    layer_replication: [[0, 1]],
    alora_invocation_tokens: [5],
    arrow_config: { top_k: 2 },
    megatron_config: { a: 1 },
    ensure_weight_tying: true,
  };
  return [
    ['the name of another base', 'base_mismatch', { base_model_name_or_path: 'meta-llama/Llama-3.1-8B' }],
    ['a folder as base', 'base_mismatch', { base_model_name_or_path: '/home/me/models/llama' }],
    ['another method', 'peft_type_unsupported', { peft_type: 'IA3' }],
    ['DoRA without magnitudes', 'pair_incomplete', { use_dora: true }],
    ['a classifier', 'config_invalid', { task_type: 'SEQ_CLS' }],
    ['a rank of zero', 'config_invalid', { r: 0 }],
    ['a rank of 2.5', 'config_invalid', { r: 2.5 }],
    ['a rank of text', 'config_invalid', { r: '2' }],
    ['a rank beyond the limit', 'config_invalid', { r: 4096 }],
    ['an alpha of zero', 'config_invalid', { lora_alpha: 0 }],
    ['a pattern to text', 'config_invalid', { rank_pattern: { q_proj: 'many' } }],
    ...Object.entries(unsupported).map(
      ([field, value]) => [`${field} is used`, 'field_unsupported', { [field]: value }] as const,
    ),
    ...['pissa', 'pissa_niter_4', 'olora', 'corda', 'loftq', 'lora_ga'].map(
      (method) => [`initialised by ${method}`, 'field_unsupported', { init_lora_weights: method }] as const,
    ),
    ['a field from the future', 'field_unknown', { use_quantum: true }],
    ['a pattern that looks ahead', 'pattern_unsupported', { rank_pattern: { '(?=q)q_proj': 2 } }],
    ['a pattern that refers back', 'pattern_unsupported', { alpha_pattern: { '(q)_\\1': 2 } }],
    ['a pattern that counts', 'pattern_unsupported', { rank_pattern: { '((a{9}){9}){9}': 2 } }],
    ['a pattern that is not closed', 'pattern_unsupported', { rank_pattern: { '(q_proj': 2 } }],
    ['patterns without end', 'pattern_unsupported', { rank_pattern: manyPatterns() }],
    ['a rank that the tensors have not', 'rank_mismatch', { r: SAMPLE_RANK * 2 }],
    ['a pattern that the tensors do not follow', 'rank_mismatch', { rank_pattern: { v_proj: 7 } }],
  ];
}

function manyPatterns(): Record<string, number> {
  const key = (i: number) => `(${i}|${'x'.repeat(100)}).*`;
  const count = Math.ceil(MAX_EXPRESSION_CHARACTERS / 100);
  return Object.fromEntries(Array.from({ length: count }, (_, i) => [key(i), SAMPLE_RANK]));
}

function tensors(base: BaseConfig): Row<TensorToWrite[]>[] {
  const good = sampleTensors(base);
  const [a, b, ...others] = good as [TensorToWrite, TensorToWrite, ...TensorToWrite[]];
  const { in: inputs, out: outputs } = moduleTable(base).get(SAMPLE_MODULES[0])!;
  const named = (from: string, to: string) =>
    good.map((tensor) => ({ ...tensor, name: tensor.name.replace(from, to) }));
  const extra = (name: string, shape: readonly number[]) => [
    ...good,
    sampleTensor(`base_model.model.${name}`, shape),
  ];
  const embedding = 'model.embed_tokens';
  return [
    ['a layer that the base has not', 'module_unknown', named('layers.0', 'layers.511')],
    ['a module with a slip', 'module_unknown', named('q_proj', 'q_porj')],
    ['modules of another family', 'module_unknown', named('self_attn.q_proj', 'attn.c_attn')],
    ['the bare model without its head', 'module_unknown', named('model.model.', 'model.')],
    ['A without B', 'pair_incomplete', [a, ...others]],
    ['B without A', 'pair_incomplete', [b, ...others]],
    ['A for a wider base', 'shape_mismatch', [sampleTensor(a.name, [SAMPLE_RANK, inputs * 2]), b, ...others]],
    [
      'B for a wider base',
      'shape_mismatch',
      [a, sampleTensor(b.name, [outputs * 2, SAMPLE_RANK]), ...others],
    ],
    ['A the wrong way round', 'shape_mismatch', [sampleTensor(a.name, [inputs, SAMPLE_RANK]), b, ...others]],
    [
      'A and B of two ranks',
      'shape_mismatch',
      [a, sampleTensor(b.name, [outputs, SAMPLE_RANK + 1]), ...others],
    ],
    [
      'A with three dimensions',
      'shape_mismatch',
      [sampleTensor(a.name, [SAMPLE_RANK, inputs, 1]), b, ...others],
    ],
    ['an embedding with matrices of a linear', 'shape_mismatch', named(SAMPLE_MODULES[0], embedding)],
    [
      'a linear with matrices of an embedding',
      'shape_mismatch',
      [
        sampleTensor(a.name.replace('lora_A.weight', 'lora_embedding_A'), a.shape),
        sampleTensor(b.name.replace('lora_B.weight', 'lora_embedding_B'), b.shape),
        ...others,
      ],
    ],
    ['matrices of both kinds', 'pair_incomplete', extra(`${SAMPLE_MODULES[0]}.lora_embedding_A`, a.shape)],
    [
      'a magnitude vector that the configuration does not know of',
      'pair_incomplete',
      extra(`${SAMPLE_MODULES[0]}.lora_magnitude_vector`, [outputs]),
    ],
    ["names with the adapter's name left in", 'tensor_name_invalid', named('.weight', '.default.weight')],
    [
      'a full copy of the head',
      'field_unsupported',
      extra('lm_head.weight', [base.vocabSize, base.hiddenSize]),
    ],
    ['a bias', 'tensor_name_invalid', extra(`${SAMPLE_MODULES[0]}.lora_B.bias`, [outputs])],
    ['names without their prefix', 'tensor_name_invalid', named('base_model.model.', '')],
    ['NaN in float32', 'not_finite', withWord(sampleTensors(base, 'F32'), 0x7fc00000)],
    ['infinity in float16', 'not_finite', withWord(sampleTensors(base, 'F16'), 0xfc00)],
    ['NaN in bfloat16', 'not_finite', withWord(sampleTensors(base, 'BF16'), 0x7f81)],
    ['B of nothing but zeros', 'all_zero', zeroed(good, 'lora_B')],
    ['A of nothing but zeros', 'all_zero', zeroed(good, 'lora_A')],
  ];
}

/** With the last value of the second tensor replaced. */
function withWord(list: TensorToWrite[], word: number): TensorToWrite[] {
  const { dtype, data } = list[1]!;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  if (dtype === 'F32') view.setUint32(data.length - 4, word, true);
  else view.setUint16(data.length - 2, word, true);
  return list;
}

function zeroed(list: readonly TensorToWrite[], part: string): TensorToWrite[] {
  return list.map((tensor) =>
    tensor.name.includes(part) ? sampleTensor(tensor.name, tensor.shape, tensor.dtype, 'zero') : tensor,
  );
}
