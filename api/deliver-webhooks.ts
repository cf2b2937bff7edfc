/**
 * Tells others what has happened, as Standard Webhooks have it (standardwebhooks.com): signed, with an id that stays the same
 * however often it is tried, and tried again after longer and longer pauses.
 */
import { Webhook as Signature } from 'standardwebhooks';
import type { Database } from '../db/open.ts';
import { type Due, disableWebhook, settleDelivery, takeDue } from '../db/webhooks.ts';

/** Between attempts: a few seconds to a day, some 34 hours in all. */
const PAUSES_SECONDS = [5, 60, 600, 3600, 6 * 3600, 24 * 3600];
const AT_ONCE = 20;
/** Longer than an attempt takes: a server that dies in the middle leaves it to another. */
const TAKEN_SECONDS = 60;
const GONE = 410;

export interface DeliveryDeps {
  readonly db: Database;
  readonly now: () => Date;
  /** Sends to an address that a stranger named: it must not lead into our own network. */
  readonly post: (url: string, headers: Record<string, string>, body: string) => Promise<number>;
}

/** @returns how many were tried */
export async function deliverDue(deps: DeliveryDeps): Promise<number> {
  const now = deps.now();
  const due = await takeDue(deps.db, now, new Date(now.getTime() + TAKEN_SECONDS * 1000), AT_ONCE);
  await Promise.all(due.map((one) => deliver(deps, one)));
  return due.length;
}

async function deliver({ db, now, post }: DeliveryDeps, { delivery, webhook, event }: Due): Promise<void> {
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
  if (typeof answer === 'number' && answer >= 200 && answer < 300)
    return settleDelivery(db, delivery.id, { status: 'delivered', answer: String(answer), deliveredAt: at });
  if (answer === GONE) await disableWebhook(db, webhook.id, at);
  const pause = answer === GONE ? undefined : PAUSES_SECONDS[delivery.attempts];
  await settleDelivery(db, delivery.id, {
    status: pause === undefined ? 'failed' : 'waiting',
    nextAt: new Date(at.getTime() + (pause ?? 0) * 1000),
    answer: String(answer).slice(0, 500),
  });
}
