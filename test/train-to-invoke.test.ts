/** From rows to answers on a server as a user starts it: with the openai client, and with the command. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { toFile } from 'openai';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { seedFolder, TestServer } from './harness.ts';

let server: TestServer;
let data: string;

beforeAll(async () => {
  server = await TestServer.start();
  const text = await readFile(join(seedFolder, 'adapters/sentiment/eval.jsonl'), 'utf8');
  const questions = text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as { messages: object[]; answer: string });
  const rows = questions.map(({ messages, answer }) => ({
    messages: [...messages, { role: 'assistant', content: answer }],
  }));
  data = join(server.folder, 'rows.jsonl');
  await writeFile(data, rows.map((row) => JSON.stringify(row)).join('\n'));
});

afterAll(() => server?.remove());

const review = { role: 'user' as const, content: 'The soup was cold and the coffee was bad.' };

describe('training', () => {
  it('with the openai client: upload, train, watch, ask', async () => {
    const client = server.openai();
    const file = await client.files.create({
      file: await toFile(await readFile(data), 'rows.jsonl'),
      purpose: 'fine-tune',
    });
    const { id } = await client.fineTuning.jobs.create({
      model: 'patchbay/tiny',
      training_file: file.id,
      suffix: 'moods',
      seed: 3,
      method: { type: 'supervised', supervised: { hyperparameters: { n_epochs: 2, batch_size: 8 } } },
    });
    let job = await client.fineTuning.jobs.retrieve(id);
    while (!['succeeded', 'failed'].includes(job.status)) {
      await new Promise((resolve) => setTimeout(resolve, 200));
      job = await client.fineTuning.jobs.retrieve(id);
    }
    expect(job).toMatchObject({ status: 'succeeded', fine_tuned_model: 'admin/moods@v1' });
    const events = [];
    for await (const event of client.fineTuning.jobs.listEvents(id)) events.push(event);
    expect(events.filter(({ type }) => type === 'metrics')).toHaveLength(50);
    const checkpoints = (await client.fineTuning.jobs.checkpoints.list(id)).data;
    expect(checkpoints.length).toBeGreaterThan(1);
    for (const model of [job.fine_tuned_model!, checkpoints[0]!.fine_tuned_model_checkpoint]) {
      const { choices } = await client.chat.completions.create({ model, messages: [review], temperature: 0 });
      expect(['positive', 'negative', 'neutral']).toContain(choices[0]?.message.content);
    }
    const path = `/fine_tuning/jobs/${id}/checkpoints/${checkpoints.at(-1)!.id}/promote`;
    expect(await client.post(path)).toMatchObject({ model: 'admin/moods@v2' });
  });

  it('goes on after the server was restarted', async () => {
    const made = JSON.parse(
      (
        await server.cli(
          '--json',
          'train',
          data,
          '--base',
          'patchbay/tiny',
          '--name',
          'patient',
          '--epochs',
          '4',
          '--batch-size',
          '4',
          '--seed',
          '1',
        )
      ).stdout,
    );
    const job = () => server.openai().fineTuning.jobs.retrieve(made.id);
    const events = async () => (await server.openai().fineTuning.jobs.listEvents(made.id)).data;
    while (!(await events()).some(({ message }) => /^Step 2\d\//.test(message)))
      await new Promise((resolve) => setTimeout(resolve, 100));
    await server.stop();
    await server.start();
    while ((await job()).status !== 'succeeded') await new Promise((resolve) => setTimeout(resolve, 200));
    const messages: string[] = [];
    for await (const { message } of server.openai().fineTuning.jobs.listEvents(made.id))
      messages.push(message);
    expect(messages).toContainEqual(expect.stringMatching(/^Continues after step \d+$/));
    expect(
      messages.filter((message) => message.startsWith('Step') && message.includes('training')),
    ).toHaveLength(200);
  }, 180_000);

  it('with the command: train, follow, show, ask, and the same bytes again', async () => {
    const made = await server.cli(
      'train',
      data,
      '--base',
      'patchbay/tiny',
      '--name',
      'shell',
      '--epochs',
      '2',
      '--batch-size',
      '8',
      '--rank',
      '4',
      '--seed',
      '5',
      '--set',
      'validation_split=0.1',
      '--follow',
    );
    expect(made.stderr).toMatch(/uploading rows.jsonl/);
    expect(made.stderr).toMatch(/^ftjob-/m);
    expect(made.stdout).toMatch(/training_file: 200 rows of messages/);
    expect(made.stdout).toMatch(/Step 46\/46: training loss=/);
    expect(made.stdout).toMatch(/Made admin\/shell@1\nTalk to it: patchbay chat admin\/shell@1\n$/);
    expect(made.code).toBe(0);
    const { jobs } = JSON.parse((await server.cli('--json', 'jobs')).stdout);
    expect(jobs[0]).toMatchObject({ status: 'succeeded', fine_tuned_model: 'admin/shell@v1' });
    expect((await server.cli('jobs', 'show', jobs[0].id)).stdout).toMatch(
      /The job has successfully completed/,
    );
    const again = await server.cli('reproduce', 'admin/shell@1');
    expect(again.stdout).toMatch(/^The same bytes: adapter_model.safetensors has sha256 [0-9a-f]{64}$/m);
    expect(again.code).toBe(0);
    expect((await server.cli('warm', 'admin/shell')).stdout).toMatch(
      /^patchbay\/tiny \+ admin\/shell@1: in memory after \d+\.\d\d s$/m,
    );
  }, 180_000);

  it('with the command: what is wrong ends with a reason and an exit code', async () => {
    const bad = join(server.folder, 'bad.jsonl');
    await writeFile(bad, '{"messages": []}\n');
    const refused = await server.cli('train', bad, '--base', 'patchbay/tiny', '--follow');
    expect(refused.stderr).toMatch(
      /patchbay: training_file: 1 line cannot be used\. Line 1, messages: must not be empty\.$/m,
    );
    expect(refused.code).toBe(1);
    expect((await server.cli('train', 'nowhere.jsonl', '--base', 'patchbay/tiny')).stderr).toMatch(
      /there is no file nowhere/,
    );
    const unknown = await server.cli('train', data, '--base', 'patchbay/tiny', '--set', 'lerning_rate=1');
    expect(unknown.stderr).toMatch(/lerning_rate/);
    expect((await server.cli('jobs', 'cancel', 'ftjob-none')).code).toBe(4);
  });
});
