/**
 * The only door to onnxruntime-node. `run()` blocks its thread, so a session belongs in a worker; and ending a thread or
 * a process during a run aborts the process, so whoever owns a session waits for its last run before `release()`.
 */
process.env['ORT_DISABLE_TELEMETRY'] = '1'; // before the library loads: it would write a device id under the user's cache

import { chosenProvider } from './provider.ts';

const ort = await import('onnxruntime-node');

export const ORT_VERSION = ort.env.versions.node ?? ort.env.versions.common;

export type Feed = import('onnxruntime-node').Tensor;

export interface SessionSettings {
  readonly threads: number;
  /** Entries of onnxruntime_session_options_config_keys.h. */
  readonly entries?: Readonly<Record<string, string>>;
  /** Where to save the graph as it was optimised. */
  readonly optimizedModelPath?: string;
  /** False for a graph that was optimised when it was saved. */
  readonly optimize?: boolean;
  /** False: no plan of the memory of a whole run, which for a long graph holds half as much again as its tensors need. */
  readonly planMemory?: boolean;
}

export class Session {
  private readonly inner: import('onnxruntime-node').InferenceSession;

  private constructor(inner: import('onnxruntime-node').InferenceSession) {
    this.inner = inner;
  }

  /** @param model a path, or a whole model with its weights */
  static async open(model: string | Uint8Array, settings: SessionSettings): Promise<Session> {
    const inner = await ort.InferenceSession.create(model as string, {
      executionProviders: [chosenProvider()],
      intraOpNumThreads: settings.threads,
      interOpNumThreads: 1,
      executionMode: 'sequential',
      graphOptimizationLevel: settings.optimize === false ? 'disabled' : 'all',
      logSeverityLevel: 3,
      enableMemPattern: settings.planMemory ?? true,
      extra: { session: sessionExtra(settings.entries ?? {}) },
      ...(settings.optimizedModelPath ? { optimizedModelFilePath: settings.optimizedModelPath } : {}),
    });
    return new Session(inner);
  }

  async run(
    feeds: Readonly<Record<string, Feed>>,
    fetches: readonly string[],
  ): Promise<Record<string, Feed>> {
    return (await this.inner.run(feeds, [...fetches])) as Record<string, Feed>;
  }

  release(): Promise<void> {
    return this.inner.release();
  }
}

/** `session.a.b` entries travel as nested objects. */
function sessionExtra(entries: Readonly<Record<string, string>>): Record<string, unknown> {
  const root: Record<string, unknown> = {};
  for (const [key, value] of Object.entries(entries)) {
    const path = key.replace(/^session\./, '').split('.');
    let at = root;
    for (const part of path.slice(0, -1)) at = (at[part] ??= {}) as Record<string, unknown>;
    at[path.at(-1)!] = value;
  }
  return root;
}

export function floats(data: Float32Array, dims: readonly number[]): Feed {
  return new ort.Tensor('float32', data, dims);
}

export function int32s(data: Int32Array, dims: readonly number[]): Feed {
  return new ort.Tensor('int32', data, dims);
}

export function int64s(data: BigInt64Array, dims: readonly number[]): Feed {
  return new ort.Tensor('int64', data, dims);
}

/** One truth value. */
export function bool(value: boolean): Feed {
  return new ort.Tensor('bool', [value], []);
}
