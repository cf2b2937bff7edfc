/**
 * 500 answers streamed at the same time: an API and two runners of one thread each, all processes of their own, on Postgres and S3,
 * with the clients on the same two cores.
 */
import { Deployment } from '../test/faults/deployment.ts';
import { Timeline } from '../test/faults/timeline.ts';
import { type Figure, note } from './measure.ts';

const STREAMS = 500;
const MAX_TOKENS = 32;
/** The base and the adapters that ship. */
const MODELS = ['patchbay/tiny', 'patchbay/sentiment', 'patchbay/sql', 'patchbay/json', 'patchbay/formal'];
/** A runner's own default turns away whoever would wait for minutes where a model is large; this one is small. */
const SETTINGS = { PATCHBAY_RUNNER_MAX_WAITING: String(STREAMS) };

interface Streamed {
  readonly error: string | undefined;
  readonly firstMs: number;
  readonly tokens: number;
}

export async function run(): Promise<Figure[]> {
  const deployment = await Deployment.start(new Timeline(), SETTINGS);
  try {
    const client = deployment.client();
    const { data } = (await client.ok('GET', '/v1/models')) as { data: { id: string }[] };
    const models = MODELS.filter((model) => data.some(({ id }) => id === model));
    note(`models: ${models.join(', ')}`);
    for (const model of models) await streamed(deployment, model);
    const began = performance.now();
    let [open, most] = [0, 0];
    const all = await Promise.all(
      Array.from({ length: STREAMS }, async (_, i) => {
        most = Math.max(most, ++open);
        const one = await streamed(deployment, models[i % models.length]!);
        open--;
        return one;
      }),
    );
    const seconds = (performance.now() - began) / 1000;
    const errors = all.flatMap(({ error }) => error ?? []);
    for (const error of new Set(errors)) note(error);
    const first = all.map(({ firstMs }) => firstMs).sort((a, b) => a - b);
    const at = (share: number) => first[Math.min(first.length - 1, Math.floor(share * first.length))]!;
    return [
      { key: 'concurrent_streams', value: most, unit: 'streams' },
      { key: 'stream_errors', value: errors.length, unit: '' },
      { key: 'first_token_p50_ms', value: at(0.5), unit: 'ms' },
      { key: 'first_token_p99_ms', value: at(0.99), unit: 'ms' },
      {
        key: 'tokens_per_second',
        value: all.reduce((sum, { tokens }) => sum + tokens, 0) / seconds,
        unit: 'tokens/s',
      },
    ];
  } finally {
    await deployment.remove();
  }
}

async function streamed(deployment: Deployment, model: string): Promise<Streamed> {
  const began = performance.now();
  let firstMs = Number.NaN;
  let text = '';
  try {
    const { url, key } = deployment.client();
    const response = await fetch(`${url}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
      body: JSON.stringify({
        model,
        stream: true,
        stream_options: { include_usage: true },
        max_tokens: MAX_TOKENS,
        messages: [{ role: 'user', content: 'The soup was cold, and the waiter was kind. What do you say?' }],
      }),
    });
    if (!response.ok) return { error: await response.text(), firstMs, tokens: 0 };
    for await (const piece of response.body!.pipeThrough(
      new TextDecoderStream() as TransformStream<Uint8Array, string>,
    )) {
      text += piece;
      if (Number.isNaN(firstMs) && /"content":"[^"]/.test(text)) firstMs = performance.now() - began;
    }
  } catch (error) {
    return { error: (error as Error).message, firstMs, tokens: 0 };
  }
  const tokens = Number(/"completion_tokens":(\d+)/.exec(text)?.[1] ?? 0);
  const whole = text.endsWith('data: [DONE]\n\n') && tokens > 0;
  return { error: whole ? undefined : `ended with ${text.slice(-200)}`, firstMs, tokens };
}
