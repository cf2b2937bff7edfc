/** What an operator is told without looking, and what they see when they look. */
import { Duration, Stack } from 'aws-cdk-lib';
import { CfnBudget } from 'aws-cdk-lib/aws-budgets';
import {
  Alarm,
  ComparisonOperator,
  Dashboard,
  GraphWidget,
  type IMetric,
  MathExpression,
  Metric,
  TreatMissingData,
} from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import type { Cluster, Ec2Service } from 'aws-cdk-lib/aws-ecs';
import { ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import { Construct } from 'constructs';
import type { Api } from './api.ts';
import { type Database, MAX_CAPACITY_UNITS } from './database.ts';
import { QUEUE_AGE } from './entries/queue-age.ts';
import type { Functions } from './functions.ts';
import type { Runners } from './runners.ts';
import type { Scaler } from './scaler.ts';
import type { Settings } from './settings.ts';

export interface Watched {
  readonly api: Api;
  readonly functions: Functions;
  readonly database: Database;
  readonly runners: Runners;
  readonly scaler: Scaler;
}

const FIVE_MINUTES = { period: Duration.minutes(5) };
const P99 = { ...FIVE_MINUTES, statistic: 'p99' };

const WINDOW_MINUTES = 15;
const FAILING = { period: Duration.minutes(WINDOW_MINUTES) };

/** How many failures within that time are too many: one of what hardly runs more often, and no more than three. */
const failuresOf = (everyMinutes: number | undefined): number =>
  everyMinutes === undefined ? 3 : Math.min(3, Math.max(1, Math.floor(WINDOW_MINUTES / everyMinutes)));

/** Of five minutes: a machine, its image and its base take some to come. */
const MISSING_PERIODS = 4;
const QUEUE_SECONDS = 1800;

/** How many tasks are wanted and not there. One that starts, ends and starts again counts for the time it was there. */
function missing({ clusterName }: Cluster, { serviceName }: Ec2Service): MathExpression {
  const tasks = (metricName: string, statistic: string) =>
    new Metric({
      namespace: 'ECS/ContainerInsights',
      metricName,
      dimensionsMap: { ClusterName: clusterName, ServiceName: serviceName },
      statistic,
      ...FIVE_MINUTES,
    });
  return new MathExpression({
    expression: 'desired - FILL(running, 0)',
    usingMetrics: {
      desired: tasks('DesiredTaskCount', 'Minimum'),
      running: tasks('RunningTaskCount', 'Average'),
    },
    ...FIVE_MINUTES,
  });
}

export class Watch extends Construct {
  private readonly topic: Topic;

  constructor(scope: Construct, id: string, watched: Watched, settings: Settings) {
    super(scope, id);
    this.topic = new Topic(this, 'Alarms', { enforceSSL: true });
    // A policy of its own, as the one about TLS, takes the place of the one by which CloudWatch may send to each topic of its account.
    const { account } = Stack.of(this);
    const conditions = { StringEquals: { 'aws:SourceAccount': account } };
    this.topic.grantPublish(new ServicePrincipal('cloudwatch.amazonaws.com', { conditions }));
    this.topic.addSubscription(new EmailSubscription(settings.operatorEmail));
    this.alarms(watched, settings);
    this.dashboard(watched);
    this.budget(settings);
  }

  private alarms({ api, functions, database, runners, scaler }: Watched, { tickMinutes }: Settings): void {
    const url = { FunctionName: api.function.functionName };
    const failing = api.function.metric('Url5xxCount', {
      ...FIVE_MINUTES,
      statistic: 'Sum',
      dimensionsMap: url,
    });
    this.alarm(
      'ApiFailing',
      failing,
      5,
      'The API answers with errors of its own: look for "unexpected error" in its log',
    );
    this.alarm(
      'ApiThrottled',
      api.function.metricThrottles(FIVE_MINUTES),
      1,
      'Lambda has no more instances for the API',
    );
    for (const { lambda, everyMinutes } of functions.functions)
      this.alarm(
        `${lambda.node.id}Failing`,
        lambda.metricErrors(FAILING),
        failuresOf(everyMinutes),
        `${lambda.node.id} fails: its log says why`,
      );
    this.alarm(
      'ScalerFailing',
      scaler.function.metricErrors(FAILING),
      failuresOf(tickMinutes),
      'Runners are neither started nor ended',
    );
    for (const service of [runners.serving, runners.training])
      this.alarm(
        `${service.node.id}Missing`,
        missing(runners.cluster, service),
        0.5,
        'Runners are wanted and not there: no machine with a GPU is to be had, or they end as soon as they have started',
        MISSING_PERIODS,
      );
    const { namespace, name, dimension } = QUEUE_AGE;
    this.alarm(
      'QueueStands',
      new Metric({
        namespace,
        metricName: name,
        dimensionsMap: { [dimension]: runners.cluster.clusterName },
        statistic: 'Maximum',
        period: Duration.minutes(Math.max(5, tickMinutes)), // it is told once a tick
      }),
      QUEUE_SECONDS,
      'Work has waited for half an hour: no runner takes it, or too few do',
      3,
    );
    this.alarm(
      'DatabaseFull',
      database.cluster.metricServerlessDatabaseCapacity(FIVE_MINUTES),
      MAX_CAPACITY_UNITS,
      'The database is at its largest',
      3,
    );
  }

  private alarm(
    id: string,
    metric: IMetric,
    threshold: number,
    alarmDescription: string,
    evaluationPeriods = 1,
  ): void {
    const alarm = new Alarm(this, id, {
      metric,
      threshold,
      alarmDescription,
      evaluationPeriods,
      comparisonOperator: ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
      treatMissingData: TreatMissingData.NOT_BREACHING, // nobody asked, and the database sleeps
    });
    alarm.addAlarmAction(new SnsAction(this.topic));
  }

  private dashboard({ api, functions, database, runners }: Watched): void {
    const graph = (title: string, left: IMetric[], right: IMetric[] = []) =>
      new GraphWidget({ title, left, right, width: 12 });
    new Dashboard(this, 'Dashboard', {
      widgets: [
        [
          graph('API: requests, errors', [api.function.metricInvocations(), api.function.metricErrors()]),
          graph('API: seconds until the answer ends', [
            api.function.metricDuration(),
            api.function.metricDuration(P99),
          ]),
        ],
        [
          graph(
            'Functions: errors',
            functions.functions.map(({ lambda }) => lambda.metricErrors()),
          ),
          graph(
            'Database: capacity units, connections',
            [database.cluster.metricServerlessDatabaseCapacity()],
            [database.cluster.metricDatabaseConnections()],
          ),
        ],
        [
          graph('Runners: memory and processor, serving', [
            runners.serving.metricMemoryUtilization(),
            runners.serving.metricCpuUtilization(),
          ]),
          graph('Runners: memory and processor, training', [
            runners.training.metricMemoryUtilization(),
            runners.training.metricCpuUtilization(),
          ]),
        ],
      ],
    });
  }

  private budget({ monthlyBudget, operatorEmail }: Settings): void {
    const tell = (notificationType: 'ACTUAL' | 'FORECASTED', threshold: number) => ({
      notification: {
        notificationType,
        threshold,
        comparisonOperator: 'GREATER_THAN',
        thresholdType: 'PERCENTAGE',
      },
      subscribers: [{ subscriptionType: 'EMAIL', address: operatorEmail }],
    });
    new CfnBudget(this, 'Budget', {
      budget: {
        budgetType: 'COST',
        timeUnit: 'MONTHLY',
        budgetLimit: { amount: monthlyBudget, unit: 'USD' },
      },
      notificationsWithSubscribers: [tell('ACTUAL', 80), tell('ACTUAL', 100), tell('FORECASTED', 100)],
    });
  }
}
