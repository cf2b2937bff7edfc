/** Once a minute: the number of runners that the API wants becomes the number that there are. */
import { Duration } from 'aws-cdk-lib';
import { Rule, Schedule } from 'aws-cdk-lib/aws-events';
import { LambdaFunction as LambdaTarget } from 'aws-cdk-lib/aws-events-targets';
import { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { Architecture, Code, Function as LambdaFunction, Runtime } from 'aws-cdk-lib/aws-lambda';
import { LogGroup, RetentionDays } from 'aws-cdk-lib/aws-logs';
import { Construct } from 'constructs';
import type { Runners } from './runners.ts';
import type { ServerParts } from './server.ts';

export class Scaler extends Construct {
  readonly function: LambdaFunction;

  constructor(scope: Construct, id: string, runners: Runners, { settings, secrets }: ServerParts) {
    super(scope, id);
    this.function = new LambdaFunction(this, 'Function', {
      runtime: Runtime.NODEJS_24_X,
      architecture: Architecture.ARM_64,
      code: Code.fromAsset(settings.codeFolder),
      handler: 'scale/index.handler',
      memorySize: 256,
      timeout: Duration.seconds(50),
      retryAttempts: 0,
      logGroup: new LogGroup(this, 'Log', { retention: RetentionDays.ONE_MONTH }),
      environment: {
        PATCHBAY_API_URL: `https://${settings.host}`,
        PATCHBAY_RUNNER_TOKEN_SECRET: secrets.runner.secretArn,
        CLUSTER: runners.cluster.clusterName,
        SERVING_SERVICE: runners.serving.serviceName,
        TRAINING_SERVICE: runners.training.serviceName,
        MAX_RUNNERS: `${settings.maxRunners}`,
        MAX_TRAIN_RUNNERS: `${settings.maxTrainRunners}`,
      },
    });
    secrets.runner.grantRead(this.function);
    this.function.addToRolePolicy(
      new PolicyStatement({
        actions: ['ecs:UpdateService'],
        resources: [runners.serving.serviceArn, runners.training.serviceArn],
      }),
    );
    new Rule(this, 'Schedule', {
      schedule: Schedule.rate(Duration.minutes(settings.tickMinutes)),
      targets: [new LambdaTarget(this.function, { retryAttempts: 0 })],
    });
  }
}
