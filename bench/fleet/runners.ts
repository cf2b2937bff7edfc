/** Real runner processes for the benchmarks, and requests to them as the API sends them. */
import { createFleet, type Fleet } from '../../api/fleet/fleet.ts';
import { type AdapterSource, type BaseSource, GenerateRequest } from '../../functions/generate.ts';
import { RunnerProcess } from '../../gpu-runner/testing/runner-process.ts';

const TOKEN = 'token-of-the-benchmark';
/** The end of an answer: forbidden, so that all are as long as they were to be. */
const END = '4';

export interface Asked {
  readonly base: BaseSource;
  readonly adapters: readonly AdapterSource[];
  readonly promptTokens: number;
  readonly answerTokens: number;
}

/** Milliseconds since it was asked. */
export interface Answered {
  /** In the runner's queue, with everything it needs. */
  readonly queuedMs: number;
  readonly firstMs: number;
  readonly lastMs: number;
  /** Between pieces of the answer. */
  readonly gapsMs: readonly number[];
}

export async function startRunners(
  count: number,
  environment: Readonly<Record<string, string>>,
): Promise<{ runners: RunnerProcess[]; fleet: Fleet; stop(): Promise<void> }> {
  const start = () => RunnerProcess.start({ PATCHBAY_RUNNER_TOKEN: TOKEN, ...environment });
  const runners = await Promise.all(Array.from({ length: count }, start));
  return {
    runners,
    fleet: fleetOver(runners),
    async stop() {
      await Promise.all(runners.map((runner) => runner.stop()));
    },
  };
}

export function fleetOver(runners: readonly RunnerProcess[]): Fleet {
  return createFleet({
    token: TOKEN,
    registered: async () => [],
    fixed: () => runners.map(({ url }) => url),
    coldStartMs: 0,
    asked: () => undefined,
  });
}

let requests = 0;

export async function ask(
  fleet: Fleet,
  { base, adapters, promptTokens, answerTokens }: Asked,
): Promise<Answered> {
  const began = performance.now();
  const request = GenerateRequest.parse({
    requestId: `bench-${++requests}`,
    base,
    adapters,
    prompt: { kind: 'tokens', tokens: Array.from({ length: promptTokens }, (_, i) => 10 + ((i * 7) % 1900)) },
    sampling: { temperature: 0, maxTokens: answerTokens, topLogprobs: 0, logitBias: { [END]: -100 } },
  });
  const times: number[] = [];
  let queuedMs = 0;
  for await (const event of await fleet.generate(request, new AbortController().signal))
    if (event.type === 'delta') times.push(performance.now() - began);
    else if (event.type === 'start') queuedMs = performance.now() - began;
  const gapsMs = times.slice(1).map((time, i) => time - times[i]!);
  return { queuedMs, firstMs: times[0]!, lastMs: times.at(-1)!, gapsMs };
}
