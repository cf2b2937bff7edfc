/**
 * A function of the registry in AWS Lambda: opens what every server has, hands it over, and closes it before the event is over. The
 * database sleeps only when nobody is connected, and an instance is frozen with what it holds.
 */
import { isMigrated } from '../db/migrated.ts';
import { connect } from '../db/postgres.ts';
import { joinTrainingQueue } from '../db/queue.ts';
import { ANYWHERE } from '../functions/anywhere.ts';
import { lambdaEntry, type OpenPorts } from '../functions/lambda.ts';
import type { Post } from '../functions/ports.ts';
import { createBlobStore } from './blob-store.ts';
import type { Config } from './config.ts';
import { consoleLog } from './console-log.ts';
import { safePost } from './embedded/safe-post.ts';

/** A function asks one thing after the other; webhooks, several. */
const CONNECTIONS = 4;
/** Of an instance that died: the database does not wait for it. */
const SESSION_SECONDS = 60;

/** @throws Error where there is no such function, or a setting is missing */
export function handlerOf(name: string | undefined, config: Config): (event: unknown) => Promise<unknown> {
  const definition = ANYWHERE.find((one) => one.name === name);
  if (!definition)
    throw new Error(`PATCHBAY_FUNCTION is ${name}; there are ${ANYWHERE.map((one) => one.name).join(', ')}`);
  return lambdaEntry(definition, () => openPorts(config), consoleLog(config.logLevel));
}

async function openPorts({ databaseUrl, s3, webhooksAnywhere }: Config): Promise<OpenPorts> {
  const { endpoint } = s3;
  if (!databaseUrl || !endpoint) throw new Error('DATABASE_URL and S3_ENDPOINT are needed here');
  const { db, close } = connect(databaseUrl, CONNECTIONS, SESSION_SECONDS);
  const post: Post = (to, headers, body) => safePost(webhooksAnywhere, to, headers, body);
  try {
    await isMigrated(db);
    const queue = await joinTrainingQueue(db);
    const blobs = createBlobStore({ ...s3, endpoint });
    return { db, queue, blobs, now: () => new Date(), post, [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw error;
  }
}
