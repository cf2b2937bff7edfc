/** Every function of the registry that runs anywhere, as a Lambda: started by its schedule, or by a queue of its own. */
import { Duration } from 'aws-cdk-lib';
import { Rule, Schedule } from 'aws-cdk-lib/aws-events';
import { LambdaFunction as LambdaTarget } from 'aws-cdk-lib/aws-events-targets';
import { SqsEventSource } from 'aws-cdk-lib/aws-lambda-event-sources';
import { Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { ANYWHERE } from '../../functions/anywhere.ts';
import type { ServerFunction as Definition } from '../../functions/ports.ts';
import type { Network } from './network.ts';
import type { ServerParts } from './server.ts';
import { ServerFunction, seconds } from './server-function.ts';
import { minutesBetween } from './ticks.ts';

/** How long Lambda runs at most. */
const LONGEST_SECONDS = 900;

/** A function as it was made; `everyMinutes` of its schedule, where it has one. */
export interface MadeFunction {
  readonly lambda: ServerFunction;
  readonly everyMinutes: number | undefined;
}

export class Functions extends Construct {
  readonly functions: readonly MadeFunction[];

  constructor(scope: Construct, id: string, network: Network, server: ServerParts) {
    super(scope, id);
    this.functions = ANYWHERE.map((definition) => this.add(definition, network, server));
  }

  private add(definition: Definition, network: Network, server: ServerParts): MadeFunction {
    const { name, trigger, needs } = definition;
    if (needs.timeoutSeconds > LONGEST_SECONDS)
      throw new Error(`${name} may take ${needs.timeoutSeconds} seconds; a Lambda has ${LONGEST_SECONDS}`);
    const made = new ServerFunction(this, pascal(name), {
      network,
      server,
      handler: 'api/function/index.handler',
      memoryMiB: needs.memoryMiB,
      timeout: seconds(needs.timeoutSeconds),
      environment: { PATCHBAY_FUNCTION: name },
      retryAttempts: 0, // a tick comes round again, and what SQS hands over is SQS's to repeat
      secrets: {}, // they answer nobody, and sign nothing
    });
    if (needs.removes) server.objects.grantRemoving(made, needs.removes);
    if (trigger.kind === 'http') throw new Error(`${name} is started by a request, which only runners take`);
    if (trigger.kind === 'queue') {
      this.onQueue(made, definition);
      return { lambda: made, everyMinutes: undefined };
    }
    const everyMinutes = minutesBetween(trigger.everySeconds, server.settings.tickMinutes);
    this.onSchedule(made, name, everyMinutes);
    return { lambda: made, everyMinutes };
  }

  private onSchedule(target: ServerFunction, name: string, minutes: number): void {
    new Rule(this, `${pascal(name)}Schedule`, {
      schedule: Schedule.rate(Duration.minutes(minutes)),
      targets: [new LambdaTarget(target, { retryAttempts: 0 })],
    });
  }

  private onQueue(target: ServerFunction, { name, needs }: Definition): void {
    const failed = new Queue(this, `${pascal(name)}Failed`, {
      encryption: QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
      retentionPeriod: Duration.days(14),
    });
    const queue = new Queue(this, `${pascal(name)}Queue`, {
      encryption: QueueEncryption.SQS_MANAGED,
      enforceSSL: true,
      visibilityTimeout: seconds(6 * needs.timeoutSeconds), // as Lambda's documentation asks
      deadLetterQueue: { queue: failed, maxReceiveCount: needs.retries + 1 },
    });
    target.addEventSource(
      new SqsEventSource(queue, {
        reportBatchItemFailures: true,
        maxConcurrency: Math.max(2, needs.concurrency),
      }),
    );
  }
}

const pascal = (name: string) =>
  name.replace(/(^|-)(\w)/g, (_all, _dash, letter: string) => letter.toUpperCase());
