/** Where there is no machine of one's own, as at the edge and in Lambda: every part is a server that the settings name. */
import type { Secrets } from './assemble.ts';
import type { BlobStoreSettings } from './blob-store.ts';
import type { Config } from './config.ts';

export interface RemoteParts {
  readonly databaseUrl: string;
  readonly store: BlobStoreSettings;
  readonly secrets: Secrets;
}

/** What other machines reach is not taken for a server on one's own, whatever it listens at. */
export const reachedByOthers = (settings: Record<string, string | undefined>) => ({
  ...settings,
  HOST: '0.0.0.0',
});

/** @throws Error naming the setting that is missing */
export function remoteParts(config: Config): RemoteParts {
  const { endpoint, region, bucket, accessKeyId, secretAccessKey } = config.s3;
  const runner = config.runner ?? missing('PATCHBAY_RUNNERS or PATCHBAY_RUNNER_URL');
  if (!config.publicUrl) missing('PATCHBAY_PUBLIC_URL');
  return {
    databaseUrl: config.databaseUrl ?? missing('DATABASE_URL'),
    store: {
      endpoint: endpoint ?? missing('S3_ENDPOINT'),
      region,
      bucket,
      accessKeyId,
      secretAccessKey,
    },
    secrets: {
      auth: config.authSecret ?? missing('PATCHBAY_AUTH_SECRET'),
      signing: config.signingKey ?? missing('PATCHBAY_SIGNING_KEY'),
      runner: runner.token,
    },
  };
}

function missing(name: string): never {
  throw new Error(`${name} is needed here: there is no data folder that could hold what it names.`);
}
