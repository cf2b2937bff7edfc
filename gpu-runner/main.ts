/** A runner process. Started by the API's Node entry on one machine, as a container on many. */
import { serve } from '@hono/node-server';
import pino from 'pino';
import { readConfig } from './config.ts';
import { createRunnerApp } from './http.ts';
import { Runner } from './runner.ts';

const log = pino({ name: 'runner' }, pino.destination(2));
const config = readConfig(process.env);
const runner = new Runner(config);
const app = createRunnerApp(runner, config.token, log);

const server = serve({ fetch: app.fetch, hostname: config.host, port: config.port }, ({ port }) => {
  const host = config.host.includes(':') ? `[${config.host}]` : config.host;
  const url = `http://${host}:${port}`;
  log.info({ url, threads: config.threads }, 'listening');
  process.send?.({ type: 'listening', url });
});
server.on('error', (error) => {
  log.fatal({ error: error.message }, 'cannot listen');
  process.exit(1);
});

let stopping = false;
async function stop(): Promise<void> {
  if (stopping) return;
  stopping = true;
  log.info('draining');
  server.close();
  await runner.drain();
  process.exit(0);
}
process.on('SIGTERM', () => void stop());
process.on('SIGINT', () => void stop());
// The parent has died: nobody will ask anything any more.
process.on('disconnect', () => void stop());
