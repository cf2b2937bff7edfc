/** The command itself, against a server that does as a test says. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { EXIT } from './errors.ts';

type Answer = (request: IncomingMessage, response: ServerResponse) => unknown;

let folder: string;
let server: Server;
/** By the beginning of `METHOD path`; where there are several, one after another, the last for good. */
let answers: Record<string, Answer[]>;
let children: ChildProcess[] = [];

const json =
  (body: unknown, status = 200): Answer =>
  (_request, response) =>
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
const problem = (status: number, body: object) => json({ detail: 'no', ...body }, status);

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'patchbay-command-'));
  answers = {};
  server = createServer((request, response) => {
    request.resume();
    const asked = `${request.method} ${request.url}`;
    const found = Object.keys(answers)
      .filter((start) => asked.startsWith(start))
      .sort((a, b) => b.length - a.length)[0];
    const left = found === undefined ? [problem(404, { detail: `nothing at ${asked}` })] : answers[found]!;
    (left.length > 1 ? left.shift()! : left[0]!)(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});
afterEach(async () => {
  for (const child of children) child.kill('SIGKILL');
  children = [];
  server.closeAllConnections();
  server.close();
  await rm(folder, { recursive: true });
});

interface Running {
  readonly child: ChildProcess;
  readonly ended: Promise<{ code: number | null; stdout: string; stderr: string }>;
}

function start(...args: string[]): Running {
  const child = spawn('node', [join(import.meta.dirname, 'bin/patchbay.js'), ...args], {
    cwd: folder,
    env: {
      ...process.env,
      PATCHBAY_URL: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      PATCHBAY_KEY: 'pb_x',
      XDG_CACHE_HOME: folder,
      XDG_CONFIG_HOME: folder,
    },
  });
  children.push(child);
  child.stdin.end();
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (text) => (stdout += text));
  child.stderr.on('data', (text) => (stderr += text));
  const ended = new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve) =>
    child.on('close', (code) => resolve({ code, stdout, stderr })),
  );
  return { child, ended };
}
const run = (...args: string[]) => start(...args).ended;

/** An answer that says when it was asked for. */
function signalled(answer: Answer): { answer: Answer; asked: Promise<void> } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return {
    asked: promise,
    answer: (request, response) => {
      answer(request, response);
      resolve();
    },
  };
}

const weights = 'weights';
const file = {
  path: 'adapter_model.safetensors',
  size: weights.length,
  sha256: createHash('sha256').update(weights).digest('hex'),
};
const version = (number: number, more: object = {}) => ({
  number,
  reference: `alice/sql@${number}`,
  status: 'passed',
  digest: 'sha256:0',
  base: 'patchbay/tiny',
  rank: 8,
  parameters: 1,
  targetModules: [],
  size: 7,
  createdAt: '2026-11-01T00:00:00Z',
  files: [file],
  card: '',
  verification: null,
  runsOn: [],
  ...more,
});
const task = (more: object) => ({
  id: 'task-1',
  function: 'evaluate',
  model: 'alice/sql',
  base: 'patchbay/tiny',
  versions: [{ version: 'alice/sql@1', weight: 1 }],
  status: 'running',
  progress: null,
  result: null,
  error: null,
  createdAt: '2026-11-01T00:00:00Z',
  ...more,
});
const share = { value: 0.5, low: 0.4, high: 0.6 };
const evaluation = { rows: 4, tokens: 9, base: { loss: 1, accuracy: share }, model: null, gain: null };

it('login: a key that the server does not know is not kept, and where there are others is told', async () => {
  answers = { 'GET /api/whoami': [problem(401, { detail: 'The key is missing or invalid.' })] };
  const { code, stderr } = await run('login', '--key', 'pb_other');
  expect(code).toBe(EXIT.denied);
  expect(stderr).toMatch(/does not know this key.*\n.*patchbay keys create/);
  const stored = await readdir(folder, { recursive: true });
  expect(stored).not.toContain(join('patchbay', 'login.json'));
});

