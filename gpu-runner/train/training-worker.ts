/** The thread of one training session: a pass blocks its thread, and leases must be renewed while it runs. */
import { parentPort, workerData } from 'node:worker_threads';
import { openCheckpoint } from '../model/checkpoint.ts';
import type { FromTrainingWorker, ToTrainingWorker, TrainingTask } from './training-host.ts';
import { TrainingSession } from './training-session.ts';

const port = parentPort!;
const { folder, trained, settings } = workerData as TrainingTask;
const say = (message: FromTrainingWorker): void => port.postMessage(message);
const reasonOf = (error: unknown) =>
  error instanceof Error ? (error.stack ?? error.message) : String(error);

async function answer(session: TrainingSession, message: ToTrainingWorker): Promise<void> {
  if (message.type === 'release') {
    await session.release();
    port.close();
    return;
  }
  const { id, type, groups } = message;
  try {
    say({ type: 'results', id, results: await session[type](groups) });
  } catch (error) {
    say({ type: 'failed', id, reason: reasonOf(error) });
  }
}

try {
  const session = await TrainingSession.open(await openCheckpoint(folder), trained, settings);
  let turn = Promise.resolve();
  port.on('message', (message: ToTrainingWorker) => {
    turn = turn.then(() => answer(session, message));
  });
  say({ type: 'ready' });
} catch (error) {
  say({ type: 'broken', reason: reasonOf(error) });
}
