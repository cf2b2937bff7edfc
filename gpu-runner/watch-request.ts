/** What one request for text leaves in metrics and in its trace, beside the answer. */
import { context } from '@opentelemetry/api';
import { count, observe } from '../observe/metrics.ts';
import { pastSpan, within } from '../observe/trace.ts';
import type { Seen } from './messages.ts';
import type { Timing } from './serve/scheduler.ts';

/** @param fetched of each adapter, whether it came from the object store. @returns is told what the base's thread has seen */
export function watchRequest(fetched: readonly boolean[], promptTokens: number): (seen: Seen) => void {
  const request = context.active(); // the thread's messages come outside of it
  return (seen) =>
    within(request, () => {
      if ('inMemory' in seen) countTiers(fetched, seen.inMemory);
      else noteAnswer(seen.timing, promptTokens, seen.tokens);
    });
}

function countTiers(fetched: readonly boolean[], inMemory: readonly boolean[]): void {
  for (const [i, isThere] of inMemory.entries()) {
    const tier = fetched[i] ? 'object_store' : isThere ? 'memory' : 'disk';
    count('patchbay_runner_adapter_requests_total', 1, { tier });
  }
}

/** One step for each part of the way, not one for each token. */
function noteAnswer(
  { queued, admitted, first, ended, interruptions }: Timing,
  promptTokens: number,
  tokens: number,
): void {
  observe('patchbay_runner_queue_seconds', (admitted - queued) / 1000);
  observe('patchbay_runner_prefill_seconds', (first - admitted) / 1000);
  pastSpan('queue', {}, queued, admitted);
  pastSpan('prefill', { 'patchbay.tokens': promptTokens }, admitted, first);
  pastSpan('decode', { 'patchbay.tokens': tokens, 'patchbay.interruptions': interruptions }, first, ended);
}