describe('an interrupted command', () => {
  it('leaves nothing of a download that is not complete', async () => {
    const half = signalled((_request, response) => response.writeHead(200).write('wei'));
    answers['GET /api/adapters/alice/sql/versions/1'] = [json(version(1))];
    answers['GET /api/adapters/alice/sql/versions/1/files/'] = [half.answer];
    const { child, ended } = start('pull', 'alice/sql@1', 'new/here');
    await half.asked;
    expect(await readdir(join(folder, 'new/here'))).toEqual([expect.stringMatching(/^\.pull-/)]);
    child.kill('SIGINT');
    expect((await ended).code).toBe(130);
    expect(await readdir(folder)).not.toContain('new');
  });

  it('leaves a folder that was there before it', async () => {
    await mkdir(join(folder, 'own'));
    const half = signalled((_request, response) => response.writeHead(200).write('wei'));
    answers['GET /api/adapters/alice/sql/versions/1'] = [json(version(1))];
    answers['GET /api/adapters/alice/sql/versions/1/files/'] = [half.answer];
    const { child, ended } = start('pull', 'alice/sql@1', 'own');
    await half.asked;
    child.kill('SIGINT');
    expect((await ended).code).toBe(130);
    expect(await readdir(join(folder, 'own'))).toEqual([]);
  });

  it.each([
    ['merge', 'pull'],
    ['evaluate', 'wait'],
  ])('says how to go on with what %s began', async (name, again) => {
    answers[`POST /api/tasks/${name}`] = [json(task({ function: name }))];
    const polled = signalled(json(task({ function: name })));
    answers['GET /api/tasks/task-1'] = [polled.answer];
    const { child, ended } = start(name, 'alice/sql');
    await polled.asked;
    child.kill('SIGINT');
    expect(await ended).toMatchObject({
      code: 130,
      stderr: expect.stringContaining(`It goes on: patchbay tasks ${again} task-1\n`),
    });
  });

  it('is gone on with: what it made is waited for and downloaded', async () => {
    const succeeded = { function: 'merge', status: 'succeeded', result: { files: [file] } };
    answers['GET /api/tasks/task-1'] = [json(task({ function: 'merge' })), json(task(succeeded))];
    answers['GET /api/tasks/task-1/files/'] = [(_request, response) => response.end(weights)];
    expect(await run('tasks', 'pull', 'task-1', 'merged')).toMatchObject({ code: 0 });
    expect(await readdir(join(folder, 'merged'))).toEqual([file.path]);
  });
});

describe('a connection that breaks', () => {
  const gone: Answer = (request) => request.socket.destroy();

  it('while a task runs ends nothing', async () => {
    answers['GET /api/tasks/task-1'] = [
      json(task({})),
      gone,
      problem(503, {}),
      json(task({ status: 'succeeded', result: evaluation })),
    ];
    const { code, stdout, stderr } = await run('tasks', 'wait', 'task-1');
    expect([code, stderr]).toEqual([0, expect.stringContaining('not reachable; trying again')]);
    expect(stdout).toContain('on 4 rows, 9 tokens');
  }, 20_000);

  it('and a server that is away for a moment, keep nothing from being published', async () => {
    const base = { id: 'alice/base', digest: 'sha256:0' };
    answers['POST /api/bases/alice/base'] = [problem(503, {}), gone, json({ id: 'draft-1', files: [] })];
    answers['POST /api/drafts/draft-1/complete'] = [problem(503, {}), gone, json({ kind: 'base', base })];
    const checkpoint = join(import.meta.dirname, '../seed/base/patchbay-tiny');
    expect(await run('base', 'import', checkpoint, 'alice/base')).toMatchObject({
      code: 0,
      stdout: 'imported alice/base\n',
    });
  }, 20_000);

  it('in the middle of an answer says so, and that it is for a moment', async () => {
    const delta = { choices: [{ delta: { content: 'Hel' } }] };
    answers['POST /v1/chat/completions'] = [
      (_request, response) => {
        response.writeHead(200, { 'content-type': 'text/event-stream' });
        response.write(`data: ${JSON.stringify(delta)}\n\n`, () => response.destroy());
      },
    ];
    expect(await run('chat', 'alice/sql', '-m', 'Hi')).toEqual({
      code: EXIT.unavailable,
      stdout: 'Hel',
      stderr: 'patchbay: the answer broke off\nTry again in a moment.\n',
    });
  });

  it('to whoever reads the output is no error', async () => {
    answers['GET /api/adapters?'] = [
      (_request, response) =>
        setTimeout(() => json({ adapters: [], next: null, alike: false })(_request, response), 300),
    ];
    const { child, ended } = start('search', 'x');
    child.stdout!.destroy();
    expect(await ended).toMatchObject({ code: 0, stderr: '' });
  });
});

describe('an adapter none of whose versions is listed', () => {
  const refused = {
    status: 'refused',
    verification: { problems: [{ detail: 'It says what its base says.' }], findings: null },
  };
  const adapter = (versions: object[]) => ({
    id: 'alice/sql',
    title: 'SQL',
    summary: '',
    base: 'patchbay/tiny',
    rank: 8,
    size: 7,
    latest: 0,
    card: '',
    license: null,
    task: null,
    versions,
  });

  it('is shown by its newest, with what became of it', async () => {
    answers['GET /api/adapters/alice/sql'] = [json(adapter([version(2), version(1)]))];
    answers['GET /api/adapters/alice/sql/versions/2'] = [json(version(2, refused))];
    const { code, stdout } = await run('show', 'alice/sql');
    expect([code, stdout]).toEqual([0, expect.stringContaining('SQL  (alice/sql@2, one of 2 versions)')]);
    expect(stdout).toContain('status   refused\nreason   It says what its base says.\n');
  });

  it('may have none', async () => {
    answers['GET /api/adapters/alice/sql'] = [json(adapter([]))];
    expect(await run('pull', 'alice/sql')).toMatchObject({
      code: EXIT.notFound,
      stderr: 'patchbay: alice/sql has no version yet\n',
    });
  });
});

