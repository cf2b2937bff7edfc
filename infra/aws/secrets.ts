/** Secrets that nobody chooses: Secrets Manager makes them, and the parts that need one read it when they start. */
import { type ISecret, Secret } from 'aws-cdk-lib/aws-secretsmanager';
import { Construct } from 'constructs';

/** 256 bits. */
const HEX_DIGITS = 64;

export class Secrets extends Construct {
  readonly auth: ISecret;
  readonly signing: ISecret;
  readonly runner: ISecret;

  constructor(scope: Construct, id: string) {
    super(scope, id);
    this.auth = this.hexadecimal('Auth', 'Signs sessions');
    this.signing = this.hexadecimal('Signing', 'Signs verification records');
    this.runner = this.hexadecimal('Runner', 'What API and runners show each other');
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
