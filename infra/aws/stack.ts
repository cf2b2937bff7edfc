/** Patchbay on AWS, from one account and region; what needs no GPU scales to nothing by itself, what needs one by `scaler.ts`. */
import { CfnOutput, type Environment, Stack, Tags } from 'aws-cdk-lib';
import type { Construct } from 'constructs';
import { Api } from './api.ts';
import { Database } from './database.ts';
import { Functions } from './functions.ts';
import { Network } from './network.ts';
import { Objects } from './objects.ts';
import { Runners } from './runners.ts';
import { Scaler } from './scaler.ts';
import { Secrets } from './secrets.ts';
import type { Settings } from './settings.ts';
import { Setup } from './setup.ts';
import { Watch } from './watch.ts';

export class PatchbayStack extends Stack {
  constructor(scope: Construct, id: string, settings: Settings, env: Environment = {}) {
    super(scope, id, { env, description: 'Patchbay, a marketplace for LoRA adapters' });
    Tags.of(this).add('application', 'patchbay');
    const network = new Network(this, 'Network');
    const server = {
      settings,
      database: new Database(this, 'Database', network),
      objects: new Objects(this, 'Objects', `https://${settings.host}`),
      secrets: new Secrets(this, 'Secrets', settings.secrets),
    };
    const api = new Api(this, 'Api', network, server);
    const functions = new Functions(this, 'Functions', network, server);
    const runners = new Runners(this, 'Runners', network, server);
    const setup = new Setup(this, 'Setup', server);
    const scaler = new Scaler(this, 'Scaler', runners, server);
    new Watch(this, 'Watch', { api, functions, database: server.database, runners, scaler }, settings);
    const output = (name: string, value: string) => new CfnOutput(this, name, { value });
    output('DistributionDomain', api.distribution.distributionDomainName);
    output('ClusterName', runners.cluster.clusterName);
    output('SetupTask', setup.task.taskDefinitionArn);
    output('SetupSubnets', network.vpc.selectSubnets({ subnetGroupName: 'functions' }).subnetIds.join(','));
    output('SetupSecurityGroup', network.functions.securityGroupId);
  }
}
