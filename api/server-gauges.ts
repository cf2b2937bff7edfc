/** What is looked up when somebody asks for the metrics: what waits, and for how long; the connections of the database. */

import type { OpenDatabase } from '../db/open.ts';
import { waitingWork } from '../db/operations.ts';
import { gaugeOf } from '../observe/metrics.ts';

export function watchServer({ db, connections }: OpenDatabase, now: () => Date): void {
  gaugeOf('patchbay_queue_depth', async (result) => {
    for (const { name, depth } of await waitingWork(db)) result.observe(depth, { function: name });
  });
  gaugeOf('patchbay_queue_age_seconds', async (result) => {
    for (const { name, since } of await waitingWork(db))
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
