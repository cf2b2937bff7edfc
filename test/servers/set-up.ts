/** What a server leaves behind that has started once: the schema, and the queue. */
import { openDatabase } from '../../db/open.ts';
import { openTrainingQueue } from '../../db/queue.ts';

export async function setUp(url: string): Promise<void> {
  const database = await openDatabase({ url });
  const queue = await openTrainingQueue(database, () => undefined);
  await queue.close();
  await database.close();
}
