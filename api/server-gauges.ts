/** What is looked up when somebody asks for the metrics: what waits, and for how long; the connections of the database. */

import type { OpenDatabase } from '../db/open.ts';
import { waitingWork } from '../db/operations.ts';
import { gaugeOf } from '../observe/metrics.ts';
import { ORDERS } from './tasks.ts';

export function watchServer({ db, connections }: OpenDatabase, now: () => Date): void {
  const waiting = () => waitingWork(db, Object.keys(ORDERS));
  gaugeOf('patchbay_queue_depth', async (result) => {
    for (const { name, depth } of await waiting()) result.observe(depth, { function: name });
  });
  gaugeOf('patchbay_queue_age_seconds', async (result) => {
    for (const { name, since } of await waiting())
      result.observe(since ? (now().getTime() - since.getTime()) / 1000 : 0, { function: name });
  });
  if (!connections) return;
  gaugeOf('patchbay_database_connections', (result) => {
    const { total, idle } = connections();
    result.observe(idle, { state: 'idle' });
    result.observe(total - idle, { state: 'busy' });
  });
  gaugeOf('patchbay_database_waiting', (result) => result.observe(connections().waiting));
}
