/** A runner process. Started by the API's Node entry on one machine, as a container on many. */
import { createLog } from '../observe/log.ts';
import { startTelemetry } from '../observe/start.ts';
import { type RunnerConfig, reachableAt, readConfig } from './config.ts';
import { endHung } from './end-hung.ts';
import { createRunnerApp } from './http.ts';
import { listen } from './listen.ts';
import { Reports } from './reports.ts';
import { Runner } from './runner.ts';
import { RunnerApi } from './runner-api.ts';
import { watchRunner } from './runner-gauges.ts';
import { tryCache } from './try-cache.ts';
import { tryProvider } from './try-provider.ts';

const log = createLog('runner');
const config = await configOrExit();
const telemetry = await startTelemetry('patchbay-runner', process.env, log);
const runner = new Runner(config);
watchRunner(runner);
const { accepted: tokens, metricsToken } = config;
const app = createRunnerApp(runner, { tokens, metricsToken, scrape: telemetry.scrape }, log);

let reports: Reports | undefined;

const server = listen(app, config, log, (port) => {
  if (!config.apiUrl) return;
  const api = new RunnerApi({ url: config.apiUrl, token: config.token });
  const url = config.publicUrl ?? reachableAt(config.host, port);
  reports = new Reports(url, api, () => runner.health(), log);
});

/** For the last bytes of the last answers to leave. */
const FLUSH_MS = 1_000;

/** A step that takes longer does not end. */
const HUNG_MS = 60_000;
const LOOK_MS = 5_000;
setInterval(() => {
  if (runner.silentMs > HUNG_MS) endHung(log, 'the thread of a base hangs');
}, LOOK_MS).unref();

let stopping = false;
/** Answers that run are finished and sent; nothing new is taken. */
async function stop(reason: string): Promise<void> {
  if (stopping) return;
  stopping = true;
  log.info({ reason }, 'draining');
  const closed = new Promise((resolve) => server.close(resolve));
  const drained = runner.drain();
  await Promise.all([drained, reports?.send()]);
  await reports?.end();
  // All answers are written. A connection on which nothing was ever asked does not count as idle: it is cut.
  const cut = setTimeout(() => 'closeAllConnections' in server && server.closeAllConnections(), FLUSH_MS);
  await closed;
  clearTimeout(cut);
  await telemetry.stop();
  log.info('stopped');
  process.exit(0);
}
process.on('SIGTERM', () => void stop('SIGTERM'));
process.on('SIGINT', () => void stop('SIGINT'));
// The parent has died. Its connections are gone with it, so what runs is cancelled.
process.on('disconnect', () => void stop('the parent process is gone'));

async function configOrExit(): Promise<RunnerConfig> {
  try {
    const config = readConfig(process.env);
    await tryCache(config.cacheFolder);
    await tryProvider();
    return config;
  } catch (error) {
    log.fatal((error as Error).message);
    process.exit(1);
  }
}
