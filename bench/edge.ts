/**
 * The API in workerd beside the API on Node, over the same Postgres, objects and runner: the size of the bundle, how long it takes
 * until a worker that was not there has answered, and what a request costs more than on Node, in turns.
 */
import { readFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { type Marketplace, startMarketplace } from '../test/conformance/marketplace.ts';
import { buildWorker, spawnWorkerd, startWorkerd } from '../test/servers/workerd.ts';
import { type Figure, median, timed } from './measure.ts';

const bundle = fileURLToPath(new URL('../infra/edge/dist/worker.js', import.meta.url));
const STARTS = 5;
const REQUESTS = 100;
const PAGE = '/api/adapters?q=sql&limit=20';

async function measureSize(): Promise<Figure[]> {
  const code = await readFile(bundle);
  return [
    { key: 'bundle_kb', value: gzipSync(code, { level: 9 }).length / 1000, unit: 'kB' },
    { key: 'bundle_plain_kb', value: code.length / 1000, unit: 'kB' },
  ];
}

async function isListening(url: string): Promise<boolean> {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const socket = connect(Number(port), hostname);
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

/** Asks the database, too: `/healthz` alone would be answered sooner. */
async function answered(url: string): Promise<void> {
  const response = await fetch(`${url}${PAGE}`);
  if (response.status !== 200)
    throw new Error(`${url} answered ${response.status}: ${await response.text()}`);
  await response.text();
}

async function measureStarts({ settings }: Marketplace): Promise<Figure[]> {
  const whole: number[] = [];
  const first: number[] = [];
  const second: number[] = [];
  for (let i = 0; i < STARTS; i++) {
    const began = performance.now();
    const { url, stop } = await spawnWorkerd(settings);
    while (!(await isListening(url))) await new Promise((resolve) => setTimeout(resolve, 2));
    first.push(await timed(() => answered(url)));
    whole.push(performance.now() - began);
    second.push(await timed(() => answered(url)));
    await stop();
  }
  return [
    { key: 'cold_start_ms', value: median(whole), unit: 'ms' },
    { key: 'first_request_ms', value: median(first), unit: 'ms' },
    { key: 'second_request_ms', value: median(second), unit: 'ms' },
  ];
}

async function measureRequests({ node, settings }: Marketplace): Promise<Figure[]> {
  const edge = await startWorkerd(settings);
  const headers = { authorization: `Bearer ${node.key}`, 'content-type': 'application/json' };
  const kinds = {
    page: (url: string) => answered(url),
    stream: async (url: string) => {
      const messages = [{ role: 'user', content: 'Hello!' }];
      const body = JSON.stringify({ model: 'patchbay/tiny', messages, max_tokens: 1, stream: true });
      await (await fetch(`${url}/v1/chat/completions`, { method: 'POST', headers, body })).text();
    },
  };
  const figures: Figure[] = [];
  for (const [kind, ask] of Object.entries(kinds)) {
    const times: { edge: number[]; node: number[] } = { edge: [], node: [] };
    for (let i = 0; i < REQUESTS; i++) {
      times.node.push(await timed(() => ask(node.url)));
      times.edge.push(await timed(() => ask(edge.url)));
    }
    const [atEdge, onNode] = [median(times.edge), median(times.node)];
    figures.push(
      { key: `${kind}_ms`, value: atEdge, unit: 'ms' },
      { key: `${kind}_node_ms`, value: onNode, unit: 'ms' },
      { key: `${kind}_over_node`, value: atEdge / onNode, unit: 'times' },
    );
  }
  await edge.stop();
  return figures;
}

export async function run(): Promise<Figure[]> {
  buildWorker();
  const marketplace = await startMarketplace();
  try {
    return [
      ...(await measureSize()),
      ...(await measureStarts(marketplace)),
      ...(await measureRequests(marketplace)),
    ];
  } finally {
    await marketplace.close();
  }
}