describe('what was given wrongly', () => {
  it.each([
    [['keys', 'create', 'x', '--days', 'abc'], {}, 'patchbay: --days abc is not a number\n'],
    [['keys', 'create', 'x', '--days', '9999'], {}, 'patchbay: --days 9999 is not from 1 to 365\n'],
    [
      ['search', '--limit', '900'],
      { 'GET /api/adapters': problem(400, { field: 'limit', detail: 'limit: Too big' }) },
      'patchbay: --limit: Too big\n',
    ],
    [
      ['chat', 'alice/sql', '-m', 'Hi', '--temperature', '9'],
      {
        'POST /v1/chat/completions': json(
          { error: { message: 'temperature: Too big', param: 'temperature', code: 'invalid_request' } },
          400,
        ),
      },
      'patchbay: --temperature: Too big\n',
    ],
    [
      ['evaluate', 'patchbay/sql'],
      { 'POST /api/tasks/evaluate': problem(400, { field: 'file', detail: 'name an uploaded file' }) },
      'patchbay: --data: name an uploaded file\n',
    ],
  ] as const)('is named as it was given: %j', async (args, given, stderr) => {
    answers = Object.fromEntries(Object.entries(given).map(([asked, answer]) => [asked, [answer as Answer]]));
    expect(await run(...args)).toMatchObject({ code: EXIT.usage, stderr });
  });

  it('is a folder that no adapter can be called by', async () => {
    const adapter = join(folder, 'My Adapter');
    await mkdir(adapter);
    await writeFile(join(adapter, 'adapter_config.json'), '{"base_model_name_or_path": "patchbay/tiny"}');
    await writeFile(join(adapter, 'adapter_model.safetensors'), '');
    answers['GET /api/bases/patchbay/tiny'] = [json({ id: 'patchbay/tiny', config: {} })];
    answers['GET /api/whoami'] = [json({ owner: 'alice', scopes: [] })];
    expect(await run('publish', adapter)).toMatchObject({
      code: EXIT.usage,
      stderr: expect.stringMatching(/folder's name.*--as owner\/name/s),
    });
  });

  it('is told once of a job that it ended', async () => {
    const error = { code: 'invalid_file', message: 'validation_file: is empty.', param: 'validation_file' };
    answers['GET /v1/fine_tuning/jobs/ftjob-1'] = [
      json({
        id: 'ftjob-1',
        status: 'failed',
        model: 'patchbay/tiny',
        created_at: 0,
        fine_tuned_model: null,
        trained_tokens: null,
        error,
      }),
    ];
    answers['GET /v1/fine_tuning/jobs/ftjob-1/events'] = [json({ data: [], has_more: false })];
    expect(await run('jobs', 'follow', 'ftjob-1')).toMatchObject({
      code: EXIT.failed,
      stderr: 'patchbay: --validation: is empty.\n',
    });
  });

  it('is a folder without what its kind has', async () => {
    const missing = { code: EXIT.usage, stderr: expect.stringContaining('transformers model') };
    expect(await run('base', 'import', folder, 'alice/base')).toMatchObject(missing);
    await writeFile(join(folder, 'adapter_config.json'), '{}');
    expect((await run('publish', folder)).stderr).toContain("PEFT's save_pretrained");
    await writeFile(join(folder, 'adapter_model.safetensors'), '');
    expect((await run('publish', folder)).stderr).toContain('adapter_config.json names no base\n');
  });

  it('is another key only where a scope is what it lacks', async () => {
    answers['GET /api/keys'] = [
      problem(403, { code: 'insufficient_scope' }),
      problem(403, { code: 'forbidden' }),
    ];
    expect((await run('keys', 'list')).stderr).toBe(
      'patchbay: no\nAsk for a key with that scope: `patchbay keys create`.\n',
    );
    expect((await run('keys', 'list')).stderr).toBe('patchbay: no\n');
  });
});

it('lists the files that were uploaded, page by page, and removes one', async () => {
  const uploaded = (id: string) => ({ id, bytes: 1200, created_at: 0, filename: 'rows.jsonl' });
  answers['GET /v1/files?limit=100'] = [json({ data: [uploaded('file-1')], has_more: true })];
  answers['GET /v1/files?limit=100&after=file-1'] = [json({ data: [uploaded('file-2')], has_more: false })];
  answers['DELETE /v1/files/file-2'] = [json({})];
  expect((await run('files')).stdout).toBe(
    'FILE    SIZE    MADE              NAME\nfile-1  1.2 kB  1970-01-01 00:00  rows.jsonl\nfile-2  1.2 kB  1970-01-01 00:00  rows.jsonl\n',
  );
  expect(await run('files', 'rm', 'file-2')).toMatchObject({ code: 0, stdout: 'removed file-2\n' });
  expect((await run('files', 'rm', 'file-9')).code).toBe(EXIT.notFound);
});
