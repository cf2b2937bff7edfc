/** Secrets that nobody chooses: Secrets Manager makes them, and the parts that need one read it when they start. Others may take their places. */
import { Secret as ContainerSecret } from 'aws-cdk-lib/aws-ecs';
import { type ISecret, Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { Construct } from 'constructs';
import type { Settings } from './settings.ts';

/** As ECS hands them to a container. */
export const containerSecrets = (secrets: SecretSettings): Record<string, ContainerSecret> =>
  Object.fromEntries(
    Object.entries(secrets).map(([name, secret]) => [name, ContainerSecret.fromSecretsManager(secret)]),
  );

/** 256 bits. */
const HEX_DIGITS = 64;

/** By the setting that each is read into. */
export type SecretSettings = Readonly<Record<string, ISecret>>;

export class Secrets extends Construct {
  readonly ofServer: SecretSettings;
  /** By which the API tells CloudFront from others. */
  readonly origin: ISecret;

  /** @param named secrets that somebody else made; those of the stack stay, as they may be the old ones of a change */
  constructor(scope: Construct, id: string, named: Settings['secrets']) {
    super(scope, id);
    this.origin = this.hexadecimal('Origin', 'What CloudFront shows the API');
    this.ofServer = {
      PATCHBAY_AUTH_SECRET: this.hexadecimal('Auth', 'Signs sessions'),
      PATCHBAY_SIGNING_KEY: this.hexadecimal('Signing', 'Signs verification records'),
      PATCHBAY_RUNNER_TOKEN: this.hexadecimal('Runner', 'What API and runners show each other'),
      ...Object.fromEntries(
        Object.entries(named).map(([name, arn]) => [name, Secret.fromSecretCompleteArn(this, name, arn)]),
      ),
    };
  }

  get runner(): ISecret {
    return this.ofServer['PATCHBAY_RUNNER_TOKEN']!;
  }

  /** What opens runners, and what they show. */
  get ofRunners(): SecretSettings {
    return Object.fromEntries(
      Object.entries(this.ofServer).filter(([name]) => name.startsWith('PATCHBAY_RUNNER_TOKEN')),
    );
  }

  private hexadecimal(id: string, description: string): ISecret {
    return new Secret(this, id, {
      description,
      generateSecretString: {
        passwordLength: HEX_DIGITS,
        excludeUppercase: true,
        excludePunctuation: true,
        excludeCharacters: 'ghijklmnopqrstuvwxyz',
        requireEachIncludedType: false,
      },
    }) as ISecret;
  }
}
