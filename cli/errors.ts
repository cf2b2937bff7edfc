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
