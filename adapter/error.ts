/** What can be wrong with an adapter, a base or a reference to one. Codes are a closed list; messages are for the user. */

export type AdapterErrorCode =
  // JSON, in a header or a configuration
  | 'json_invalid'
  | 'json_too_deep'
  | 'duplicate_key'
  | 'key_too_long'
  // safetensors
  | 'file_too_small'
  | 'header_too_large'
  | 'header_truncated'
  | 'header_not_utf8'
  | 'header_not_object'
  | 'metadata_invalid'
  | 'tensor_entry_invalid'
  | 'unknown_field'
  | 'dtype_unsupported'
  | 'shape_invalid'
  | 'offsets_invalid'
  | 'size_mismatch'
  | 'tensor_overlap'
  | 'tensor_gap'
  | 'data_truncated'
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
  | 'base_mismatch'
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

export function invalidBaseConfig(field: string, what: string): AdapterError {
  return new AdapterError('base_config_invalid', `config.json: ${field} ${what}.`, field);
}

/** More do not help anybody, and a hostile file could have a hundred thousand. */
export const MAX_PROBLEMS = 50;

/** Every reason at once, up to MAX_PROBLEMS. */
export class AdapterProblems extends Error {
  override readonly name = 'AdapterProblems';
  readonly problems: readonly AdapterError[];

  constructor(problems: readonly AdapterError[]) {
    const told = problems.slice(0, MAX_PROBLEMS);
    super(told.map(({ message }) => message).join('\n'));
    this.problems = told;
  }
}

/** @returns what is wrong with an adapter. @throws what is no refusal */
export function problemsOf(error: unknown): readonly AdapterError[] {
  if (error instanceof AdapterProblems) return error.problems;
  if (error instanceof AdapterError) return [error];
  throw error;
}
