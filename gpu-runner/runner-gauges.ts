/** How full a serving runner is, when somebody asks for its metrics. */
import { gaugeOf, type NameOf } from '../observe/metrics.ts';
import type { Runner } from './runner.ts';

export function watchRunner(runner: Runner): void {
  const gauge = (name: NameOf<'gauge'>, read: () => number) =>
    gaugeOf(name, (result) => result.observe(read()));
  gauge('patchbay_runner_batch_rows', () => runner.health().running);
  gauge('patchbay_runner_batch_rows_limit', () => {
    const { slots, bases } = runner.health();
    return slots * Math.max(1, bases.length); // each base has a batch of its own
  });
  gauge('patchbay_runner_waiting', () => runner.health().waiting);
  gauge('patchbay_runner_adapters_in_memory', () => runner.health().adaptersInMemory);
  gauge('patchbay_runner_bases_loaded', () => runner.health().bases.length);
  gauge('patchbay_runner_kv_cache_bytes', () => runner.cacheBytes.used);
  gauge('patchbay_runner_kv_cache_limit_bytes', () => runner.cacheBytes.limit);
}
