/** What an installation on AWS decides, from the CDK's context: `cdk deploy -c host=adapters.example.com ...`. */
import { z } from 'zod';
import { readConfig, SETTINGS } from '../../api/config.ts';

const arn = z.string().regex(/^arn:aws[\w-]*:/, 'must be an ARN');
/** With the six characters that Secrets Manager adds to the name: rights are for exactly this one. */
const secretArn = z
  .string()
  .regex(
    /^arn:aws[\w-]*:secretsmanager:[\w-]+:\d{12}:secret:[^*?]+-\w{6}$/,
    'must be the whole ARN of a secret in Secrets Manager',
  );

/** The stack makes the first three itself; one that is named here takes the place of its own, as when it is changed. */
export const SECRET_SETTINGS = [
  'PATCHBAY_AUTH_SECRET',
  'PATCHBAY_SIGNING_KEY',
  'PATCHBAY_RUNNER_TOKEN',
  'PATCHBAY_RUNNER_TOKEN_ALSO',
  'GITHUB_CLIENT_SECRET',
] as const;

/** What the stack itself decides, or what there is no use for in a Lambda. */
export const OWN_SETTINGS: readonly string[] = [
  'PORT',
  'HOST',
  'PATCHBAY_DATA',
  'PATCHBAY_PUBLIC_URL',
  'DATABASE_URL',
  'S3_ENDPOINT',
  'S3_REGION',
  'S3_BUCKET',
  'S3_ACCESS_KEY_ID', // the function's own rights count
  'S3_SECRET_ACCESS_KEY',
  'PATCHBAY_RUNNERS',
  'PATCHBAY_RUNNER_URL',
  'PATCHBAY_METRICS_TOKEN',
  'PATCHBAY_TRUST_PROXY', // see entries/viewer.ts
];

/** All others of the server (api/config.ts). */
export const OPEN_SETTINGS = SETTINGS.filter(
  (name) => !OWN_SETTINGS.includes(name) && !(SECRET_SETTINGS as readonly string[]).includes(name),
);

export const Settings = z.strictObject({
  /** Where users reach it; its DNS leads to the distribution. */
  host: z.hostname(),
  /** Of `host`, in us-east-1, as CloudFront asks. */
  certificateArn: arn,
  /** Hears of alarms and of the budget. */
  operatorEmail: z.email(),
  /** Dollars a month; the operator is told at 80 percent, and when the forecast is above it. */
  monthlyBudget: z.coerce.number().positive().default(200),
  /** One GPU each, which one runner has: bases of 7 billion parameters in float32 need 28 GiB. */
  gpuInstance: z
    .string()
    .regex(/^(g|p)\d\w*\.\w+$/, 'must be an instance with a GPU, such as g6.xlarge')
    .default('g6.xlarge'),
  maxRunners: z.coerce.number().int().min(1).max(100).default(4),
  maxTrainRunners: z.coerce.number().int().min(1).max(100).default(2),
  /**
   * How often schedules look for work. The database sleeps after five minutes in which nobody asked it anything: with 15 it can, and
   * webhooks, expired leases and new runners wait as long when nobody is there.
   */
  tickMinutes: z.coerce.number().int().min(1).max(60).default(1),
  /** Tag of the images in ECR. */
  imageTag: z.string().min(1).default('0.1.0'),
  /** Of the image that sets up, where it is another one: at an upgrade it goes first (docs/deploy.md). */
  setupImageTag: z.string().min(1).optional(),
  /** Of the server, by their names in its environment: `-c settings.PATCHBAY_SIGN_UP=open`. */
  settings: z.partialRecord(z.enum(OPEN_SETTINGS), z.coerce.string()).default({}),
  /** Its secret ones, each by the ARN of a secret that holds it: `-c secrets.PATCHBAY_SIGNING_KEY=arn:aws:...`. */
  secrets: z.partialRecord(z.enum(SECRET_SETTINGS), secretArn).default({}),
  /** What `npx node infra/aws/build.ts` made. */
  codeFolder: z.string().min(1).default('infra/aws/dist'),
});
export type Settings = z.infer<typeof Settings>;

/** @throws Error naming the setting that is wrong */
export function readSettings(context: Readonly<Record<string, unknown>>): Settings {
  const plain = Object.keys(Settings.shape).filter((name) => context[name] !== undefined);
  const checked = Settings.safeParse({
    ...Object.fromEntries(plain.map((name) => [name, context[name]])),
    settings: below(context, 'settings.'),
    secrets: below(context, 'secrets.'),
  });
  if (!checked.success) {
    const issue = checked.error.issues[0]!;
    if (issue.code === 'unrecognized_keys') {
      const [kind] = issue.path;
      const known = kind === 'settings' ? OPEN_SETTINGS : SECRET_SETTINGS;
      throw new Error(`-c ${String(kind)}.${issue.keys[0]}=...: is none; there are ${known.join(', ')}`);
    }
    throw new Error(`-c ${issue.path.join('.')}=...: ${issue.message}`);
  }
  checkServer(checked.data);
  return checked.data;
}

const below = (context: Readonly<Record<string, unknown>>, prefix: string) =>
  Object.fromEntries(
    Object.entries(context).flatMap(([name, value]) =>
      name.startsWith(prefix) ? [[name.slice(prefix.length), value]] : [],
    ),
  );

/** In the place of secrets, which nobody knows yet. */
const ANY_SECRET = '0'.repeat(64);

/** What the server would refuse when it starts is refused now. */
function checkServer({ settings, secrets }: Settings): void {
  const unknown = Object.fromEntries(Object.keys(secrets).map((name) => [name, ANY_SECRET]));
  try {
    readConfig({ ...settings, ...unknown });
  } catch (error) {
    throw new Error(`-c settings.${(error as Error).message}`);
  }
}
