/** Why a command failed, and the exit code that says so to a script. */

export const EXIT = {
  /** Something else. */
  failed: 1,
  /** Wrong arguments. */
  usage: 2,
  /** No key, or one that may not do this. */
  denied: 3,
  notFound: 4,
  /** The files were refused. */
  refused: 5,
  /** The server cannot be reached, or is busy. */
  unavailable: 6,
} as const;

export class CliError extends Error {
  override readonly name = 'CliError';
  readonly exitCode: number;
  /** What to do next. */
  readonly hint: string | undefined;

  constructor(exitCode: number, message: string, hint?: string) {
    super(message);
    this.exitCode = exitCode;
    this.hint = hint;
  }
}

/** The server is in another state than was believed. */
export class Conflict extends CliError {
  constructor(message: string) {
    super(EXIT.failed, message);
  }
}

/** More reasons than this scroll the first ones away; --json has them all. */
const MAX_REASONS = 10;

export function list(reasons: readonly string[]): string {
  if (reasons.length === 1) return reasons[0]!;
  const shown = reasons.slice(0, MAX_REASONS).map((reason) => `\n- ${reason}`);
  const rest = reasons.length - shown.length;
  return `refused for ${reasons.length} reasons:${shown.join('')}${rest > 0 ? `\n… and ${rest} more` : ''}`;
}
