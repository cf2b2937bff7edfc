/**
 * A function of the registry as an AWS Lambda: started by EventBridge on its schedule, or by SQS with events. EventBridge starts some
 * ticks twice, and a server may keep the same schedule: the tick is claimed here as everywhere.
 */
import { z } from 'zod';
import { invoke } from './definition.ts';
import type { Ports, ServerFunction } from './ports.ts';
import { claim, isScheduled, runClaimed } from './ticks.ts';

/** https://docs.aws.amazon.com/eventbridge/latest/ref/event-delivery-level.html, and the Scheduler's default input. */
const ScheduledEvent = z.object({ 'detail-type': z.literal('Scheduled Event') });
/** https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html */
const QueueEvent = z.object({
  Records: z
    .array(z.object({ eventSource: z.literal('aws:sqs'), messageId: z.string(), body: z.string() }))
    .min(1),
});

/** With `ReportBatchItemFailures`, SQS delivers these again and no others. */
export interface QueueAnswer {
  readonly batchItemFailures: readonly { readonly itemIdentifier: string }[];
}

export interface LambdaLog {
  error(fields: object, message: string): void;
}

/** For one event: an instance is frozen with whatever it holds, and a database with connections does not sleep. */
export type OpenPorts = Ports & AsyncDisposable;

/** @param open called for each event; what it opens is closed before the event is over */
export function lambdaEntry(
  definition: ServerFunction,
  open: () => Promise<OpenPorts>,
  log: LambdaLog,
): (event: unknown) => Promise<unknown> {
  if (isScheduled(definition))
    return async (event) => {
      ScheduledEvent.parse(event);
      await using opened = await open();
      const claimed = await claim(definition, opened);
      return claimed.isMine ? await runClaimed(definition, claimed.id, opened) : { dueInMs: claimed.dueInMs };
    };
  return async (event) => {
    const { Records } = QueueEvent.parse(event);
    await using opened = await open();
    const failures: { itemIdentifier: string }[] = [];
    for (const { messageId, body } of Records) {
      try {
        await invoke(definition, JSON.parse(body), opened);
      } catch (error) {
        log.error(
          { function: definition.name, messageId, error: (error as Error).message },
          'an event failed',
        );
        failures.push({ itemIdentifier: messageId });
      }
    }
    return { batchItemFailures: failures } satisfies QueueAnswer;
  };
}
