/**
 * Who may import whom, as docs/architecture.md says. Reads the imports of every source file and names the file and the rule
 * that it breaks.
 */

import { globSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));

/** The folders of the repository that a folder may import, besides itself; a star: all. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  adapter: [],
  observe: [],
  db: ['adapter', 'observe'],
  functions: ['adapter', 'db', 'observe'],
  api: ['adapter', 'db', 'functions', 'observe'],
  'gpu-runner': ['adapter', 'functions', 'observe'],
  cli: ['adapter'],
  web: ['adapter'],
  infra: ['api', 'functions', 'gpu-runner', 'observe'],
  test: ['*'],
  bench: ['*'],
};

/** The same within a folder: part -> parts that it may not know. */
const MAY_NOT_KNOW: readonly (readonly [part: string, others: readonly string[]])[] = [
  [
    'gpu-runner/graph/',
    ['gpu-runner/model/', 'gpu-runner/serve/', 'gpu-runner/train/', 'adapter/', 'functions/'],
  ],
  ['gpu-runner/model/', ['gpu-runner/serve/', 'gpu-runner/train/']],
  ['gpu-runner/serve/', ['gpu-runner/train/']],
  ['gpu-runner/train/', ['gpu-runner/serve/']],
  ['api/openai/', ['api/patchbay/', 'api/hub/', 'api/embedded/']],
  ['api/patchbay/', ['api/openai/', 'api/hub/', 'api/embedded/']],
  ['api/hub/', ['api/openai/', 'api/patchbay/', 'api/embedded/']],
];

/** Packages that only these files (or folders, with a slash at the end) may import. */
const ONLY_IN: readonly (readonly [name: RegExp, places: readonly string[]])[] = [
  [/^onnxruntime/, ['gpu-runner/session.ts']],
  [/^@mlc-ai\//, ['gpu-runner/serve/grammar-worker.ts']],
  // The API alone does nothing and runs anywhere; what does something is started once.
  [/^@opentelemetry\/(?!api$)/, ['observe/start.ts', 'test/', 'bench/']],
  [/^@aws-sdk\//, ['api/blob-store.ts', 'infra/aws/entries/', 'bench/', 'test/']],
  [/^(pg|@electric-sql\/pglite)(\/|$)/, ['db/', 'bench/', 'test/']],
];

/** What runs at the edge and in browsers uses web standards only; these files of api/ are its Node entry. */
const WEB_STANDARD = ['adapter/', 'api/', 'functions/', 'observe/'];
const NODE_ENTRY = [
  'api/node.ts',
  'api/lambda.ts',
  'api/lambda-function.ts',
  'api/edge.ts',
  'api/hasher.ts',
  'api/embedded/',
  'observe/start.ts',
  'observe/log.ts',
];
/** Where the environment is read: entry points and configurations, which check it; and a switch set before a library loads. */
const READS_ENVIRONMENT = [
  'api/node.ts',
  'api/embedded/open-parts.ts', // hands it on to the runners that it starts
  'gpu-runner/main.ts',
  'gpu-runner/train-main.ts',
  'gpu-runner/config.ts',
  'gpu-runner/provider.ts',
  'gpu-runner/session.ts',
  'gpu-runner/testing/',
  'infra/aws/entries/',
  'cli/main.ts',
  'cli/settings.ts',
  'bench/',
  'test/',
  // Do not read it: what they settle for the code that they build does.
  'infra/edge/build.ts',
  'web/vite.config.ts',
  // Do not read it: what they show to be pasted elsewhere does.
  'web/parts/adapter/use.tsx',
  'web/parts/playground/setup.ts',
];

interface Import {
  /** A path from the repository's root, `node:...`, or a package. */
  readonly target: string;
  readonly typesOnly: boolean;
}

interface Source {
  readonly path: string;
  /** Without comments. */
  readonly code: string;
  readonly imports: readonly Import[];
}

const STATEMENT = /(?:^|[;}\s])(?:import|export)\s+(type\s)?(?:[\w*${},\s]+?\sfrom\s*)?'([^']+)'/g;
const CALL = /\b(?:import|require)\(\s*'([^']+)'/g;

async function readSource(path: string): Promise<Source> {
  const text = await readFile(join(root, path), 'utf8');
  const code = text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '');
  const resolve = (specifier: string) =>
    specifier.startsWith('.') ? relative(root, join(root, path, '..', specifier)) : specifier;
  const statements = [...code.matchAll(STATEMENT)].map(([, type, target]) => {
    return { target: resolve(target!), typesOnly: type !== undefined };
  });
  const calls = [...code.matchAll(CALL)].map(([, target]) => ({
    target: resolve(target!),
    typesOnly: false,
  }));
  return { path, code, imports: [...statements, ...calls] };
}

