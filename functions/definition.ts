/**
 * A function is a piece of work that begins with an event and ends in a result. What starts it and what it needs stands beside
 * its handler, once: the server's worker, the runners, the Lambda entries and the definitions of the infrastructure all read it
 * there. To add one, write `functions/<name>.ts` and name it in the list of where it runs (anywhere.ts, on-runners.ts).
 */
import { z } from 'zod';

export type Trigger =
  /**
   * Once in so many seconds over all processes together, and with a concurrency of 1 not before the last one is over. A cloud's
   * scheduler counts in minutes: it starts each minute what would be due more often.
   */
  | { readonly kind: 'schedule'; readonly everySeconds: number }
  /** Whoever is free takes the event whose turn it is, and works on it under a lease. */
  | { readonly kind: 'queue' }
  /** By `POST` to this path of a runner. */
  | { readonly kind: 'http'; readonly path: string };

export interface Needs {
  /** `gpu`: the weights of a base in memory. A runner without a GPU computes on its processor. */
  readonly processor: 'cpu' | 'gpu';
  /** Of one event; what runs side by side in one process needs the sum (lanes.ts). */
  readonly memoryMiB: number;
  /** Of one event. One that takes longer is thought dead, and another may begin; so it is many times what is usual. */
  readonly timeoutSeconds: number;
  /** How often an event is tried again whose worker died or failed. A schedule needs none: it comes round again. */
  readonly retries: number;
  /** Events that one process works on at once. */
  readonly concurrency: number;
  /** What one event mostly takes; absent: minutes at least, so that no other one waits for it. */
  readonly usualSeconds?: number;
  /** Where in the object store (object-keys.ts) it removes what lies there; absent: the store is no business of it. */
  readonly removes?: readonly string[];
}

/** @typeParam Ports what the handler is handed by whoever runs it */
export interface FunctionDefinition<
  Event extends z.ZodType = z.ZodType,
  Result extends z.ZodType = z.ZodType,
  Ports = never,
> {
  /** Also the name of its file. */
  readonly name: string;
  readonly trigger: Trigger;
  readonly needs: Needs;
  readonly event: Event;
  readonly result: Result;
  handle(event: z.output<Event>, ports: Ports): Promise<z.input<Result>>;
}

export function defineFunction<Event extends z.ZodType, Result extends z.ZodType, Ports>(
  definition: FunctionDefinition<Event, Result, Ports>,
): FunctionDefinition<Event, Result, Ports> {
  return definition;
}

/** A schedule says no more than that it is time. */
export const Tick = z.strictObject({});

/** What it needs says that it should be over: it is thought dead. */
export class TookTooLong extends Error {
  override readonly name = 'TookTooLong';
}

/** @throws TookTooLong: then `work` may go on, and nobody hears what comes of it */
export async function inTime<T>(
  { name, needs: { timeoutSeconds } }: { readonly name: string; readonly needs: Needs },
  work: Promise<T>,
): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const tooLong = new TookTooLong(`${name} took longer than ${timeoutSeconds} seconds.`);
  const timer = setTimeout(() => reject(tooLong), timeoutSeconds * 1000);
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** @throws ZodError for an event, or a result, that is none; and whatever the handler throws */
export async function invoke<Event extends z.ZodType, Result extends z.ZodType, Ports>(
  definition: FunctionDefinition<Event, Result, Ports>,
  event: unknown,
  ports: Ports,
): Promise<z.output<Result>> {
  return definition.result.parse(await definition.handle(definition.event.parse(event), ports));
}
