/** What an installation on AWS decides, from the CDK's context: `cdk deploy -c host=adapters.example.com ...`. */
import { z } from 'zod';

const arn = z.string().regex(/^arn:aws[\w-]*:/, 'must be an ARN');

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
  /** What `npx node infra/aws/build.ts` made. */
  codeFolder: z.string().min(1).default('infra/aws/dist'),
});
export type Settings = z.infer<typeof Settings>;

/** @throws Error naming the setting that is wrong */
export function readSettings(context: (name: string) => unknown): Settings {
  const given = Object.keys(Settings.shape).map((name) => [name, context(name)] as const);
  const checked = Settings.safeParse(Object.fromEntries(given.filter(([, value]) => value !== undefined)));
  if (checked.success) return checked.data;
  const issue = checked.error.issues[0]!;
  throw new Error(`-c ${issue.path.join('.')}=...: ${issue.message}`);
}
