import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readConfig, SETTINGS } from '../../api/config.ts';
import { ANYWHERE } from '../../functions/anywhere.ts';
import { memoryMiB } from '../../functions/lanes.ts';
import { ON_RUNNERS } from '../../functions/on-runners.ts';
import { warm } from '../../functions/warm.ts';
import { check, isInstalled } from '../checkers.ts';
import { ORIGIN_HEADER, VIEWER_HEADER } from './entries/viewer.ts';
import { OPEN_SETTINGS, OWN_SETTINGS, readSettings, SECRET_SETTINGS, Settings } from './settings.ts';
import { PatchbayStack } from './stack.ts';

/** What ECS can give away of g6.xlarge, the default, which has 16 GiB. */
const OF_SMALLEST_MIB = 15 * 1024;
const SECRET = 'arn:aws:secretsmanager:us-east-1:123456789012:secret:runner-token-2-AbCdEf';
const GIVEN = {
  host: 'adapters.example.com',
  certificateArn: 'arn:aws:acm:us-east-1:123456789012:certificate/0f0e0d0c-0000-4000-8000-000000000000',
  operatorEmail: 'operator@example.com',
};

describe('the stack', () => {
  let folder: string;
  let code: string;
  let template: Template;

  const templateOf = (settings: Settings): Template => {
    const outdir = mkdtempSync(join(folder, 'cdk.out-'));
    return Template.fromStack(new PatchbayStack(new App({ outdir }), 'Patchbay', settings));
  };

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'patchbay-aws-'));
    code = join(folder, 'code');
    mkdirSync(code);
    writeFileSync(join(code, 'index.mjs'), '');
    const settings = Settings.parse({ ...GIVEN, codeFolder: code });
    template = templateOf(settings);
  });

  afterAll(() => rmSync(folder, { recursive: true }));

  it('streams answers through CloudFront, caches what is named by its content and nothing else', () => {
    template.hasResourceProperties('AWS::Lambda::Url', { InvokeMode: 'RESPONSE_STREAM' });
    template.hasResourceProperties('AWS::CloudFront::Distribution', {
      DistributionConfig: {
        Aliases: [GIVEN.host],
        DefaultCacheBehavior: Match.objectLike({
          CachePolicyId: '4135ea2d-6df8-44a3-9df3-4b5a84be39ad', // CachingDisabled
          OriginRequestPolicyId: 'b689b0a8-53d0-40ab-baf2-68738e2966ac', // AllViewerExceptHostHeader
          Compress: false,
        }),
        CacheBehaviors: [Match.objectLike({ PathPattern: 'assets/*', Compress: true })],
      },
    });
  });

  it('says who asks, over whatever they say of themselves, and that it is CloudFront', () => {
    const [{ Properties } = { Properties: undefined! }] = Object.values(
      template.findResources('AWS::CloudFront::Function'),
    );
    const handler = new Function(`${Properties.FunctionCode}; return handler;`)() as (
      event: object,
    ) => unknown;
    const headers = { accept: { value: '*/*' }, [VIEWER_HEADER]: { value: '192.0.2.1' } };
    expect(handler({ viewer: { ip: '2001:db8::1' }, request: { method: 'GET', headers } })).toEqual({
      method: 'GET',
      headers: { accept: { value: '*/*' }, [VIEWER_HEADER]: { value: '2001:db8::1' } },
    });
    const [distribution] = Object.values(template.findResources('AWS::CloudFront::Distribution'));
    const { DefaultCacheBehavior, Origins } = distribution!['Properties'].DistributionConfig;
    expect(DefaultCacheBehavior.FunctionAssociations).toMatchObject([{ EventType: 'viewer-request' }]);
    expect(Origins[0].OriginCustomHeaders).toMatchObject([{ HeaderName: ORIGIN_HEADER }]);
    expect(JSON.stringify(Origins[0].OriginCustomHeaders)).toContain('{{resolve:secretsmanager:');
    const [api] = Object.values(
      template.findResources('AWS::Lambda::Function', {
        Properties: { Handler: 'api/lambda/index.handler' },
      }),
    );
    expect(secretsOf(api!['Properties'])).toContain('PATCHBAY_ORIGIN_TOKEN');
    expect(api!['Properties'].Environment.Variables).not.toHaveProperty('PATCHBAY_TRUST_PROXY');
  });

  it('has a database that sleeps and that no stack update deletes', () => {
    template.hasResource('AWS::RDS::DBCluster', {
      DeletionPolicy: 'Retain',
      Properties: Match.objectLike({
        ServerlessV2ScalingConfiguration: { MinCapacity: 0, MaxCapacity: 8, SecondsUntilAutoPause: 300 },
        StorageEncrypted: true,
        DeletionProtection: true,
      }),
    });
  });

  it('clears what uploads leave behind, and takes nothing without TLS', () => {
    template.hasResourceProperties('AWS::S3::Bucket', {
      LifecycleConfiguration: {
        Rules: Match.arrayWith([
          Match.objectLike({ AbortIncompleteMultipartUpload: { DaysAfterInitiation: 3 } }),
          Match.objectLike({ Prefix: 'uploads/', ExpirationInDays: 3 }),
        ]),
      },
      PublicAccessBlockConfiguration: {
        BlockPublicAcls: true,
        BlockPublicPolicy: true,
        IgnorePublicAcls: true,
        RestrictPublicBuckets: true,
      },
    });
    template.hasResourceProperties('AWS::S3::BucketPolicy', {
      PolicyDocument: {
        Statement: Match.arrayWith([
          Match.objectLike({ Effect: 'Deny', Condition: { Bool: { 'aws:SecureTransport': 'false' } } }),
        ]),
      },
    });
  });

  it('lets each function remove what it says it does, and read the secret of the database alone', () => {
    const lambdas = Object.values(template.findResources('AWS::Lambda::Function'));
    for (const { name, needs } of ANYWHERE) {
      const { Environment, Role } = lambdas.find(
        ({ Properties }) => Properties.Environment?.Variables.PATCHBAY_FUNCTION === name,
      )!['Properties'];
      expect(secretsOf({ Environment }), name).toEqual([]);
      expect(Environment.Variables).not.toHaveProperty('PATCHBAY_RUNNERS');
      const role = Role['Fn::GetAtt'][0] as string;
      const mine = statementsOf(template).filter(({ policy }) =>
        policy.startsWith(role.replace(/[0-9A-F]{8}$/, 'DefaultPolicy')),
      );
      const on = (service: string) =>
        mine.filter(({ actions }) => actions.some((action) => action.startsWith(`${service}:`)));
      expect(on('secretsmanager').flatMap(({ resources }) => resources)).toHaveLength(1);
      expect(JSON.stringify(on('secretsmanager'))).toContain('DatabaseCluster');
      const removing = on('s3').filter(({ actions }) => actions.includes('s3:DeleteObject'));
      expect(prefixesOf(removing), name).toEqual([...(needs.removes ?? [])].sort());
      expect(on('s3').flatMap(({ actions }) => actions)).toEqual(
        needs.removes ? ['s3:DeleteObject', 's3:AbortMultipartUpload', 's3:ListBucket'] : [],
      );
    }
  });

  it('lets the API sign for objects below known prefixes alone, and runners do nothing', () => {
    const statements = statementsOf(template);
    const onObjects = statements.filter(({ actions }) => actions.some((action) => action.startsWith('s3:')));
    for (const { actions } of onObjects) {
      expect(actions.filter((action) => action.includes('*'))).toEqual([]);
      expect(actions).not.toContain('s3:PutBucketPolicy');
    }
    const writers = onObjects.filter(({ actions }) => actions.includes('s3:PutObject'));
    expect(writers.map(({ policy }) => policy.replace(/[0-9A-F]{8}$/, ''))).toEqual([
      'ApiFunctionServiceRoleDefaultPolicy',
      'SetupTaskTaskRoleDefaultPolicy',
    ]);
    for (const { resources } of writers) expect(resources).toHaveLength(6);
    const runners = statements.filter(({ policy }) => /^Runners(Serving|Training)TaskTaskRole/.test(policy));
    expect(runners).toEqual([]);
  });

  it('runs every function of the registry as it says', () => {
    for (const { name, needs, trigger } of ANYWHERE) {
      template.hasResourceProperties('AWS::Lambda::Function', {
        Environment: { Variables: Match.objectLike({ PATCHBAY_FUNCTION: name }) },
        MemorySize: needs.memoryMiB,
        Timeout: needs.timeoutSeconds,
      });
      if (trigger.kind === 'schedule')
        expect(ratesOf(template)[name], name).toBe(Math.max(1, Math.ceil(trigger.everySeconds / 60)));
    }
  });

  it('ticks as seldom as it is told to, so that the database can sleep', () => {
    const settings = Settings.parse({ ...GIVEN, codeFolder: code, tickMinutes: 15 });
    const quiet = templateOf(settings);
    expect(Math.min(...Object.values(ratesOf(quiet)))).toBe(15);
  });

  it('has no runner and no machine until one is wanted', () => {
    template.allResourcesProperties('AWS::ECS::Service', {
      DesiredCount: 0,
      LaunchType: Match.absent(),
      CapacityProviderStrategy: Match.anyValue(),
    });
    template.hasResourceProperties('AWS::AutoScaling::AutoScalingGroup', { MinSize: '0', MaxSize: '6' });
  });

  it('brings the tables up to date by the image of the next version, while all else is of this one', () => {
    const next = templateOf(readSettings({ ...GIVEN, codeFolder: code, setupImageTag: '0.2.0' }));
    expect(JSON.stringify(containersOf(next, 'setup'))).toContain('patchbay-api:0.2.0');
    expect(JSON.stringify(containersOf(next, 'runner'))).toContain('patchbay-runner:0.1.0-cuda');
    expect(JSON.stringify(containersOf(template, 'setup'))).toContain('patchbay-api:0.1.0');
  });

  it('makes the folder of the cache for the user that the image is, before ECS starts anything', () => {
    const image = readFileSync(join(import.meta.dirname, '../../gpu-runner/Dockerfile'), 'utf8');
    const user = /^USER ([1-9]\d*)$/m.exec(image)![1];
    const [machine] = Object.values(template.findResources('AWS::EC2::LaunchTemplate')).filter(
      ({ Properties }) => Properties.LaunchTemplateData.ImageId.Ref.includes('gpu'),
    );
    const script = JSON.stringify(machine!['Properties'].LaunchTemplateData.UserData);
    const command = `install --directory --owner=${user} --group=${user} --mode=0700 /var/lib/patchbay`;
    expect(script).toContain(command);
    expect(script.indexOf(command)).toBeLessThan(script.indexOf('ECS_CLUSTER'));
    // On the machine's own network, how many hops an answer may take keeps nobody from the machine's rights.
    expect(script).toContain(`--uid-owner ${user} --destination 169.254.169.254 --jump REJECT`);
    for (const command of ['gpu-runner/main.ts', 'gpu-runner/train-main.ts'])
      template.hasResourceProperties('AWS::ECS::TaskDefinition', {
        ContainerDefinitions: [
          Match.objectLike({
            Command: [command],
            MountPoints: [{ ContainerPath: '/cache', ReadOnly: false, SourceVolume: 'cache' }],
          }),
        ],
        Volumes: [{ Name: 'cache', Host: { SourcePath: '/var/lib/patchbay' } }],
      });
  });

  it('confines runners: a read-only image, one GPU, its port open to the API alone', () => {
    template.resourceCountIs('AWS::ECS::TaskDefinition', 3);
    for (const command of ['gpu-runner/main.ts', 'gpu-runner/train-main.ts']) {
      template.hasResourceProperties('AWS::ECS::TaskDefinition', {
        ContainerDefinitions: [
          Match.objectLike({
            Command: [command],
            ReadonlyRootFilesystem: true,
            ResourceRequirements: [{ Type: 'GPU', Value: '1' }],
            StopTimeout: 120,
          }),
        ],
      });
    }
    const inbound = Object.values(template.findResources('AWS::EC2::SecurityGroupIngress')).map(
      ({ Properties }) => [Properties.FromPort, Properties.CidrIp],
    );
    expect(inbound.sort()).toEqual([
      [5432, undefined],
      [8080, undefined],
    ]);
  });

  it('reserves the memory that the registry says runners need, on a machine that has it', () => {
    const reserved = Object.values(template.findResources('AWS::ECS::TaskDefinition'))
      .map(({ Properties }) => Properties.ContainerDefinitions[0])
      .filter(({ Name }) => Name === 'runner')
      .map(({ Command, MemoryReservation }) => [Command[0], MemoryReservation as number]);
    expect(Object.fromEntries(reserved)).toEqual({
      'gpu-runner/main.ts': warm.needs.memoryMiB,
      'gpu-runner/train-main.ts': memoryMiB(ON_RUNNERS),
    });
    expect(memoryMiB(ON_RUNNERS)).toBeLessThanOrEqual(OF_SMALLEST_MIB);
  });

  it('keeps every secret out of environments', () => {
    const environments = Object.values(template.findResources('AWS::Lambda::Function')).map(
      ({ Properties }) => JSON.stringify(Properties.Environment ?? {}),
    );
    for (const environment of environments) expect(environment).not.toContain('{{resolve:');
  });

  it('hands settings and other secrets on to the server, and both tokens to runners while theirs is changed', () => {
    const chosen = {
      ...GIVEN,
      codeFolder: code,
      'settings.PATCHBAY_SIGN_UP': 'open',
      'settings.PATCHBAY_FORMER_SIGNING_KEYS': 'x'.repeat(43),
      'secrets.PATCHBAY_RUNNER_TOKEN_ALSO': SECRET,
    };
    const configured = templateOf(readSettings(chosen));
    const open = {
      PATCHBAY_SIGN_UP: 'open',
      PATCHBAY_FORMER_SIGNING_KEYS: 'x'.repeat(43),
    };
    const api = { Handler: 'api/lambda/index.handler' };
    configured.hasResourceProperties('AWS::Lambda::Function', {
      ...api,
      Environment: { Variables: Match.objectLike(open) },
    });
    const [named] = Object.values(configured.findResources('AWS::Lambda::Function', { Properties: api }));
    expect(secretsOf(named!['Properties'])).toEqual(
      expect.arrayContaining(['PATCHBAY_RUNNER_TOKEN', 'PATCHBAY_RUNNER_TOKEN_ALSO']),
    );
    const readers = statementsOf(configured).filter(({ resources }) => resources.includes(SECRET));
    expect(readers.map(({ policy }) => policy.replace(/[0-9A-F]{8}$/, ''))).toEqual(
      expect.arrayContaining([
        'ApiFunctionServiceRoleDefaultPolicy',
        'RunnersServingTaskExecutionRoleDefaultPolicy',
        'RunnersTrainingTaskExecutionRoleDefaultPolicy',
      ]),
    );
    for (const command of ['gpu-runner/main.ts', 'gpu-runner/train-main.ts'])
      configured.hasResourceProperties('AWS::ECS::TaskDefinition', {
        ContainerDefinitions: [
          Match.objectLike({
            Command: [command],
            Secrets: Match.arrayWith([{ Name: 'PATCHBAY_RUNNER_TOKEN_ALSO', ValueFrom: SECRET }]),
          }),
        ],
      });
  });

  it('gives functions settings that they take, without what goes with a secret that they do not get', () => {
    const chosen = {
      ...GIVEN,
      codeFolder: code,
      'settings.GITHUB_CLIENT_ID': 'Iv1.0',
      'settings.PATCHBAY_WEBHOOKS_ANYWHERE': 'yes',
      'secrets.GITHUB_CLIENT_SECRET': SECRET,
    };
    const configured = templateOf(readSettings(chosen));
    const environments = Object.values(configured.findResources('AWS::Lambda::Function')).map(
      ({ Properties }) => Properties.Environment.Variables,
    );
    const ofFunctions = environments.filter(({ PATCHBAY_FUNCTION }) => PATCHBAY_FUNCTION);
    expect(ofFunctions).toHaveLength(ANYWHERE.length);
    for (const environment of ofFunctions) {
      const plain = Object.entries(environment).filter(([, value]) => typeof value === 'string');
      expect(readConfig(Object.fromEntries(plain) as Record<string, string>).webhooksAnywhere).toBe(true);
    }
    for (const answering of [
      environments.find(({ PATCHBAY_RUNNERS }) => PATCHBAY_RUNNERS),
      ...containersOf(configured, 'setup').map(({ Environment }) =>
        Object.fromEntries(Environment.map(({ Name, Value }) => [Name, Value])),
      ),
    ])
      expect(answering).toMatchObject({ GITHUB_CLIENT_ID: 'Iv1.0' });
  });

  it('takes a secret of somebody else in the place of its own, and keeps its own', () => {
    const chosen = { ...GIVEN, codeFolder: code, 'secrets.PATCHBAY_RUNNER_TOKEN': SECRET };
    const changed = templateOf(readSettings(chosen));
    changed.hasResourceProperties('AWS::Lambda::Function', {
      Handler: 'scale/index.handler',
      Environment: { Variables: Match.objectLike({ PATCHBAY_RUNNER_TOKEN_SECRET: SECRET }) },
    });
    expect(Object.keys(changed.findResources('AWS::SecretsManager::Secret'))).toEqual(
      Object.keys(template.findResources('AWS::SecretsManager::Secret')),
    );
  });

  it('tells the operator of failures and of money', () => {
    const alarms = Object.values(template.findResources('AWS::CloudWatch::Alarm'));
    expect(alarms).toHaveLength(7 + ANYWHERE.length);
    for (const { Properties } of alarms) expect(Properties.AlarmActions).toHaveLength(1);
    template.hasResourceProperties('AWS::SNS::TopicPolicy', {
      PolicyDocument: {
        Statement: Match.arrayWith([
          Match.objectLike({
            Action: 'sns:Publish',
            Effect: 'Allow',
            Principal: { Service: 'cloudwatch.amazonaws.com' },
            Condition: { StringEquals: { 'aws:SourceAccount': { Ref: 'AWS::AccountId' } } },
          }),
        ]),
      },
    });
    template.hasResourceProperties('AWS::Budgets::Budget', {
      Budget: { BudgetLimit: { Amount: 200, Unit: 'USD' }, TimeUnit: 'MONTHLY' },
    });
    template.resourceCountIs('AWS::CloudWatch::Dashboard', 1);
  });

  it.each([1, 5, 15, 60])('tells the operator of what always fails, with tickMinutes=%i', (tickMinutes) => {
    const settings = Settings.parse({ ...GIVEN, codeFolder: code, tickMinutes });
    const ticking = templateOf(settings);
    const rates = ratesOf(ticking);
    for (const name of Object.keys(rates)) {
      const lambda = Object.entries(ticking.findResources('AWS::Lambda::Function')).find(
        ([, { Properties }]) => Properties.Environment?.Variables.PATCHBAY_FUNCTION === name,
      )![0];
      const alarm = Object.values(ticking.findResources('AWS::CloudWatch::Alarm')).find(
        ({ Properties }) =>
          Properties.MetricName === 'Errors' && Properties.Dimensions[0].Value.Ref === lambda,
      )!['Properties'];
      // A window of its period has so many ticks at least; where it has none, one of every few has one.
      const ticks = Math.max(1, Math.floor(alarm.Period / 60 / rates[name]!));
      expect(alarm.Threshold, name).toBeLessThanOrEqual(ticks);
      // Else Lambda tries again, finds the tick claimed, and calls that a success.
      ticking.hasResourceProperties('AWS::Lambda::EventInvokeConfig', {
        FunctionName: { Ref: lambda },
        MaximumRetryAttempts: 0,
      });
    }
  });

  it('tells the operator of runners that are wanted and not there, and of work that nobody takes', () => {
    for (const service of ['Serving', 'Training'])
      template.hasResourceProperties('AWS::CloudWatch::Alarm', {
        Metrics: Match.arrayWith([
          Match.objectLike({ Expression: 'desired - FILL(running, 0)' }),
          Match.objectLike({
            Id: 'desired',
            MetricStat: Match.objectLike({
              Metric: Match.objectLike({
                MetricName: 'DesiredTaskCount',
                Dimensions: Match.arrayWith([
                  { Name: 'ServiceName', Value: { 'Fn::GetAtt': [Match.stringLikeRegexp(service), 'Name'] } },
                ]),
              }),
            }),
          }),
        ]),
      });
    template.hasResourceProperties('AWS::CloudWatch::Alarm', {
      Namespace: 'Patchbay',
      MetricName: 'QueueAgeSeconds',
      Threshold: 1800,
      Dimensions: [{ Name: 'Cluster', Value: Match.anyValue() }],
    });
  });

  it.skipIf(!isInstalled('cfn-lint'))(
    'is a template that CloudFormation takes (skipped without cfn-lint)',
    () => {
      const file = join(folder, 'template.json');
      writeFileSync(file, JSON.stringify(template.toJSON()));
      // W3005: the CDK says of what a resource depends, also where that follows.
      expect(check('cfn-lint', '--ignore-checks', 'W3005', '--', file)).toEqual({
        status: 0,
        output: '',
      });
    },
  );
});

