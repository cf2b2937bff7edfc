/** A Lambda that is part of the server: in the network, with its settings in the environment and its secrets by their names. */
import { Duration } from 'aws-cdk-lib';
import { SubnetType } from 'aws-cdk-lib/aws-ec2';
import { Architecture, Code, Function as LambdaFunction, Runtime, Tracing } from 'aws-cdk-lib/aws-lambda';
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs';
import type { Construct } from 'constructs';
import type { Network } from './network.ts';
import type { SecretSettings } from './secrets.ts';
import { type ServerParts, serverEnvironment } from './server.ts';

export interface ServerFunctionProps {
  readonly network: Network;
  readonly server: ServerParts;
  /** Of the built code: `file.export`. */
  readonly handler: string;
  readonly memoryMiB: number;
  readonly timeout: Duration;
  readonly environment?: Record<string, string>;
  readonly secrets: SecretSettings;
  /** Of an event that nobody waits for, by Lambda itself: 2 unless said. The second finds a tick claimed that the first failed in. */
  readonly retryAttempts?: number;
}

export class ServerFunction extends LambdaFunction {
  constructor(scope: Construct, id: string, props: ServerFunctionProps) {
    const { network, server, handler, memoryMiB, timeout, environment, secrets, retryAttempts } = props;
    super(scope, id, {
      runtime: Runtime.NODEJS_24_X,
      architecture: Architecture.ARM_64,
      code: Code.fromAsset(server.settings.codeFolder),
      handler,
      memorySize: memoryMiB,
      timeout,
      ...(retryAttempts === undefined ? {} : { retryAttempts }),
      tracing: Tracing.ACTIVE,
      vpc: network.vpc,
      vpcSubnets: { subnetType: SubnetType.PRIVATE_WITH_EGRESS },
      securityGroups: [network.functions],
      logGroup: new LogGroup(scope, `${id}Log`, { retention: RetentionDays.ONE_MONTH }),
      environment: {
        ...serverEnvironment(server),
        // Read when an instance starts (entries/secrets.ts): in the environment, whoever may describe a function would see them.
        PATCHBAY_SECRETS: JSON.stringify(
          Object.fromEntries(Object.entries(secrets).map(([name, { secretArn }]) => [name, secretArn])),
        ),
        PATCHBAY_DATABASE_SECRET: server.database.secret.secretArn,
        NODE_OPTIONS: '--enable-source-maps',
        NODE_EXTRA_CA_CERTS: '/var/runtime/ca-cert.pem', // Lambda's, with those of RDS among them
        ...environment,
      },
    });
    for (const secret of [...Object.values(secrets), server.database.secret]) secret.grantRead(this);
  }
}

export const seconds = (count: number): Duration => Duration.seconds(count);
