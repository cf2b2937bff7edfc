/** A runner process. Started by the API's Node entry on one machine, as a container on many. */
import pino from 'pino';
import { type RunnerConfig, readConfig } from './config.ts';
import { createRunnerApp } from './http.ts';
import { listen } from './listen.ts';
import { Runner } from './runner.ts';

const log = pino({ name: 'runner' }, pino.destination(2));
const config = configOrExit();
const runner = new Runner(config);
const app = createRunnerApp(runner, config.token, log);

const server = listen(app, config, log);

/** For the last bytes of the last answers to leave. */
const FLUSH_MS = 1_000;

let stopping = false;
/** Answers that run are finished and sent; nothing new is taken. */
async function stop(reason: string): Promise<void> {
  if (stopping) return;
  stopping = true;
  log.info({ reason }, 'draining');
  const closed = new Promise((resolve) => server.close(resolve));
  await runner.drain();
  // All answers are written. A connection on which nothing was ever asked does not count as idle: it is cut.
  const cut = setTimeout(() => 'closeAllConnections' in server && server.closeAllConnections(), FLUSH_MS);
  await closed;
  clearTimeout(cut);
  log.info('stopped');
  process.exit(0);
}
process.on('SIGTERM', () => void stop('SIGTERM'));
process.on('SIGINT', () => void stop('SIGINT'));
// The parent has died. Its connections are gone with it, so what runs is cancelled.
process.on('disconnect', () => void stop('the parent process is gone'));

function configOrExit(): RunnerConfig {
  try {
    return readConfig(process.env);
  } catch (error) {
    log.fatal((error as Error).message);
    process.exit(1);
  }
}
