import { execFileSync, spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parse, parseAllDocuments } from 'yaml';
import { z } from 'zod';
import { readConfig } from '../../api/config.ts';
import { DRAIN_MS, FLUSH_MS } from '../../api/embedded/close-server.ts';
import type { Desired } from '../../api/fleet/desired.ts';
import { ANYWHERE } from '../../functions/anywhere.ts';
import type { FunctionDefinition } from '../../functions/definition.ts';
import { memoryMiB } from '../../functions/lanes.ts';
import { ON_RUNNERS } from '../../functions/on-runners.ts';
import { readConfig as readRunnerConfig, readTrainConfig } from '../../gpu-runner/config.ts';
import { LEASED } from '../../gpu-runner/leased-functions.ts';
import { check, isInstalled } from '../checkers.ts';

const hasKubectl = spawnSync('kubectl', ['version', '--client'], { stdio: 'ignore' }).status === 0;
/** The oldest that upstream still mended when this was written, and the newest. */
const VERSIONS = ['1.34', '1.37'];
const SECRETS = {
  DATABASE_URL: 'postgres://patchbay:secret@postgres.example.com:5432/patchbay',
  S3_ACCESS_KEY_ID: 'patchbay',
  S3_SECRET_ACCESS_KEY: 'secret',
  PATCHBAY_AUTH_SECRET: '0'.repeat(64),
  PATCHBAY_SIGNING_KEY: '0'.repeat(64),
  PATCHBAY_RUNNER_TOKEN: '0'.repeat(64),
};
const envFile = (values: Record<string, string>) =>
  Object.entries(values)
    .map(([name, value]) => `${name}=${value}\n`)
    .join('');

// biome-ignore lint/suspicious/noExplicitAny: resources of many kinds; the schemas of Kubernetes check their shapes
type Resource = any;

const baseFolder = join(import.meta.dirname, 'base');
const kustomization: Resource = parse(readFileSync(join(baseFolder, 'kustomization.yaml'), 'utf8'));
const files: string[] = kustomization.resources;
const resources: Resource[] = files.flatMap((file) =>
  parseAllDocuments(readFileSync(join(baseFolder, file), 'utf8')).map((document) => document.toJS()),
);
const ofKind = (kind: string): Resource[] => resources.filter((resource) => resource.kind === kind);
const settings = Object.fromEntries(
  readFileSync(join(baseFolder, 'settings.env'), 'utf8')
    .trim()
    .split('\n')
    .map((line) => line.split(/=(.*)/s).slice(0, 2) as [string, string]),
);

/** KEDA's, as far as it is used here: https://keda.sh/docs/2.18/reference/scaledobject-spec/, .../scalers/metrics-api/. */
const ScaledObject = z.strictObject({
  apiVersion: z.literal('keda.sh/v1alpha1'),
  kind: z.literal('ScaledObject'),
  metadata: z.strictObject({ name: z.string() }),
  spec: z.strictObject({
    scaleTargetRef: z.strictObject({ name: z.string() }),
    minReplicaCount: z.int().min(0),
    maxReplicaCount: z.int().min(1),
    pollingInterval: z.int().min(1),
    cooldownPeriod: z.int().min(0),
    advanced: z
      .strictObject({
        horizontalPodAutoscalerConfig: z.strictObject({
          behavior: z.strictObject({
            scaleDown: z.strictObject({ stabilizationWindowSeconds: z.int().min(0) }),
          }),
        }),
      })
      .optional(),
    triggers: z
      .array(
        z.strictObject({
          type: z.literal('metrics-api'),
          metricType: z.enum(['AverageValue', 'Value']),
          // Every value of a trigger's metadata is a string.
          metadata: z.strictObject({
            url: z.url(),
            valueLocation: z.enum(['runners', 'training'] satisfies (keyof Desired)[]),
            targetValue: z.string().regex(/^\d+$/),
            authMode: z.literal('bearer'),
          }),
          authenticationRef: z.strictObject({ name: z.string() }),
        }),
      )
      .length(1),
  }),
});

