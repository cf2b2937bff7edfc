/** What the clients of a run share: when to stop, what they drew, and what they saw. */
import type { Client } from '../client.ts';
import type { Random } from '../random.ts';
import type { Timeline } from '../timeline.ts';

export interface Load {
  readonly client: Client;
  readonly timeline: Timeline;
  /** Names that this run makes begin so. */
  readonly prefix: string;
  /** No client begins anything new after this time, on the timeline. */
  readonly endsAt: number;
  /** Whoever has not got through by then gives up. */
  readonly givesUpAt: number;
  /** One for each client: what one does, does not move what another draws. */
  random(client: number): Random;
  /** Models to ask, which grow as adapters are listed. */
  readonly models: string[];
}

/** Between attempts of a client that wants something done. */
const RETRY_MS = 250;

export const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * What a client does that was not answered: it asks again. @returns undefined when it gave up
 * @throws what `attempt` throws where asking again would not help
 */
export async function insist<T>(
  load: Load,
  who: string,
  attempt: () => Promise<T>,
  isFinal: (error: unknown) => boolean,
): Promise<T | undefined> {
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (isFinal(error)) throw error;
      load.timeline.note(who, `was told ${(error as Error).message}; asks again`);
    }
    if (load.timeline.ms > load.givesUpAt) return undefined;
    await sleep(RETRY_MS);
  }
}
