/** What an operator is told without looking, and what they see when they look. */
import { Duration } from 'aws-cdk-lib';
import { CfnBudget } from 'aws-cdk-lib/aws-budgets';
import {
  Alarm,
  ComparisonOperator,
  Dashboard,
  GraphWidget,
  type IMetric,
  TreatMissingData,
} from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import { Topic } from 'aws-cdk-lib/aws-sns';
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import { Construct } from 'constructs';
import type { Api } from './api.ts';
import { type Database, MAX_CAPACITY_UNITS } from './database.ts';
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

export class Watch extends Construct {
  private readonly topic: Topic;

  constructor(scope: Construct, id: string, watched: Watched, settings: Settings) {
    super(scope, id);
    this.topic = new Topic(this, 'Alarms', { enforceSSL: true });
    this.topic.addSubscription(new EmailSubscription(settings.operatorEmail));
    this.alarms(watched);
    this.dashboard(watched);
    this.budget(settings);
  }

  private alarms({ api, functions, database, scaler }: Watched): void {
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
    for (const made of functions.functions)
      this.alarm(
        `${made.node.id}Failing`,
        made.metricErrors({ period: Duration.minutes(15) }),
        3,
        `${made.node.id} fails again and again`,
      );
    this.alarm(
      'ScalerFailing',
      scaler.function.metricErrors({ period: Duration.minutes(15) }),
      3,
      'Runners are neither started nor ended',
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
            functions.functions.map((made) => made.metricErrors()),
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