describe('settings', () => {
  it('have a place each, those of the server too', () => {
    expect([...OPEN_SETTINGS, ...OWN_SETTINGS, ...SECRET_SETTINGS].sort()).toEqual([...SETTINGS].sort());
    expect(OPEN_SETTINGS.filter((name) => /SECRET|TOKEN|PASSWORD|SIGNING_KEY$/.test(name))).toEqual([]);
  });

  it.each([
    [{ host: undefined }, /host/],
    [{ host: 'not a host' }, /host/],
    [{ certificateArn: 'mine' }, /certificateArn.*ARN/],
    [{ gpuInstance: 't4g.nano' }, /gpuInstance.*GPU/],
    [{ tickMinutes: '0' }, /tickMinutes/],
    [{ 'settings.PATCHBAY_SIGNUP': 'open' }, /-c settings\.PATCHBAY_SIGNUP/],
    [{ 'settings.PATCHBAY_SIGN_UP': 'perhaps' }, /-c settings\.PATCHBAY_SIGN_UP/],
    [{ 'settings.PATCHBAY_STORAGE_QUOTA': 'much' }, /-c settings\.PATCHBAY_STORAGE_QUOTA/],
    [{ 'settings.S3_BUCKET': 'mine' }, /-c settings\.S3_BUCKET/],
    [{ 'settings.PATCHBAY_AUTH_SECRET': 'in the open' }, /-c settings\.PATCHBAY_AUTH_SECRET/],
    [{ 'settings.GITHUB_CLIENT_ID': 'Iv1.0' }, /GITHUB_CLIENT_ID needs GITHUB_CLIENT_SECRET/],
    [{ 'secrets.PATCHBAY_SIGNING_KEY': 'the key itself' }, /-c secrets\.PATCHBAY_SIGNING_KEY.*ARN/],
    [{ 'secrets.PATCHBAY_SECRET': SECRET }, /-c secrets\.PATCHBAY_SECRET/],
  ])('%j is named', (wrong, reason) => {
    const context: Record<string, unknown> = { ...GIVEN, ...wrong };
    expect(() => readSettings(context)).toThrow(reason);
  });
});

