/** Tells ECS how many runners the API wants: see scaler.ts. */
import { ECSClient, UpdateServiceCommand } from '@aws-sdk/client-ecs';
import { z } from 'zod';
import { queueAgeLine } from './queue-age.ts';
import { fetchSecret } from './secrets.ts';

const Settings = z.object({
  PATCHBAY_API_URL: z.url(),
  PATCHBAY_RUNNER_TOKEN_SECRET: z.string(),
  CLUSTER: z.string(),
  SERVING_SERVICE: z.string(),
  TRAINING_SERVICE: z.string(),
  MAX_RUNNERS: z.coerce.number().int(),
  MAX_TRAIN_RUNNERS: z.coerce.number().int(),
});
const Desired = z.object({
  runners: z.int().min(0),
  training: z.int().min(0),
  waitingSeconds: z.number().min(0),
});

/** A database that slept takes fifteen seconds to wake, or thirty after a day, and the API may start meanwhile. Longer, and the next minute asks again. */
const TIMEOUT_MS = 45_000;

export interface ServiceCount {
  readonly cluster: string;
  readonly service: string;
  readonly desiredCount: number;
}

/** @throws Error where the API does not answer: what there is stays */
export async function askApi(
  environment: Record<string, string | undefined>,
  token: string,
): Promise<{ readonly counts: readonly ServiceCount[]; readonly waitingSeconds: number }> {
  const settings = Settings.parse(environment);
  const answer = await fetch(`${settings.PATCHBAY_API_URL}/api/runner/desired`, {
    headers: { authorization: `Bearer ${token}` },
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  if (!answer.ok) throw new Error(`the API answered ${answer.status} when it was asked for runners`);
  const { runners, training, waitingSeconds } = Desired.parse(await answer.json());
  const cluster = settings.CLUSTER;
  const counts = [
    { cluster, service: settings.SERVING_SERVICE, desiredCount: Math.min(runners, settings.MAX_RUNNERS) },
    {
      cluster,
      service: settings.TRAINING_SERVICE,
      desiredCount: Math.min(training, settings.MAX_TRAIN_RUNNERS),
    },
  ];
  return { counts, waitingSeconds };
}

export async function handler(): Promise<readonly ServiceCount[]> {
  const { PATCHBAY_RUNNER_TOKEN_SECRET, CLUSTER } = Settings.parse(process.env);
  const { counts, waitingSeconds } = await askApi(
    process.env,
    await fetchSecret(PATCHBAY_RUNNER_TOKEN_SECRET),
  );
  // Not by the console: Lambda puts the time in front of what goes there, and then it is no JSON.
  process.stdout.write(`${queueAgeLine(CLUSTER, waitingSeconds, new Date())}\n`);
  const client = new ECSClient();
  for (const { cluster, service, desiredCount } of counts)
    await client.send(new UpdateServiceCommand({ cluster, service, desiredCount }));
  return counts;
}
