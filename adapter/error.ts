/** What can be wrong with an adapter, a base or a reference to one. Codes are a closed list; messages are for the user. */

export type AdapterErrorCode =
  // safetensors
  | 'file_too_small'
  | 'header_too_large'
  | 'header_truncated'
  | 'header_not_utf8'
  | 'header_not_json'
  | 'header_not_object'
  | 'header_too_deep'
  | 'duplicate_key'
  | 'metadata_invalid'
  | 'tensor_entry_invalid'
  | 'unknown_field'
  | 'dtype_unsupported'
  | 'shape_invalid'
  | 'offsets_invalid'
  | 'size_mismatch'
  | 'tensor_overlap'
  | 'tensor_gap'
  | 'trailing_bytes'
  | 'no_tensors'
  // configurations
  | 'config_invalid'
  | 'peft_type_unsupported'
  | 'field_unknown'
  | 'field_unsupported'
  | 'pattern_unsupported'
  | 'base_config_invalid'
  | 'architecture_unsupported'
  // adapter against base
  | 'tensor_name_invalid'
  | 'module_unknown'
  | 'pair_incomplete'
  | 'shape_mismatch'
  | 'rank_mismatch'
  | 'no_lora_pairs'
  // values
  | 'not_finite'
  | 'all_zero'
  // references
  | 'reference_invalid';

export class CodedError<Code extends string> extends Error {
  readonly code: Code;
  /** The tensor, field or part that is wrong. */
  readonly field: string | undefined;

  constructor(code: Code, message: string, field?: string) {
    super(message);
    this.code = code;
    this.field = field;
  }
}

export class AdapterError extends CodedError<AdapterErrorCode> {
  override readonly name = 'AdapterError';
}

/** Every reason at once. */
export class AdapterProblems extends Error {
  override readonly name = 'AdapterProblems';
  readonly problems: readonly AdapterError[];

  constructor(problems: readonly AdapterError[]) {
    super(problems.map(({ message }) => message).join('\n'));
    this.problems = problems;
  }
}
