/** A training runner process. Started by the API's Node entry on one machine, as a container on many. */
import { constants, setPriority } from 'node:os';
import pino from 'pino';
import { readTrainConfig, type TrainRunnerConfig } from './config.ts';
import { TrainRunner } from './train/train-runner.ts';

const log = pino({ name: 'train' }, pino.destination(2));
const config = configOrExit();
const stop = new AbortController();

// Where answers are given on the same machine, they come first.
setPriority(constants.priority.PRIORITY_BELOW_NORMAL);
for (const signal of ['SIGTERM', 'SIGINT', 'disconnect'])
  process.on(signal, () => {
    log.info({ reason: signal }, 'keeping checkpoints');
    stop.abort();
  });
log.info({ api: config.apiUrl, threads: config.threads }, 'waiting for jobs');
process.send?.({ type: 'ready' });
await new TrainRunner(config, log).run(stop.signal);
log.info('stopped');
process.exit(0);

function configOrExit(): TrainRunnerConfig {
  try {
    return readTrainConfig(process.env);
  } catch (error) {
    log.fatal((error as Error).message);
    process.exit(1);
  }
}
