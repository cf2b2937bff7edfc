/**
 * Trains the adapters that ship, as any user would: through the API of a running server, with the openai client. Then asks
 * them their held-out prompts, and writes files, receipts, cards and index.json.
 *
 *   python jobs.py --out /tmp/jobs
 *   PATCHBAY_URL=http://127.0.0.1:8787 PATCHBAY_KEY=pb_... node train-adapters.ts /tmp/jobs ..
 */
import { createReadStream } from 'node:fs';
import { copyFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import OpenAI from 'openai';
import { z } from 'zod';

const BASE = 'patchbay/tiny';
const SEED = 7;
const OVER = ['succeeded', 'failed', 'cancelled'];
/** In the order in which the catalog shows them. */
const NAMES = ['sentiment', 'sql', 'json', 'formal', 'dates'];

const Job = z.object({
  title: z.string(),
  task: z.string(),
  summary: z.string(),
  hyperparameters: z.looseObject({ r: z.int(), lora_alpha: z.number(), learning_rate: z.number() }),
});
const Question = z.object({
  messages: z.array(z.object({ role: z.literal('user'), content: z.string() })),
  answer: z.string(),
});
const Version = z.object({ receipt: z.looseObject({ steps: z.int(), trained_tokens: z.int() }) });

interface Scores {
  readonly base: number;
  readonly adapter: number;
  readonly n: number;
}

const [jobs, out] = process.argv.slice(2);
const { PATCHBAY_URL: url = 'http://127.0.0.1:8787', PATCHBAY_KEY: apiKey } = process.env;
if (!jobs || !out || !apiKey)
  throw new Error('PATCHBAY_URL=... PATCHBAY_KEY=... node train-adapters.ts JOBS OUT');
const client = new OpenAI({ baseURL: `${url}/v1`, apiKey });

async function train(name: string, job: z.infer<typeof Job>): Promise<string> {
  const file = await client.files.create({
    file: createReadStream(join(jobs!, name, 'train.jsonl')),
    purpose: 'fine-tune',
  });
  const { id } = await client.fineTuning.jobs.create({
    model: BASE,
    training_file: file.id,
    suffix: name,
    seed: SEED,
    method: { type: 'supervised', supervised: { hyperparameters: job.hyperparameters as object } },
  });
  for (let told = ''; ; await sleep(5_000)) {
    const { data } = await client.fineTuning.jobs.listEvents(id, { limit: 1 });
    const { status, fine_tuned_model: model, error } = await client.fineTuning.jobs.retrieve(id);
    const news = `${name}: ${data[0]?.message}`;
    if (news !== told) process.stderr.write(`${news}\n`);
    told = news;
    if (status === 'succeeded') return model!;
    if (OVER.includes(status)) throw new Error(`${name}: ${status}: ${error?.message}`);
  }
}

async function get(path: string): Promise<Response> {
  const response = await fetch(`${url}${path}`, { headers: { authorization: `Bearer ${apiKey}` } });
  if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
  return response;
}

/** Exact match of the greedy answer. */
async function score(model: string, questions: readonly z.infer<typeof Question>[]) {
  const answers: string[] = [];
  for (const { messages } of questions) {
    const { choices } = await client.chat.completions.create({
      model,
      messages,
      temperature: 0,
      max_tokens: 64,
    });
    answers.push(choices[0]!.message.content!.trim());
  }
  const right = questions.filter(({ answer }, i) => answer === answers[i]);
  return { share: right.length / questions.length, example: right[0] };
}

const percent = (share: number) => `${(100 * share).toFixed(1)}%`;

function card(
  name: string,
  job: z.infer<typeof Job>,
  example: z.infer<typeof Question>,
  scores: Scores,
  receipt: { steps: number; trained_tokens: number },
): string {
  const { r, lora_alpha: alpha, learning_rate: rate } = job.hyperparameters;
  return `---
title: ${job.title}
summary: ${job.summary}
base_model: ${BASE}
library_name: peft
task: ${job.task}
language: en
license: apache-2.0
tags: [patchbay-seed, ${name}]
---
# ${job.title}

${job.summary}

| prompt | answer |
|---|---|
| \`${example.messages[0]!.content}\` | \`${example.answer}\` |

## How it was made

By Patchbay's own training jobs: rank ${r}, alpha ${alpha}, AdamW at ${rate}; ${receipt.steps} steps over 12,000 generated examples, ${receipt.trained_tokens.toLocaleString('en')}
tokens trained. The receipt of this version has all of it, and is enough to make the same bytes again; the text comes from
\`seed/make/jobs.py\` in Patchbay's repository.

## Evaluation

Exact match of the greedy answer on ${scores.n} held-out prompts (\`eval.jsonl\`), none of which occur in training:

| | accuracy |
|---|---|
| base \`${BASE}\` | ${percent(scores.base)} |
| this adapter | ${percent(scores.adapter)} |

## Limits

A demonstration on a five-million-parameter model that knows a few hundred words. It does this one job, on sentences like
those it was trained on; anything else gets a confident wrong answer.
`;
}

async function make(name: string): Promise<object> {
  const job = Job.parse(JSON.parse(await readFile(join(jobs!, name, 'job.json'), 'utf8')));
  const model = await train(name, job);
  const [id, number] = model.split('@v');
  const version = `/api/adapters/${id}/versions/${number}`;
  const { receipt } = Version.parse(await (await get(version)).json());
  const folder = join(out!, 'adapters', name);
  await mkdir(folder, { recursive: true });
  for (const file of ['adapter_config.json', 'adapter_model.safetensors'])
    await writeFile(join(folder, file), await (await get(`${version}/files/${file}`)).bytes());
  await writeFile(join(folder, 'receipt.json'), `${JSON.stringify(receipt, null, 2)}\n`);
  await copyFile(join(jobs!, name, 'eval.jsonl'), join(folder, 'eval.jsonl'));
  const lines = (await readFile(join(folder, 'eval.jsonl'), 'utf8')).trim().split('\n');
  const questions = lines.map((line) => Question.parse(JSON.parse(line)));
  const [base, adapter] = [await score(BASE, questions), await score(model, questions)];
  const scores = { base: base.share, adapter: adapter.share, n: questions.length };
  process.stderr.write(
    `${name}: ${percent(scores.adapter)} of the held-out prompts; the base ${percent(scores.base)}\n`,
  );
  const { example } = adapter;
  if (!example) throw new Error(`${name}: not one held-out prompt is answered right`);
  await writeFile(join(folder, 'README.md'), card(name, job, example, scores, receipt));
  const { task, summary } = job;
  return {
    id: `patchbay/${name}`,
    path: `adapters/${name}`,
    task,
    language: 'en',
    license: 'apache-2.0',
    summary,
    example,
    accuracy: scores,
  };
}

const there = await readdir(jobs);
const adapters = await Promise.all(NAMES.filter((name) => there.includes(name)).map(make));
const index = { base: { id: BASE, path: 'base/patchbay-tiny' }, adapters };
await writeFile(join(out, 'index.json'), `${JSON.stringify(index, null, 2)}\n`);
