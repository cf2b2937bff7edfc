/**
 * Every two seconds: tells others what has happened, as Standard Webhooks have it (standardwebhooks.com): signed, with an id that
 * stays the same however often it is tried, and tried again after longer and longer pauses.
 */
import { Webhook as Signature } from 'standardwebhooks';
import { z } from 'zod';
import { type Due, disableWebhook, settleDelivery, takeDue } from '../db/webhooks.ts';
import { count } from '../observe/metrics.ts';
import { defineFunction, Tick } from './definition.ts';
import type { Ports } from './ports.ts';

/** Between attempts: a few seconds to a day, some 34 hours in all. */
const PAUSES_SECONDS = [5, 60, 600, 3600, 6 * 3600, 24 * 3600];
const AT_ONCE = 20;
/** Longer than an attempt takes: a server that dies in the middle leaves it to another. */
const TAKEN_SECONDS = 60;
/** A tick that has run so long takes no more: what it waits for is over before its time is. */
const TAKING_MS = 40_000;
const GONE = 410;

type DeliveryPorts = Pick<Ports, 'db' | 'now' | 'post'>;

export const webhook = defineFunction({
  name: 'webhook',
  trigger: { kind: 'schedule', everySeconds: 2 },
  // Several at once, and more than begin while one attempt lasts: however many receivers are slow, the next tick begins.
  needs: { processor: 'cpu', memoryMiB: 256, timeoutSeconds: 60, retries: 0, concurrency: 8 },
  event: Tick,
  result: z.object({ tried: z.int() }),
  handle: async (_tick, ports: DeliveryPorts) => {
    const began = performance.now();
    let tried = 0;
    while (performance.now() - began < TAKING_MS) {
      const now = ports.now();
      const due = await takeDue(ports.db, now, new Date(now.getTime() + TAKEN_SECONDS * 1000), AT_ONCE);
      if (due.length === 0) break;
      await Promise.all(due.map((one) => deliver(ports, one)));
      tried += due.length;
    }
    return { tried };
  },
});

async function deliver({ db, now, post }: DeliveryPorts, { delivery, webhook, event }: Due): Promise<void> {
  const at = now();
  const body = JSON.stringify({
    type: event.kind,
    timestamp: event.at.toISOString(),
    data: { subject: event.subject, ...event.data },
  });
  const id = `msg_${event.id}`;
  const headers = {
    'content-type': 'application/json',
    'user-agent': 'patchbay-webhooks',
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
    'webhook-signature': new Signature(webhook.secret).sign(id, at, body),
  };
  const answer = await post(webhook.url, headers, body).catch((error: Error) => error.message);
  const isDelivered = typeof answer === 'number' && answer >= 200 && answer < 300;
  count('patchbay_webhook_deliveries_total', 1, { outcome: isDelivered ? 'delivered' : 'failed' });
  if (isDelivered)
    return settleDelivery(db, delivery.id, { status: 'delivered', answer: String(answer), deliveredAt: at });
  if (answer === GONE) await disableWebhook(db, webhook.id, at);
  const pause = answer === GONE ? undefined : PAUSES_SECONDS[delivery.attempts];
  await settleDelivery(db, delivery.id, {
    status: pause === undefined ? 'failed' : 'waiting',
    nextAt: new Date(at.getTime() + (pause ?? 0) * 1000),
    answer: String(answer).slice(0, 500),
  });
}