const isTest = (path: string) => path.endsWith('.test.ts');
const within = (path: string, places: readonly string[]) =>
  places.some((place) => path === place || (place.endsWith('/') && path.startsWith(place)));
const folderOf = (path: string) => path.slice(0, path.indexOf('/'));
const isOurs = (target: string) => Object.hasOwn(MAY_IMPORT, folderOf(target));

const patterns = Object.keys(MAY_IMPORT).map((folder) => `${folder}/**/*.{ts,tsx}`);
const notOurs = (path: string) => /(^|\/)(node_modules|dist)(\/|$)/.test(path);
const paths = globSync(patterns, { cwd: root, exclude: notOurs }).sort();
const sources = await Promise.all(paths.map(readSource));

/** @returns a line for each import that breaks a rule */
function breaches(rule: (source: Source, imported: Import) => string | false | undefined): string[] {
  return sources.flatMap((source) =>
    source.imports.flatMap((imported) => {
      const broken = rule(source, imported);
      return broken ? [`${source.path} imports ${imported.target}: ${broken}`] : [];
    }),
  );
}

function forbiddenFolder({ path }: Source, { target, typesOnly }: Import): string | undefined {
  const from = folderOf(path);
  const to = folderOf(target);
  if (!isOurs(target) || from === to) return undefined;
  const allowed = MAY_IMPORT[from]!;
  if (allowed.includes('*') || allowed.includes(to) || (typesOnly && allowed.includes(`${to}: types`)))
    return undefined;
  if (to === 'test' && isTest(path)) return undefined;
  return `${from}/ may import ${allowed.join(', ') || 'nothing of ours'}`;
}

describe('boundaries', () => {
  it('sees the imports there are', () => {
    expect(sources.length).toBeGreaterThan(20);
    const all = sources.flatMap(({ imports }) => imports.map(({ target }) => target));
    for (const target of ['adapter/error.ts', 'onnxruntime-node', 'zod', 'node:path'])
      expect(all).toContain(target);
  });

  it('folders import only the folders below them', () => {
    expect(breaches(forbiddenFolder)).toEqual([]);
  });

  it('parts of a folder do not know their neighbours', () => {
    expect(
      breaches(({ path }, { target }) => {
        const rule = MAY_NOT_KNOW.find(([part]) => path.startsWith(part));
        return !isTest(path) && rule && within(target, rule[1]) && `${rule[0]} does not know it`;
      }),
    ).toEqual([]);
  });

  it('runners reach no database, by whatever way', () => {
    const byPath = new Map(sources.map((source) => [source.path, source]));
    const reached = new Set(
      sources.map(({ path }) => path).filter((path) => path.startsWith('gpu-runner/') && !isTest(path)),
    );
    for (const path of reached)
      for (const { target, typesOnly } of byPath.get(path)?.imports ?? [])
        if (!typesOnly && isOurs(target)) reached.add(target);
    expect(reached).toContain('functions/verify.ts');
    expect([...reached].filter((path) => /^(db|api)\//.test(path))).toEqual([]);
  });

  it('packages that tie us to something are imported in one place', () => {
    expect(
      breaches(({ path }, { target }) => {
        const rule = ONLY_IN.find(([name]) => name.test(target));
        return rule && !isTest(path) && !within(path, rule[1]) && `only ${rule[1].join(', ')} may`;
      }),
    ).toEqual([]);
  });

  it('the edge and the browser get web standards only', () => {
    const atEdge = ({ path }: Source) =>
      within(path, WEB_STANDARD) && !within(path, NODE_ENTRY) && !isTest(path);
    expect(
      breaches((source, { target }) => {
        const node = target.startsWith('node:') || within(target, NODE_ENTRY);
        return atEdge(source) && node && `only ${NODE_ENTRY.join(', ')} may use Node`;
      }),
    ).toEqual([]);
    const globals = /\b(?:Buffer|process|__dirname)\s*[.(]/;
    expect(
      sources.filter((source) => atEdge(source) && globals.test(source.code)).map(({ path }) => path),
    ).toEqual([]);
  });

  it('the environment is read where it is checked', () => {
    const readers = sources.filter(({ path, code }) => /\bprocess\.env\b/.test(code) && !isTest(path));
    expect(readers.map(({ path }) => path).filter((path) => !within(path, READS_ENVIRONMENT))).toEqual([]);
  });

  it('there are no barrels and no utils', () => {
    const barrels = sources.filter(({ code }) =>
      /^export\s+(?:type\s)?(?:\*|\{[^}]*\})[^;]*\sfrom\s/m.test(code),
    );
    expect(barrels.map(({ path }) => path)).toEqual([]);
    expect(
      sources.map(({ path }) => path).filter((path) => /(^|\/)(utils?|helpers?)(\/|\.ts$)/.test(path)),
    ).toEqual([]);
  });
});
