/** A function of the registry in AWS Lambda: opens what every server has, and hands it over. */
import { openDatabase } from '../db/open.ts';
import { openTrainingQueue } from '../db/queue.ts';
import { ANYWHERE } from '../functions/anywhere.ts';
import { lambdaEntry } from '../functions/lambda.ts';
import type { Ports, Post } from '../functions/ports.ts';
import { createBlobStore } from './blob-store.ts';
import type { Config } from './config.ts';
import { safePost } from './embedded/safe-post.ts';

/** As CloudWatch reads it: a line of JSON. */
const log = {
  error: (fields: object, message: string) => console.error(JSON.stringify({ ...fields, msg: message })),
};

/** @throws Error where there is no such function, or a setting is missing */
export function handlerOf(name: string | undefined, config: Config): (event: unknown) => Promise<unknown> {
  const definition = ANYWHERE.find((one) => one.name === name);
  if (!definition)
    throw new Error(`PATCHBAY_FUNCTION is ${name}; there are ${ANYWHERE.map((one) => one.name).join(', ')}`);
  return lambdaEntry(definition, () => openPorts(config), log);
}

async function openPorts({ databaseUrl, s3, webhooksAnywhere }: Config): Promise<Ports> {
  const { endpoint } = s3;
  if (!databaseUrl || !endpoint) throw new Error('DATABASE_URL and S3_ENDPOINT are needed here');
  const database = await openDatabase({ url: databaseUrl });
  const queue = await openTrainingQueue(database, (error) =>
    log.error({ error: (error as Error).message }, 'housekeeping of the queue failed'),
  );
  const post: Post = (to, headers, body) => safePost(webhooksAnywhere, to, headers, body);
  return { db: database.db, queue, blobs: createBlobStore({ ...s3, endpoint }), now: () => new Date(), post };
}
