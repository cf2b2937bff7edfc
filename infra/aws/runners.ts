/**
 * Runners in containers on machines with a GPU, none of either while nobody needs one. How many there should be is the API's to say
 * (`GET /api/runner/desired`); `scaler.ts` asks it and tells the services, and the capacity provider starts and ends the machines.
 */
import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import { AutoScalingGroup, BlockDeviceVolume, EbsDeviceVolumeType } from 'aws-cdk-lib/aws-autoscaling';
import { InstanceType, LaunchTemplate, SubnetType, UserData } from 'aws-cdk-lib/aws-ec2';
import { Repository } from 'aws-cdk-lib/aws-ecr';
import {
  AmiHardwareType,
  AsgCapacityProvider,
  Cluster,
  ContainerImage,
  ContainerInsights,
  Ec2Service,
  Ec2TaskDefinition,
  EcsOptimizedImage,
  type ICluster,
  LinuxParameters,
  LogDriver,
  NetworkMode,
  TmpfsMountOption,
} from 'aws-cdk-lib/aws-ecs';
import { ManagedPolicy, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import { memoryMiB } from '../../functions/lanes.ts';
import { ON_RUNNERS } from '../../functions/on-runners.ts';
import { warm } from '../../functions/warm.ts';
import { type Network, RUNNER_PORT } from './network.ts';
import { containerSecrets } from './secrets.ts';
import type { ServerParts } from './server.ts';

/** The image with CUDA has 5 GiB; bases and adapters are fetched into what is left. */
const DISK_GIB = 100;
/** On the machine; its bases outlive a runner. The image's user is not the one that Docker would make it for. */
const CACHE = '/var/lib/patchbay';
const IMAGE_USER = 1000;
/** Where a machine is told of itself, and lent its rights. */
const METADATA = '169.254.169.254';
/** Answers that run are finished, a training job keeps a checkpoint. ECS waits no longer than this. */
const STOP_TIMEOUT = Duration.seconds(120);

export class Runners extends Construct {
  readonly cluster: Cluster;
  readonly serving: Ec2Service;
  readonly training: Ec2Service;
  private readonly capacity: AsgCapacityProvider;
  private readonly repository;
  private readonly server: ServerParts;

  constructor(scope: Construct, id: string, network: Network, server: ServerParts) {
    super(scope, id);
    this.server = server;
    this.repository = Repository.fromRepositoryName(this, 'Repository', 'patchbay-runner');
    this.cluster = new Cluster(this, 'Cluster', {
      vpc: network.vpc,
      containerInsightsV2: ContainerInsights.ENABLED,
    });
    this.capacity = new AsgCapacityProvider(this, 'Capacity', {
      autoScalingGroup: this.machines(network),
      enableManagedTerminationProtection: true,
      enableManagedDraining: true,
      minimumScalingStepSize: 1,
    });
    this.cluster.addAsgCapacityProvider(this.capacity);
    this.serving = this.service('Serving', 'gpu-runner/main.ts', warm.needs.memoryMiB);
    this.training = this.service('Training', 'gpu-runner/train-main.ts', memoryMiB(ON_RUNNERS));
  }

  private machines(network: Network): AutoScalingGroup {
    const { gpuInstance, maxRunners, maxTrainRunners } = this.server.settings;
    const role = new Role(this, 'MachineRole', {
      assumedBy: new ServicePrincipal('ec2.amazonaws.com'),
      managedPolicies: [
        ManagedPolicy.fromAwsManagedPolicyName('service-role/AmazonEC2ContainerServiceforEC2Role'),
      ],
    });
    const userData = UserData.forLinux();
    userData.addCommands(
      `install --directory --owner=${IMAGE_USER} --group=${IMAGE_USER} --mode=0700 ${CACHE}`,
      // Runners are on the machine's own network (below): a limit of hops does not keep them from its role, their user does.
      `iptables --insert OUTPUT --match owner --uid-owner ${IMAGE_USER} --destination ${METADATA} --jump REJECT`,
    );
    const template = new LaunchTemplate(this, 'Machine', {
      instanceType: new InstanceType(gpuInstance),
      machineImage: EcsOptimizedImage.amazonLinux2023(AmiHardwareType.GPU),
      securityGroup: network.runners,
      associatePublicIpAddress: true,
      requireImdsv2: true,
      httpPutResponseHopLimit: 1,
      role,
      userData,
      blockDevices: [
        {
          deviceName: '/dev/xvda',
          volume: BlockDeviceVolume.ebs(DISK_GIB, { volumeType: EbsDeviceVolumeType.GP3, encrypted: true }),
        },
      ],
    });
    return new AutoScalingGroup(this, 'Machines', {
      vpc: network.vpc,
      vpcSubnets: { subnetType: SubnetType.PUBLIC },
      launchTemplate: template,
      minCapacity: 0,
      maxCapacity: maxRunners + maxTrainRunners,
      newInstancesProtectedFromScaleIn: true,
    });
  }

  /** The machine's own network: a runner says where it is by the machine's address, and a machine has one GPU, so one runner. */
  private service(id: string, entry: string, memoryReservationMiB: number): Ec2Service {
    const { settings, secrets } = this.server;
    const task = new Ec2TaskDefinition(this, `${id}Task`, { networkMode: NetworkMode.HOST });
    task.addVolume({ name: 'cache', host: { sourcePath: CACHE } });
    const linuxParameters = new LinuxParameters(this, `${id}Linux`, { initProcessEnabled: true });
    linuxParameters.addTmpfs({
      containerPath: '/tmp',
      size: 1024,
      mountOptions: [TmpfsMountOption.RW, TmpfsMountOption.NOEXEC],
    });
    const container = task.addContainer('runner', {
      image: ContainerImage.fromEcrRepository(this.repository, `${settings.imageTag}-cuda`),
      command: [entry],
      gpuCount: 1,
      memoryReservationMiB,
      readonlyRootFilesystem: true,
      stopTimeout: STOP_TIMEOUT,
      linuxParameters,
      portMappings: [{ containerPort: RUNNER_PORT }],
      environment: { PATCHBAY_API_URL: `https://${settings.host}` },
      secrets: containerSecrets(secrets.ofRunners),
      healthCheck: {
        command: [
          'CMD',
          'node',
          '-e',
          `fetch('http://127.0.0.1:${RUNNER_PORT}/healthz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))`,
        ],
        startPeriod: Duration.minutes(2),
      },
      logging: LogDriver.awsLogs({
        streamPrefix: id.toLowerCase(),
        logGroup: new LogGroup(this, `${id}Log`, {
          retention: RetentionDays.ONE_MONTH,
          removalPolicy: RemovalPolicy.DESTROY,
        }),
      }),
    });
    container.addMountPoints({ sourceVolume: 'cache', containerPath: '/cache', readOnly: false });
    return new Ec2Service(this, id, {
      cluster: this.cluster as ICluster,
      taskDefinition: task,
      desiredCount: 0, // the scaler knows better a minute later
      capacityProviderStrategies: [{ capacityProvider: this.capacity.capacityProviderName, weight: 1 }],
      circuitBreaker: { rollback: true },
      minHealthyPercent: 0, // the new runner needs the GPU of the old one
      maxHealthyPercent: 100,
    });
  }
}