interface Statement {
  readonly policy: string;
  readonly actions: readonly string[];
  readonly resources: readonly unknown[];
}

/** Of the object store, without the bucket. */
const prefixesOf = (statements: readonly Statement[]): string[] =>
  statements
    .flatMap(({ resources }) => resources)
    .map((resource) => /\/(\w+\/)\*/.exec(JSON.stringify(resource))![1]!)
    .sort();

/** Names of the settings that a Lambda reads from secrets. */
const secretsOf = ({ Environment }: Lambda): string[] =>
  [...JSON.stringify(Environment.Variables['PATCHBAY_SECRETS']).matchAll(/(\w+)\\":/g)].map(
    ([, name]) => name!,
  );

interface Lambda {
  readonly Environment: { readonly Variables: Readonly<Record<string, unknown>> };
}

const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : [value]);

function statementsOf(template: Template): Statement[] {
  const policies = Object.entries(template.findResources('AWS::IAM::Policy'));
  return policies.flatMap(([policy, { Properties }]) =>
    (Properties.PolicyDocument.Statement as { Action: unknown; Resource: unknown }[]).map((statement) => ({
      policy,
      actions: listOf(statement.Action) as string[],
      resources: listOf(statement.Resource),
    })),
  );
}

interface Container {
  readonly Name: string;
  readonly Environment: readonly { readonly Name: string; readonly Value: unknown }[];
}

/** @param name `runner`, or `setup`, which is run by hand */
const containersOf = (template: Template, name: string): Container[] =>
  Object.values(template.findResources('AWS::ECS::TaskDefinition'))
    .map(({ Properties }) => Properties.ContainerDefinitions[0])
    .filter(({ Name }) => Name === name);

const MINUTES: Readonly<Record<string, number>> = { minute: 1, hour: 60, day: 1440 };

/** Minutes between the ticks of each function, by its name. */
function ratesOf(template: Template): Record<string, number> {
  const functions = template.findResources('AWS::Lambda::Function');
  const rules = Object.values(template.findResources('AWS::Events::Rule'));
  return Object.fromEntries(
    rules.flatMap(({ Properties }) => {
      const target = Properties.Targets[0].Arn['Fn::GetAtt'][0] as string;
      const name = functions[target]?.['Properties'].Environment.Variables.PATCHBAY_FUNCTION as string;
      const [, count, unit] = /^rate\((\d+) (minute|hour|day)s?\)$/.exec(Properties.ScheduleExpression)!;
      return name ? [[name, Number(count) * MINUTES[unit!]!]] : [];
    }),
  );
}
