/**
 * Trouble of this machine, or of the network around it: it says nothing of what was being worked on, which may well succeed
 * elsewhere, or here later. So the work is given back, and nobody is told that their job or their version is bad.
 */
import { Fault } from './faults.ts';
import { FileMissing } from './fetch-file.ts';
import { Unreachable } from './runner-api.ts';

/** A disk that is full, broken, write-protected or somebody else's; too little memory, too many open files. */
const MACHINE = /\b(ENOSPC|EDQUOT|EIO|EROFS|EACCES|EPERM|ENOMEM|EMFILE|ENFILE)\b|No space left on device/;

export function isOwnTrouble(error: unknown): boolean {
  if (error instanceof Unreachable) return true;
  if (error instanceof Fault && error.code === 'fetch_failed') return !(error instanceof FileMissing);
  return MACHINE.test(wordsOf(error));
}

/** As ONNX Runtime, C++, CUDA and V8 say it. */
const NO_MEMORY =
  /Failed to allocate memory|bad_alloc|bad allocation|out of memory|Array buffer allocation failed/;

/** What was being worked on needed more memory than there was. */
export function isOutOfMemory(error: unknown): boolean {
  return NO_MEMORY.test(wordsOf(error));
}

/** Errors that come from another thread are only words by now. */
function wordsOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message} ${wordsOf(error.cause)}`;
}

const FIRST_REST_MS = 1_000;
const LONGEST_REST_MS = 5 * 60_000;

/** How long a runner in trouble asks for nothing: longer and longer, until something has gone well. */
export class Rest {
  private length = FIRST_REST_MS;
  private until = 0;

  begin(): void {
    this.until = performance.now() + this.length;
    this.length = Math.min(2 * this.length, LONGEST_REST_MS);
  }

  over(): void {
    this.length = FIRST_REST_MS;
  }

  /** Milliseconds that are left of it. */
  get left(): number {
    return Math.max(0, this.until - performance.now());
  }
}
