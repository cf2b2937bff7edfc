/**
 * One network over two zones. Runners stand in public subnets, reachable from nowhere but the API: images of several gigabytes come
 * without passing through a NAT. The functions' way out (webhooks, other hubs) is a NAT instance, for a tenth of a gateway's price.
 */
import {
  GatewayVpcEndpointAwsService,
  InstanceClass,
  InstanceSize,
  InstanceType,
  type ISecurityGroup,
  type IVpc,
  NatProvider,
  NatTrafficDirection,
  Peer,
  Port,
  SecurityGroup,
  SubnetType,
  Vpc,
} from 'aws-cdk-lib/aws-ec2';
import { Construct } from 'constructs';

/** Where runners listen, serving and training alike. */
export const RUNNER_PORT = 8080;
const POSTGRES_PORT = 5432;

export class Network extends Construct {
  readonly vpc: IVpc;
  readonly functions: ISecurityGroup;
  readonly runners: ISecurityGroup;
  readonly database: ISecurityGroup;

  constructor(scope: Construct, id: string) {
    super(scope, id);
    const nat = NatProvider.instanceV2({
      instanceType: InstanceType.of(InstanceClass.T4G, InstanceSize.NANO),
      defaultAllowedTraffic: NatTrafficDirection.OUTBOUND_ONLY,
    });
    // The library's own classes do not follow its interfaces under exactOptionalPropertyTypes: hence `as`, here and elsewhere.
    this.vpc = new Vpc(this, 'Vpc', {
      maxAzs: 2,
      natGateways: 1,
      natGatewayProvider: nat,
      subnetConfiguration: [
        { name: 'public', subnetType: SubnetType.PUBLIC, mapPublicIpOnLaunch: true },
        { name: 'functions', subnetType: SubnetType.PRIVATE_WITH_EGRESS },
        { name: 'database', subnetType: SubnetType.PRIVATE_ISOLATED },
      ],
      gatewayEndpoints: { S3: { service: GatewayVpcEndpointAwsService.S3 } },
    }) as IVpc;
    nat.securityGroup.addIngressRule(Peer.ipv4(this.vpc.vpcCidrBlock), Port.allTraffic(), 'the way out');
    this.functions = this.group('Functions', 'API and scheduled functions');
    this.runners = this.group('Runners', 'Runners, serving and training');
    this.database = this.group('Database', 'Postgres', false);
    this.runners.addIngressRule(this.functions, Port.tcp(RUNNER_PORT), 'generations, asked for by the API');
    this.database.addIngressRule(this.functions, Port.tcp(POSTGRES_PORT), 'API and functions');
  }

  private group(id: string, description: string, allowAllOutbound = true): SecurityGroup {
    return new SecurityGroup(this, id, { vpc: this.vpc, description, allowAllOutbound });
  }
}
