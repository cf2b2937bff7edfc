/** Aurora Serverless: Postgres that sleeps, and then costs its storage alone, once nobody has asked anything for five minutes. */
import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import { SubnetType } from 'aws-cdk-lib/aws-ec2';
import {
  AuroraPostgresEngineVersion,
  ClusterInstance,
  Credentials,
  DatabaseCluster,
  DatabaseClusterEngine,
} from 'aws-cdk-lib/aws-rds';
import type { ISecret } from 'aws-cdk-lib/aws-secretsmanager';
import { Construct } from 'constructs';
import type { Network } from './network.ts';

const NAME = 'patchbay';
/** Each is 2 GiB of memory and the processor that goes with it. */
export const MAX_CAPACITY_UNITS = 8;

export class Database extends Construct {
  readonly cluster: DatabaseCluster;

  constructor(scope: Construct, id: string, network: Network) {
    super(scope, id);
    this.cluster = new DatabaseCluster(this, 'Cluster', {
      engine: DatabaseClusterEngine.auroraPostgres({ version: AuroraPostgresEngineVersion.VER_17_7 }),
      writer: ClusterInstance.serverlessV2('Writer', { enablePerformanceInsights: true }),
      serverlessV2MinCapacity: 0,
      serverlessV2MaxCapacity: MAX_CAPACITY_UNITS,
      serverlessV2AutoPauseDuration: Duration.minutes(5),
      credentials: Credentials.fromGeneratedSecret(NAME),
      defaultDatabaseName: NAME,
      vpc: network.vpc,
      vpcSubnets: { subnetType: SubnetType.PRIVATE_ISOLATED },
      securityGroups: [network.database],
      storageEncrypted: true,
      backup: { retention: Duration.days(14) },
      copyTagsToSnapshot: true,
      deletionProtection: true,
      removalPolicy: RemovalPolicy.RETAIN,
    });
  }

  /** host, port, dbname, username, password. */
  get secret(): ISecret {
    return this.cluster.secret!;
  }
}
