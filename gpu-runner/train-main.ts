/** A runner process that trains, and verifies what is published. Started by the API's Node entry on one machine, as a container on many. */
import { constants, setPriority } from 'node:os';
import { reproduce } from '../functions/reproduce.ts';
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
const telemetry = await startTelemetry('patchbay-train-runner', process.env);
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
// Training again takes as long as it took: what is asked for in between does not wait for it.
const [long, short] = [
  leased.filter((one) => one === reproduce),
  leased.filter((one) => one !== reproduce && one !== train && one !== verify),
];
const tasks = { config, api, downloads, pool, log };
await Promise.all([
  leased.includes(train) && new TrainRunner(config, api, downloads, pool, log).run(signal),
  leased.includes(verify) && runVerifications(config, api, downloads, log, signal),
  short.length > 0 && runTasks(short, tasks, signal),
  long.length > 0 && runTasks(long, tasks, signal),
]);
await telemetry.stop();
log.info('stopped');
process.exit(0);

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
