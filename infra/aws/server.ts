/** What every process that is a part of the server is told: the API, the functions, and the one that sets up. */
import { Stack } from 'aws-cdk-lib';
import type { Database } from './database.ts';
import type { Objects } from './objects.ts';
import type { Secrets } from './secrets.ts';
import type { Settings } from './settings.ts';

export interface ServerParts {
  readonly settings: Settings;
  readonly database: Database;
  readonly objects: Objects;
  readonly secrets: Secrets;
}

export function serverEnvironment({ settings, objects }: ServerParts): Record<string, string> {
  const { region, urlSuffix } = Stack.of(objects);
  const { GITHUB_CLIENT_ID: _, ...ofAll } = settings.settings;
  return {
    ...ofAll,
    PATCHBAY_PUBLIC_URL: `https://${settings.host}`,
    S3_ENDPOINT: `https://s3.${region}.${urlSuffix}`,
    S3_REGION: region,
    S3_BUCKET: objects.bucket.bucketName,
  };
}

/** What those are told besides that answer requests: they speak to runners, and to GitHub, by a secret that functions do not get. */
export function apiEnvironment({ settings }: ServerParts): Record<string, string> {
  const { GITHUB_CLIENT_ID } = settings.settings;
  return { PATCHBAY_RUNNERS: 'reporting', ...(GITHUB_CLIENT_ID ? { GITHUB_CLIENT_ID } : {}) };
}
