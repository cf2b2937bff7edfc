/**
 * A task to run by hand: the API's own image, which brings the database up to date, fills an empty catalog, and says the admin's key in
 * its log once. Before the first use, and before the functions of a new version (docs/deploy.md).
 */
import { RemovalPolicy } from 'aws-cdk-lib';
import { Repository } from 'aws-cdk-lib/aws-ecr';
import {
  ContainerImage,
  CpuArchitecture,
  FargateTaskDefinition,
  LogDriver,
  OperatingSystemFamily,
  Secret,
} from 'aws-cdk-lib/aws-ecs';
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import { containerSecrets } from './secrets.ts';
import { apiEnvironment, type ServerParts, serverEnvironment } from './server.ts';

const DATABASE_URL =
  'postgres://$DATABASE_USER:$DATABASE_PASSWORD@$DATABASE_HOST:5432/$DATABASE_NAME?sslmode=no-verify';

export class Setup extends Construct {
  readonly task: FargateTaskDefinition;

  constructor(scope: Construct, id: string, server: ServerParts) {
    super(scope, id);
    this.task = new FargateTaskDefinition(this, 'Task', {
      cpu: 512,
      memoryLimitMiB: 1024,
      runtimePlatform: {
        cpuArchitecture: CpuArchitecture.X86_64,
        operatingSystemFamily: OperatingSystemFamily.LINUX,
      },
    });
    const repository = Repository.fromRepositoryName(this, 'Repository', 'patchbay-api');
    const { imageTag, setupImageTag = imageTag } = server.settings;
    const part = (field: string) => Secret.fromSecretsManager(server.database.secret, field);
    this.task.addContainer('setup', {
      image: ContainerImage.fromEcrRepository(repository, setupImageTag),
      // Encrypted; within the network nobody else answers for the database, and the image knows none of RDS's certificates.
      command: ['sh', '-c', `DATABASE_URL="${DATABASE_URL}" exec node api/start.js`],
      environment: { ...serverEnvironment(server), ...apiEnvironment(server) },
      secrets: {
        ...containerSecrets(server.secrets.ofServer),
        DATABASE_HOST: part('host'),
        DATABASE_NAME: part('dbname'),
        DATABASE_USER: part('username'),
        DATABASE_PASSWORD: part('password'),
      },
      logging: LogDriver.awsLogs({
        streamPrefix: 'setup',
        logGroup: new LogGroup(this, 'Log', {
          retention: RetentionDays.ONE_MONTH,
          removalPolicy: RemovalPolicy.DESTROY,
        }),
      }),
    });
    server.objects.grantPresigning(this.task.taskRole);
  }
}
