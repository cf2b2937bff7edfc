/**
 * The images without Docker: what the Dockerfiles copy is laid out in a folder, and their commands are run there by a user who
 * may write nowhere but where the images say. So a file or a package that an image lacks is missed here. What this cannot
 * see: the packages of Debian, and CUDA's files.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import OpenAI from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { check, isInstalled } from '../infra/checkers.ts';
import { copies, environmentOf, readDockerfile, userOf, withBases, wordsOf } from './dockerfile.ts';
import { freePort } from './servers/postgres.ts';

const root = fileURLToPath(new URL('..', import.meta.url)); // ends in a slash
const IMAGES = { api: 'api/Dockerfile', runner: 'gpu-runner/Dockerfile' } as const;
const TOKEN = 'a token for tests only';
/** Whoever runs the tests in a container is root, who may write everywhere: then it is `nobody` who runs what is in the image. */
const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;

const names = z.record(z.string(), z.string()).default({});
const Lock = z.object({
  packages: z.record(
    z.string(),
    z.object({
      dependencies: names,
      peerDependencies: names,
      peerDependenciesMeta: z.record(z.string(), z.object({ optional: z.boolean().optional() })).default({}),
    }),
  ),
});

/** Paths of what `npm ci --omit=dev --omit=optional --workspaces=false` installs. */
function productionPackages(): string[] {
  const { packages } = Lock.parse(JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')));
  const found = new Set<string>();
  const visit = (path: string) => {
    const { dependencies, peerDependencies, peerDependenciesMeta } = packages[path]!;
    const peers = Object.keys(peerDependencies).filter((name) => !peerDependenciesMeta[name]?.optional);
    for (const name of [...Object.keys(dependencies), ...peers]) {
      const target = resolved(path, name);
      if (target === undefined || found.has(target)) continue;
      found.add(target);
      visit(target);
    }
  };
  /** As Node looks for it: in the folder's own node_modules, then in those above. */
  const resolved = (from: string, name: string): string | undefined => {
    const path = `${from ? `${from}/` : ''}node_modules/${name}`;
    if (packages[path]) return path;
    return from
      ? resolved(from.slice(0, Math.max(0, from.lastIndexOf('node_modules/') - 1)), name)
      : undefined;
  };
  visit('');
  return [...found].filter((path) => path.lastIndexOf('node_modules/') === 0); // what is below comes along
}

/** Under the same paths below `to`, and by links where that can be: then it costs no space. */
function lay(paths: readonly string[], from: string, to: string): void {
  for (const how of ['-al', '-a'])
    if (spawnSync('cp', [how, '--parents', ...paths, to], { cwd: from, stdio: 'ignore' }).status === 0)
      return;
  throw new Error(`cannot copy ${paths[0]} to ${to}`);
}

const ignoredIn = (path: string) => /\.test\.ts$|\/testing(\/|$)|^seed\/make\/|^web\/dist\//.test(path);

class Image {
  readonly folder = mkdtempSync(join(tmpdir(), 'patchbay-image-'));
  readonly app = join(this.folder, 'app');
  readonly instructions;
  private readonly processes: ChildProcess[] = [];
  log = '';

  constructor(dockerfile: string) {
    const stages = readDockerfile(join(root, dockerfile));
    this.instructions = withBases(stages, stages.at(-1)!.name);
    mkdirSync(this.app);
    for (const { from, sources, to } of copies(this.instructions)) {
      if (from === undefined) for (const source of sources) this.copy(source, to);
      // What another stage made: here, `npm ci` and `npm run build` have.
      else lay(to === 'node_modules' ? productionPackages() : [to], root, this.app);
    }
    // What the stages take out again.
    for (const [, rest] of stages.flatMap(({ instructions }) => instructions))
      for (const [, gone] of rest.matchAll(/\s(node_modules\/\S+)/g))
        if (/rm -rf/.test(rest)) rmSync(join(this.app, gone!), { recursive: true, force: true });
    execFileSync('chmod', ['755', this.folder, this.app]);
  }

  private copy(source: string, to: string): void {
    const target = to === './' ? source : to;
    cpSync(join(root, source), join(this.app, target), {
      recursive: true,
      filter: (path) => !ignoredIn(path.slice(root.length)),
    });
  }

  /** The one place besides /tmp that may be written. */
  writable(name: string): string {
    const path = join(this.folder, name);
    mkdirSync(path);
    execFileSync('chmod', ['777', path]);
    return path;
  }

  /** @param words after the entry point, instead of the image's own */
  start(settings: Record<string, string>, words = wordsOf(this.instructions, 'CMD')): ChildProcess {
    const [command, ...args] = [...wordsOf(this.instructions, 'ENTRYPOINT'), ...words];
    const child = spawn(command!, args, { ...this.options(settings), stdio: ['ignore', 'pipe', 'pipe'] });
    child.stderr!.on('data', (chunk) => {
      this.log += chunk;
    });
    this.processes.push(child);
    return child;
  }

  /** @returns whether the image's own health check passes, in the end */
  async becomesHealthy(settings: Record<string, string>): Promise<boolean> {
    const [command, ...args] = wordsOf(this.instructions, 'HEALTHCHECK');
    for (let attempt = 0; attempt < 60; attempt++) {
      const probe = spawn(command!, args, { ...this.options(settings), stdio: 'ignore' });
      if ((await new Promise((resolve) => probe.once('exit', resolve))) === 0) return true;
      await new Promise((resolve) => setTimeout(resolve, 250));
    }
    return false;
  }

  async close(): Promise<void> {
    for (const child of this.processes) {
      if (child.exitCode === null && child.signalCode === null) {
        const exited = new Promise((resolve) => child.once('exit', resolve));
        child.kill('SIGKILL');
        await exited;
      }
    }
    rmSync(this.folder, { recursive: true, force: true });
  }

  private options(settings: Record<string, string>) {
    return {
      cwd: this.app,
      env: {
        PATH: `${this.node()}:${process.env['PATH']}`,
        ...environmentOf(this.instructions),
        HOST: '127.0.0.1',
        PATCHBAY_RUNNER_HOST: '127.0.0.1',
        ...settings,
      },
      ...(isRoot ? { uid: NOBODY, gid: NOBODY } : {}),
    };
  }

  /** The image's own Node is the one that runs the tests. */
  private node(): string {
    const bin = join(this.folder, 'bin');
    if (!existsSync(bin)) {
      mkdirSync(bin);
      copyFileSync(process.execPath, join(bin, 'node'));
    }
    return bin;
  }
}

describe.each(Object.entries(IMAGES))('the Dockerfile of %s', (_name, path) => {
  const stages = readDockerfile(join(root, path));

  it('copies files that exist and that its .dockerignore lets through', () => {
    const patterns = readFileSync(join(root, `${path}.dockerignore`), 'utf8').split('\n');
    const allowed = patterns.filter((line) => line.startsWith('!')).map((line) => line.slice(1));
    expect(allowed).toEqual([...new Set(allowed)]);
    for (const { instructions } of stages) {
      const lines = copies(instructions).map((copy) => JSON.stringify(copy));
      expect(lines, 'nothing is copied twice').toEqual([...new Set(lines)]);
      for (const { from, sources } of copies(instructions)) {
        if (from !== undefined) continue;
        for (const source of sources) {
          expect(existsSync(join(root, source)), source).toBe(true);
          expect(allowed, source).toContain(source.split('/')[0]);
        }
      }
    }
  });

  it('takes from stages that come before, and pins every image', () => {
    for (const [i, { base, instructions }] of stages.entries()) {
      const before = stages.slice(0, i).map(({ name }) => name);
      for (const { from } of copies(instructions)) if (from !== undefined) expect(before).toContain(from);
      if (!before.includes(base)) expect(base).toMatch(/^(node:24\.\d+\.\d+|python:3\.\d+)-/);
    }
  });

  it('ends as a user without rights, known by number as Kubernetes asks', () => {
    expect(userOf(withBases(stages, stages.at(-1)!.name))).toBe('1000');
    for (const { name } of stages.filter(({ base }) => base === 'runner'))
      expect(userOf(withBases(stages, name))).toBe('1000');
  });

  it.skipIf(!isInstalled('hadolint'))('has nothing that hadolint finds (skipped without it)', () => {
    expect(check('hadolint', join(root, path))).toEqual({ status: 0, output: '' });
  });

  it('runs the Node that the tests run on', () => {
    const { devDependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
    for (const { base } of stages.filter((stage) => stage.base.startsWith('node:')))
      expect(base).toContain(`node:${devDependencies.node}-`);
  });
});

it('CUDA comes for the ONNX Runtime that is installed', () => {
  const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  const requirements = readFileSync(join(root, 'gpu-runner/cuda-requirements.txt'), 'utf8');
  expect(requirements).toContain(`onnxruntime-gpu==${dependencies['onnxruntime-node']} `);
});

describe.skipIf(process.platform !== 'linux')('images, laid out and started', () => {
  let runner: Image;
  let api: Image;

  beforeAll(() => {
    runner = new Image(IMAGES.runner);
    api = new Image(IMAGES.api);
  });

  afterAll(async () => {
    await runner?.close();
    await api?.close();
  });

  it('answer a chat together, write only where they may, and end when asked', async () => {
    expect(existsSync(join(api.app, 'node_modules/onnxruntime-node'))).toBe(false);
    expect(existsSync(join(runner.app, 'gpu-runner/testing'))).toBe(false);

    const ports = { api: await freePort(), runner: await freePort(), train: await freePort() };
    const serving = {
      PATCHBAY_RUNNER_TOKEN: TOKEN,
      PATCHBAY_RUNNER_CACHE: runner.writable('cache'),
      PATCHBAY_RUNNER_PORT: `${ports.runner}`,
    };
    const training = {
      ...serving,
      PATCHBAY_RUNNER_PORT: `${ports.train}`,
      PATCHBAY_RUNNER_CACHE: runner.writable('train-cache'),
      PATCHBAY_API_URL: `http://127.0.0.1:${ports.api}`,
    };
    const server = {
      PORT: `${ports.api}`,
      PATCHBAY_DATA: api.writable('data'),
      PATCHBAY_RUNNER_URL: `http://127.0.0.1:${ports.runner}`,
      PATCHBAY_RUNNER_TOKEN: TOKEN,
    };
    const processes = [runner.start(serving), api.start(server)];
    const ready = new Promise<string>((resolve) =>
      processes[1]!.stdout!.once('data', (line) => resolve(`${line}`)),
    );
    expect(await runner.becomesHealthy(serving), runner.log).toBe(true);
    expect(await api.becomesHealthy(server), api.log).toBe(true);
    processes.push(runner.start(training, ['gpu-runner/train-main.ts']));
    expect(await runner.becomesHealthy(training), runner.log).toBe(true);

    const [, url, , key] = (await ready).trim().split(' ');
    expect(await (await fetch(url!, { headers: { accept: 'text/html' } })).text()).toContain('</html>');
    const openai = new OpenAI({ baseURL: `${url}/v1`, apiKey: key!, maxRetries: 0 });
    const answer = await openai.chat.completions.create({
      model: 'patchbay/sql',
      messages: [
        { role: 'user', content: 'Table books(title, author, price). List the title of all books.' },
      ],
      temperature: 0,
    });
    expect(answer.choices[0]?.message.content).toBe('SELECT title FROM books');

    for (const child of processes.reverse()) {
      const exited = new Promise((resolve) => child.once('exit', (code) => resolve(code)));
      child.kill('SIGTERM');
      expect(await exited).toBe(0);
    }
  }, 240_000);

  it('a runner that is to compute on CUDA, and lacks its files, says which', async () => {
    const child = runner.start({
      PATCHBAY_RUNNER_PROVIDER: 'cuda',
      PATCHBAY_RUNNER_TOKEN: TOKEN,
      PATCHBAY_RUNNER_CACHE: runner.writable('unused-cache'),
    });
    expect(await new Promise((resolve) => child.once('exit', resolve))).toBe(1);
    expect(runner.log).toMatch(
      /PATCHBAY_RUNNER_PROVIDER is cuda.*libcudnn\.so\.9.* not found.*--target cuda/,
    );
  });

  it('a runner that may not write into its cache ends, and names it', async () => {
    const cache = join(runner.folder, 'cache-of-another');
    mkdirSync(cache);
    execFileSync('chmod', ['555', cache]);
    for (const words of [['gpu-runner/main.ts'], ['gpu-runner/train-main.ts']]) {
      const child = runner.start(
        {
          PATCHBAY_RUNNER_TOKEN: TOKEN,
          PATCHBAY_RUNNER_CACHE: cache,
          PATCHBAY_API_URL: 'http://127.0.0.1:9',
        },
        words,
      );
      expect(await new Promise((resolve) => child.once('exit', resolve))).toBe(1);
      expect(runner.log).toMatch(
        /PATCHBAY_RUNNER_CACHE is .*cache-of-another, where user \d+ cannot write.*EACCES/,
      );
      runner.log = '';
    }
  });
});
