/**
 * Where the server is away for a while: work that goes on there is asked after until it is over, and what is sent there is sent
 * again.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { CliError, EXIT } from './errors.ts';

/** For how long a server may be away, and how seldom it is asked meanwhile. */
const PATIENCE_MS = 5 * 60_000;
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 20_000;
/** Of what is sent. With doubling delays from the first one on, 16 seconds: longer than a server takes to start again. */
const ATTEMPTS = 7;
const FIRST_RETRY_MS = 250;
export const NOT_REACHABLE = 'The server is not reachable; trying again.';

export interface Waiting<T> {
  readonly look: () => Promise<T>;
  readonly isOver: (found: T) => boolean;
  readonly everyMs: number;
  /** @param isFirst when it answered the time before */
  readonly onAway: (isFirst: boolean) => void;
  /** How to go on with it later. */
  readonly again: string;
}

/** @returns what was found when it was over. @throws CliError what `look` throws, or when the server stays away */
export async function untilOver<T extends object>({
  look,
  isOver,
  everyMs,
  onAway,
  again,
}: Waiting<T>): Promise<T> {
  let away: Away | undefined;
  for (;;) {
    const found = await look().catch((error: unknown) => {
      if (!(error instanceof CliError) || error.exitCode !== EXIT.unavailable) throw error;
      if (away?.isForGood) throw new CliError(EXIT.unavailable, error.message, again);
      onAway(away === undefined);
      away ??= new Away();
    });
    if (found) away = undefined;
    if (found && isOver(found)) return found;
    await sleep(away?.nextPause() ?? everyMs);
  }
}

/** A server that does not answer, or is busy: it is asked less and less often, and not for ever. */
class Away {
  private pauses = 0;
  private waited = 0;

  get isForGood(): boolean {
    return this.waited >= PATIENCE_MS;
  }

  nextPause(): number {
    const pause = Math.min(FIRST_PAUSE_MS * 2 ** this.pauses++, LONGEST_PAUSE_MS);
    this.waited += pause;
    return pause;
  }
}

/**
 * @param what does not get through, in the end. @param again how to go on with it later
 * @throws CliError what the server said, or that nothing got there
 */
export async function persistently<T>(
  what: string,
  again: string,
  send: (attempt: number) => Promise<T>,
): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await send(attempt);
    } catch (error) {
      if (error instanceof CliError && error.exitCode !== EXIT.unavailable) throw error;
      if (attempt === ATTEMPTS)
        throw new CliError(
          EXIT.unavailable,
          `${what} did not get through: ${(error as Error).message}`,
          again,
        );
      await sleep(FIRST_RETRY_MS * 2 ** (attempt - 1));
    }
  }
}
