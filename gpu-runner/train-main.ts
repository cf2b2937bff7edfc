/** A runner process that trains, and verifies what is published. Started by the API's Node entry on one machine, as a container on many. */
import { constants, setPriority } from 'node:os';
import type { FunctionDefinition } from '../functions/definition.ts';
import { LANES } from '../functions/lanes.ts';
import { train } from '../functions/train.ts';
import { verify } from '../functions/verify.ts';
import { createLog } from '../observe/log.ts';
import { startTelemetry } from '../observe/start.ts';
import { metricsRoute } from './access.ts';
import { readTrainConfig, type TrainRunnerConfig } from './config.ts';
import { Downloads } from './downloads.ts';
import { leasedBy } from './leased-functions.ts';
import { listen } from './listen.ts';
import { probeRoutes } from './probes.ts';
import { RunnerApi } from './runner-api.ts';
import { runTasks } from './tasks/task-runner.ts';
import { TrainRunner } from './train/train-runner.ts';
import { TrainerPool } from './train/trainer-pool.ts';
import { tryCache } from './try-cache.ts';
import { tryProvider } from './try-provider.ts';
import { runVerifications } from './verify/verify-runner.ts';

const log = createLog('train');
const config = await configOrExit();
const telemetry = await startTelemetry('patchbay-train-runner', process.env, log);
const stop = new AbortController();

// Where answers are given on the same machine, they come first.
setPriority(constants.priority.PRIORITY_BELOW_NORMAL);
for (const signal of ['SIGTERM', 'SIGINT', 'disconnect'])
  process.on(signal, () => {
    log.info({ reason: signal }, 'keeping checkpoints');
    stop.abort();
  });
log.info({ api: config.apiUrl, provider: config.provider, threads: config.threads }, 'waiting for jobs');
const api = new RunnerApi({ url: config.apiUrl, token: config.token });
const { accepted: tokens, metricsToken } = config;
const app = probeRoutes(() => !stop.signal.aborted && api.isReachable);
app.route('/', metricsRoute({ tokens, metricsToken, scrape: telemetry.scrape }));
listen(app, config, log);
const downloads = new Downloads(config);
const { signal } = stop;
const pool = new TrainerPool(config);
const leased = leasedBy(config);
const tasks = { config, api, downloads, pool, log };
const lanes = LANES.map((lane) => lane.filter((one) => leased.includes(one)));
await Promise.all(lanes.filter((lane) => lane.length > 0).map(work));
await telemetry.stop();
log.info('stopped');
process.exit(0);

function work(lane: readonly FunctionDefinition[]): Promise<void> {
  if (lane.includes(train)) return new TrainRunner(config, api, downloads, pool, log).run(signal);
  if (lane.includes(verify)) return runVerifications(config, api, downloads, log, signal);
  return runTasks(lane, tasks, signal);
}

async function configOrExit(): Promise<TrainRunnerConfig> {
  try {
    const config = readTrainConfig(process.env);
    await tryCache(config.cacheFolder);
    await tryProvider();
    return config;
  } catch (error) {
    log.fatal((error as Error).message);
    process.exit(1);
  }
}
