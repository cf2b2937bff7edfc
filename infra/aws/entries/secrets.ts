/** What the stack names instead of writing it into the environment: an instance fetches its secrets when it starts. */
import { GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { z } from 'zod';

const Names = z.record(z.string(), z.string());
/** As RDS keeps it. */
const DatabaseSecret = z.object({
  host: z.string(),
  port: z.coerce.number().int(),
  dbname: z.string(),
  username: z.string(),
  password: z.string(),
});

type Variables = Record<string, string | undefined>;
export type Fetch = (id: string) => Promise<string>;

export async function fetchSecret(id: string): Promise<string> {
  const client = new SecretsManagerClient();
  const { SecretString } = await client.send(new GetSecretValueCommand({ SecretId: id }));
  if (SecretString === undefined) throw new Error(`the secret ${id} is not text`);
  return SecretString;
}

/** @returns the settings that PATCHBAY_SECRETS and PATCHBAY_DATABASE_SECRET stand for */
export async function secretSettings(environment: Variables, fetch: Fetch = fetchSecret): Promise<Variables> {
  const names = Names.parse(JSON.parse(environment['PATCHBAY_SECRETS'] ?? '{}'));
  const secrets = await Promise.all(
    Object.entries(names).map(async ([name, id]) => [name, await fetch(id)] as const),
  );
  const database = environment['PATCHBAY_DATABASE_SECRET'];
  return {
    ...Object.fromEntries(secrets),
    ...(database ? { DATABASE_URL: databaseUrl(await fetch(database)) } : {}),
  };
}

/** Lambda's own certificates have those of RDS among them (NODE_EXTRA_CA_CERTS). */
function databaseUrl(secret: string): string {
  const { host, port, dbname, username, password } = DatabaseSecret.parse(JSON.parse(secret));
  const user = `${encodeURIComponent(username)}:${encodeURIComponent(password)}`;
  return `postgres://${user}@${host}:${port}/${dbname}?sslmode=verify-full`;
}
