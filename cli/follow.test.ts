import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { Client } from './client.ts';
import { EXIT } from './errors.ts';
import { follow, frame, JobHistory } from './follow.ts';
import { type Event, eventLine, type Job } from './jobs.ts';
import { lossCurve } from './loss-curve.ts';
import { hyperparametersOf } from './train.ts';

/** Pauses so far, which take no time here. */
const pauses: number[] = [];
vi.mock('node:timers/promises', () => ({ setTimeout: async (ms: number) => void pauses.push(ms) }));

const job: Job = {
  id: 'ftjob-1',
  status: 'running',
  model: 'patchbay/tiny',
  created_at: 0,
  fine_tuned_model: null,
  trained_tokens: null,
};
const event = (data: object, type = 'metrics', message = 'Step'): Event => ({
  id: 'e',
  level: 'info',
  message,
  type,
  data: { ...data },
});
// biome-ignore lint/suspicious/noControlCharactersInRegex: colours are taken off
const plain = (text: string) => text.replace(/\u001b\[\d+m/g, '');

describe('a job that is followed', () => {
  it('shows where it is, its curve and its last messages', () => {
    const history = new JobHistory();
    for (let step = 1; step <= 300; step++)
      history.add(
        event({
          step,
          total_steps: 400,
          train_loss: 3 / step,
          tokens_per_second: 1234.5,
          learning_rate: 1e-3,
        }),
      );
    history.add(event({ step: 300, valid_loss: 0.5 }, 'message', 'Step 300/400: validation loss=0.5'));
    const lines = plain(frame(job, history, 120)).split('\n');
    expect(lines[0]).toBe(
      'patchbay/tiny: running · step 300 of 400 · loss 0.010 · validation 0.500 · 1,235 tokens/s · rate 0.001',
    );
    expect(lines.at(-2)).toMatch(/training loss .* validation loss/);
    expect(lines.at(-1)).toBe('Step 300/400: validation loss=0.5');
    expect(lines.length).toBeGreaterThan(14);
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(120);
  });

  it('fits a narrow terminal, and needs no step at all', () => {
    const history = new JobHistory();
    history.add(event({}, 'message', 'x'.repeat(300)));
    for (const line of frame(job, history, 40).split('\n')) expect(line.length).toBeLessThan(40);
  });

  it('cannot be made to steer the terminal', () => {
    expect(eventLine(event({}, 'message', 'a\u001b[2Jb\nc\u009b31m'))).toBe('a[2Jb c31m');
  });
});

describe('a server that goes away', () => {
  const output = { json: false, isTerminal: false };
  const dropped = 0;
  let server: Server;
  let client: Client;
  /** How it answers, one time after another; the last for good. */
  let answers: number[];
  let printed: string[];

  beforeEach(async () => {
    pauses.length = 0;
    printed = [];
    for (const stream of [process.stdout, process.stderr])
      vi.spyOn(stream, 'write').mockImplementation((text) => printed.push(String(text)) > 0);
    server = createServer((request, response) => {
      const isEvents = request.url!.includes('/events');
      const status = isEvents ? 200 : answers.length > 1 ? answers.shift()! : answers[0]!;
      if (status === dropped) return request.socket.destroy();
      const isLast = answers.length === 1;
      const events = { data: [event({}, 'message', 'Step 1')], has_more: false };
      const now = { ...job, status: isLast ? 'succeeded' : 'running' };
      return response.writeHead(status).end(JSON.stringify(isEvents ? events : now));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    client = new Client({
      url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      key: undefined,
    });
  });

  afterEach(() => {
    vi.restoreAllMocks();
    server.closeAllConnections();
    server.close();
  });

  it('for a while is asked again, less and less often, and the job is followed to its end', async () => {
    answers = [200, dropped, 503, 502, 200, dropped, 200];
    expect((await follow(client, output, job.id)).status).toBe('succeeded');
    expect(pauses).toEqual([1000, 1000, 2000, 4000, 1000, 1000]);
    expect(printed).toEqual([
      'Step 1\n',
      'The server is not reachable; trying again.\n',
      'The server is not reachable; trying again.\n',
    ]);
  });

  it('for minutes is given up, with what to do next', async () => {
    answers = [200, dropped, dropped];
    await expect(follow(client, output, job.id)).rejects.toMatchObject({
      exitCode: EXIT.unavailable,
      hint: `The job goes on. Follow it again: patchbay jobs follow ${job.id}`,
    });
    const waited = pauses.reduce((sum, pause) => sum + pause, 0);
    expect(waited).toBeGreaterThan(300_000);
    expect(waited).toBeLessThan(330_000);
    expect(Math.max(...pauses)).toBe(20_000);
  });

  it('is shown under the curve on a terminal', async () => {
    answers = [200, dropped, 200];
    await follow(client, { json: false, isTerminal: true }, job.id);
    expect(plain(printed.join(''))).toMatch(
      /patchbay\/tiny: running.*not reachable; trying again.*succeeded/s,
    );
  });

  it('is no reason to ask again for a job that is not there', async () => {
    answers = [404];
    await expect(follow(client, output, job.id)).rejects.toMatchObject({ exitCode: EXIT.notFound });
    expect(pauses).toEqual([]);
  });
});

describe('a curve', () => {
  it('has the mean of the steps that share a column', () => {
    const points = Array.from({ length: 1000 }, (_, i) => [i + 1, i % 2 === 0 ? 1 : 3] as const);
    const lines = plain(lossCurve(points, [], { width: 50, height: 8 })).split('\n');
    expect(lines.some((line) => line.startsWith('2.00┤━'))).toBe(true);
    expect(Math.max(...lines.map(({ length }) => length))).toBeLessThan(70);
  });

  it('waits for a second point', () => {
    expect(lossCurve([[1, 2]], [], { width: 50, height: 8 })).toBe('');
  });
});

describe('hyperparameters', () => {
  it('have the names of the API', () => {
    expect(
      hyperparametersOf({
        epochs: '3',
        rank: '8',
        targetModules: 'q, v',
        set: ['packing=true', 'lr_scheduler_type=cosine', 'rank_pattern={"q_proj":4}'],
      }),
    ).toEqual({
      n_epochs: 3,
      r: 8,
      target_modules: ['q', 'v'],
      packing: true,
      lr_scheduler_type: 'cosine',
      rank_pattern: { q_proj: 4 },
    });
  });

  it.each([
    [{ rank: 'many' }, /--rank many is not a number/],
    [{ set: ['packing'] }, /--set packing is not key=value/],
  ])('that make no sense are refused before anything is sent: %j', (options, message) => {
    expect(() => hyperparametersOf(options)).toThrow(message);
  });
});