describe('Kubernetes', () => {
  it('gives API and runners settings that they take', () => {
    expect(readConfig({ ...settings, ...SECRETS, HOST: '0.0.0.0' })).toMatchObject({
      publicUrl: 'https://adapters.example.com',
      trustProxy: true,
      runner: { urls: [], token: SECRETS.PATCHBAY_RUNNER_TOKEN },
    });
    expect(readRunnerConfig(runnerSettings('runner', SECRETS)).apiUrl).toBe('http://api:8787');
    expect(readTrainConfig(runnerSettings('train-runner', SECRETS)).apiUrl).toBe('http://api:8787');
  });

  it('shows runners both tokens while theirs is changed', () => {
    const secrets = { ...SECRETS, PATCHBAY_RUNNER_TOKEN_ALSO: '1'.repeat(64) };
    const accepted = [secrets.PATCHBAY_RUNNER_TOKEN, secrets.PATCHBAY_RUNNER_TOKEN_ALSO];
    expect(readRunnerConfig(runnerSettings('runner', secrets)).accepted).toEqual(accepted);
    expect(readTrainConfig(runnerSettings('train-runner', secrets)).accepted).toEqual(accepted);
  });

  it('lets API and runners be observed, all by the same settings', () => {
    for (const deployment of ofKind('Deployment')) {
      const { env = [], envFrom } = containerOf(deployment);
      expect(envFrom).toContainEqual({ configMapRef: { name: 'observe' } });
      if (deployment.metadata.name === 'api')
        expect(envFrom).toContainEqual({ secretRef: { name: 'secrets' } });
      else
        for (const name of ['PATCHBAY_METRICS_TOKEN', 'OTEL_EXPORTER_OTLP_HEADERS'])
          expect(env).toContainEqual({
            name,
            valueFrom: { secretKeyRef: { name: 'secrets', key: name, optional: true } },
          });
    }
    const endpoint = readFileSync(join(baseFolder, 'observe.env'), 'utf8').match(
      /OTEL_EXPORTER_OTLP_ENDPOINT=(\S+)/,
    )![1]!;
    const { hostname, port } = new URL(endpoint);
    const runners = ofKind('NetworkPolicy').find(({ metadata }) => metadata.name === 'runners');
    expect(runners.spec.egress).toContainEqual({
      to: [{ namespaceSelector: { matchLabels: { 'kubernetes.io/metadata.name': hostname.split('.')[1] } } }],
      ports: [{ port: Number(port) }],
    });
  });

  it('lets no container write into its image, be root, or call the cluster', () => {
    for (const deployment of ofKind('Deployment')) {
      const { spec } = deployment.spec.template;
      expect(spec.automountServiceAccountToken).toBe(false);
      expect(spec.securityContext).toMatchObject({ runAsNonRoot: true, runAsUser: 1000 });
      expect(spec.securityContext.seccompProfile).toEqual({ type: 'RuntimeDefault' });
      expect(containerOf(deployment).securityContext).toEqual({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      });
    }
  });

  it('asks every container whether it lives and whether it is ready', () => {
    for (const deployment of ofKind('Deployment')) {
      const { livenessProbe, readinessProbe, startupProbe } = containerOf(deployment);
      expect(livenessProbe.httpGet.path).toBe('/healthz');
      expect(startupProbe.httpGet.path).toBe('/healthz');
      expect(readinessProbe.httpGet.path).toBe('/readyz');
    }
  });

  it('lets migrations end, which take as long as they take, before it takes an API for dead', () => {
    const api = ofKind('Deployment').find(({ metadata }) => metadata.name === 'api');
    const { periodSeconds, failureThreshold } = containerOf(api).startupProbe;
    expect(periodSeconds * failureThreshold).toBeGreaterThanOrEqual(3600);
  });

  it('gives the API longer to stop than it gives its answers', () => {
    const api = ofKind('Deployment').find(({ metadata }) => metadata.name === 'api');
    const { terminationGracePeriodSeconds } = api.spec.template.spec;
    const { seconds } = containerOf(api).lifecycle.preStop.sleep;
    expect(terminationGracePeriodSeconds - seconds).toBeGreaterThan((DRAIN_MS + FLUSH_MS) / 1000);
  });

  it('gives every function the memory that the registry says it needs', () => {
    const serving = ON_RUNNERS.filter(({ trigger }) => trigger.kind === 'http');
    const largest = (functions: readonly FunctionDefinition[]) =>
      Math.max(...functions.map(({ needs }) => needs.memoryMiB));
    for (const [name, needed] of Object.entries({
      api: largest(ANYWHERE),
      runner: largest(serving),
      'train-runner': memoryMiB(LEASED),
    })) {
      const { resources } = containerOf(ofKind('Deployment').find(({ metadata }) => metadata.name === name));
      expect(mebibytes(resources.requests.memory), name).toBeGreaterThanOrEqual(needed);
      expect(mebibytes(resources.limits.memory)).toBeGreaterThanOrEqual(mebibytes(resources.requests.memory));
    }
  });

  it('selects pods that there are', () => {
    const labels: Resource[] = ofKind('Deployment').map(({ spec }) => spec.template.metadata.labels);
    const selects = (selector: Record<string, string>) =>
      labels.some((label) => Object.entries(selector).every(([name, value]) => label[name] === value));
    for (const { spec } of [...ofKind('PodDisruptionBudget'), ...ofKind('Deployment')])
      expect(selects(spec.selector.matchLabels)).toBe(true);
    for (const { spec } of ofKind('Service')) expect(selects(spec.selector)).toBe(true);
    for (const { spec } of ofKind('NetworkPolicy'))
      expect(selects(spec.podSelector.matchLabels ?? {})).toBe(true);
  });

  it('scales every runner by what the API says, down to none', () => {
    const scaled = ofKind('ScaledObject').map((resource) => ScaledObject.parse(resource));
    expect(scaled.map(({ spec }) => spec.scaleTargetRef.name)).toEqual(['runner', 'train-runner']);
    const services = ofKind('Service').map(
      ({ metadata, spec }) => `${metadata.name}.patchbay.svc:${spec.ports[0].port}`,
    );
    for (const { spec } of scaled) {
      expect(spec.minReplicaCount).toBe(0);
      const { url } = spec.triggers[0]!.metadata;
      expect(services).toContain(new URL(url).host);
      expect(new URL(url).pathname).toBe('/api/runner/desired');
      // Two who decide would fight.
      const target = ofKind('Deployment').find(({ metadata }) => metadata.name === spec.scaleTargetRef.name);
      expect(target.spec.replicas).toBeUndefined();
    }
    const [{ metadata, spec }] = ofKind('TriggerAuthentication');
    expect(metadata.name).toBe('runner-token');
    expect(spec.secretTargetRef).toEqual([
      { parameter: 'token', name: 'secrets', key: 'PATCHBAY_RUNNER_TOKEN' },
    ]);
    // Kustomize renames the secret, and does not know that KEDA names it.
    const known = kustomization.configurations.flatMap(
      (file: string) => parse(readFileSync(join(baseFolder, file), 'utf8')).nameReference,
    );
    expect(known).toContainEqual(
      expect.objectContaining({
        kind: 'Secret',
        fieldSpecs: [{ group: 'keda.sh', kind: 'TriggerAuthentication', path: 'spec/secretTargetRef/name' }],
      }),
    );
  });
});

