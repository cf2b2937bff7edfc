/** `patchbay warm`: a model in a runner's memory before anybody waits for it. */
import { z } from 'zod';
import type { Client } from './client.ts';
import { type Output, result } from './output.ts';

const Warm = z.object({ base: z.string(), versions: z.array(z.string()), seconds: z.number() });

export async function warm(client: Client, output: Output, model: string): Promise<void> {
  const { base, versions, seconds } = await client.post(Warm, '/api/warm', { model });
  result(
    output,
    { base, versions, seconds },
    () => `${[base, ...versions].join(' + ')}: in memory after ${seconds.toFixed(2)} s`,
  );
}