describe.skipIf(!hasKubectl)('kustomize (skipped without kubectl)', () => {
  let folder: string;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'patchbay-kubernetes-'));
    cpSync(import.meta.dirname, folder, { recursive: true });
    writeFileSync(join(folder, 'base/secrets.env'), envFile(SECRETS));
  });

  afterAll(() => rmSync(folder, { recursive: true }));

  const build = (overlay: string) =>
    execFileSync('kubectl', ['kustomize', join(folder, overlay)], { encoding: 'utf8' });

  const built = (overlay: string): Resource[] =>
    parseAllDocuments(build(overlay)).map((document) => document.toJS());

  it('shows KEDA the secret that there is', () => {
    const resources = built('base');
    const { name } = resources.find(({ kind }) => kind === 'Secret').metadata;
    const { secretTargetRef } = resources.find(({ kind }) => kind === 'TriggerAuthentication').spec;
    expect(name).toMatch(/^secrets-/);
    expect(secretTargetRef).toMatchObject([{ name }]);
  });

  it('puts runners on GPUs, one each', () => {
    const deployments = built('cuda').filter(({ kind }) => kind === 'Deployment');
    for (const deployment of deployments.filter(({ metadata }) => metadata.name !== 'api')) {
      expect(containerOf(deployment).image).toMatch(/^patchbay-runner:.*-cuda$/);
      expect(containerOf(deployment).resources.limits['nvidia.com/gpu']).toBe(1);
    }
  });

  it.skipIf(!isInstalled('kubernetes-validate'))(
    'makes what the API of Kubernetes takes (skipped without kubernetes-validate)',
    () => {
      for (const overlay of ['base', 'cuda']) {
        const file = join(folder, `${overlay}.yaml`);
        writeFileSync(file, build(overlay));
        for (const version of VERSIONS) {
          const { status, output } = check('kubernetes-validate', '-k', version, '--strict', file);
          expect({ status, output }).toMatchObject({ status: 0 });
          const unchecked = output.split('\n').filter((line) => /^(WARN|ERROR)/.test(line));
          expect(unchecked.filter((line) => !/keda\.sh/.test(line))).toEqual([]);
        }
      }
    },
  );
});

function mebibytes(quantity: string): number {
  const [, count, unit] = /^(\d+)(Mi|Gi)$/.exec(quantity)!;
  return Number(count) * (unit === 'Gi' ? 1024 : 1);
}

/** What a runner's container is told, with the image's own. */
function runnerSettings(name: string, secrets: Readonly<Record<string, string>>): Record<string, string> {
  const { env } = containerOf(ofKind('Deployment').find(({ metadata }) => metadata.name === name));
  const values = env.flatMap(({ name, value, valueFrom }: Resource) => {
    const known = value ?? secrets[valueFrom.secretKeyRef.key];
    expect(known ?? valueFrom.secretKeyRef.optional, name).toBeTruthy();
    return known ? [[name, known]] : [];
  });
  return { PATCHBAY_RUNNER_CACHE: '/cache', ...Object.fromEntries(values) };
}

const containerOf = (deployment: Resource): Resource => deployment.spec.template.spec.containers[0];
