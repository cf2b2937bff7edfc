/** What has to hold after a run, whatever went wrong in it. Each check returns a line for each violation. */
import { createHash } from 'node:crypto';
import { train } from '../../functions/train.ts';
import type { Client } from './client.ts';
import type { Deployment } from './deployment.ts';
import { leftOver } from './left-over.ts';
import type { Look } from './load/browsing.ts';
import type { Publishing } from './load/publishing.ts';
import { MAX_TOKENS, type Stream } from './load/streams.ts';
import type { Training } from './load/training.ts';

export interface Seen {
  readonly prefix: string;
  readonly streams: readonly Stream[];
  readonly publishings: readonly Publishing[];
  readonly trainings: readonly Training[];
  readonly looks: readonly Look[];
  /** Rows of the ledger, and events, that were there before. */
  readonly before: { readonly usage: number; readonly event: number };
  /** Leases that may have run out. */
  readonly losses: number;
  /** By model and prompt: the answer when nothing goes wrong. */
  readonly answers: ReadonlyMap<string, string>;
  /** By recipe: what comes of an undisturbed job. */
  readonly trained: readonly Trained[];
}

export interface Trained {
  /** Of the weights. */
  readonly sha256: string;
  readonly steps: number;
  readonly tokens: number;
}

/** What a client may be told while others are away: each says what it is, and that it passes. */
const PASSING = new Set(['unavailable', 'busy']);
/** A connection that breaks without a word is forgiven when the API was away around then. */
const AROUND_MS = 250;

export async function violations(deployment: Deployment, seen: Seen): Promise<string[]> {
  const checks = [
    streamsEnd,
    looksEnd,
    publishedIsThere,
    nothingTwice,
    jobsEndOnce,
    ledgerAgrees,
    everybodyWasTold,
    nothingWaits,
    nobodyCrashed,
  ];
  const found = await Promise.all(
    checks.map(async (check) => (await check(deployment, seen)).map((what) => `${check.name}: ${what}`)),
  );
  // Last: it takes away what a day takes away.
  const left = await leftOver(deployment);
  return [...found.flat(), ...left.map((what) => `leftOver: ${what}`)];
}

/** The API was away at some time between these. */
function isExcused({ api }: Deployment, { beganAt, endedAt }: { beganAt: number; endedAt: number }): boolean {
  return api.away.some(({ from, to }) => from < endedAt + AROUND_MS && beganAt < to + AROUND_MS);
}

async function streamsEnd(deployment: Deployment, { streams, answers }: Seen): Promise<string[]> {
  return streams.flatMap((stream) => {
    const wrong = wrongWith(deployment, stream, answers.get(`${stream.model} ${stream.prompt}`));
    return wrong ? [`the stream ${stream.requestId} of ${stream.model} ${wrong}`] : [];
  });
}

function wrongWith(deployment: Deployment, stream: Stream, expected: string | undefined): string | undefined {
  const { outcome, text, code, detail, status } = stream;
  if (expected !== undefined && !expected.startsWith(text))
    return `said ${JSON.stringify(text)}, which does not begin ${JSON.stringify(expected)}`;
  switch (outcome) {
    case 'finished':
      if (!stream.finishReason || !stream.usage) return 'ended without a reason or a count';
      return expected === undefined || text === expected ? undefined : 'was cut short, and said to be whole';
    case 'hung':
      return 'did not end';
    case 'broken':
      return isExcused(deployment, stream) ? undefined : `broke off without a word: ${detail}`;
    case 'error':
    case 'refused':
      return PASSING.has(code ?? '') ? undefined : `was told ${status} ${code}: ${detail}`;
    case 'left':
      return undefined;
  }
}

async function looksEnd(deployment: Deployment, { looks }: Seen): Promise<string[]> {
  return looks.flatMap((look) => {
    const { path, status, code, byStore, problem } = look;
    if (problem) return [`${path} ${problem}`];
    if (status === undefined)
      return byStoreOrExcused(deployment, look) ? [] : [`${path} broke off without a word`];
    if (status === 200 || byStore || PASSING.has(code ?? '')) return [];
    return [`${path} was answered ${status} ${code}`];
  });
}

/** A download comes from the store, whose connections are reset on purpose. */
const byStoreOrExcused = (deployment: Deployment, look: Look) =>
  /\/files\//.test(look.path) || isExcused(deployment, look);

async function publishedIsThere(deployment: Deployment, { publishings }: Seen): Promise<string[]> {
  const client = deployment.client();
  const found: string[] = [];
  for (const { target, number, files, problem, left } of publishings) {
    if (problem && !left) found.push(`${target} could not be published: ${problem}`);
    if (number === undefined) continue;
    const path = `/api/adapters/${target}/versions/${number}`;
    const version = (await client.call('GET', path)).body as { status?: string };
    if (version.status !== 'passed')
      found.push(`${target}@${number} was acknowledged and is ${version.status}`);
    for (const [name, { sha256 }] of files) {
      const actual = await downloaded(client, `${path}/files/${name}`);
      if (actual !== sha256) found.push(`${name} of ${target}@${number} is ${actual} instead of ${sha256}`);
    }
  }
  return found;
}

async function downloaded(client: Client, path: string): Promise<string> {
  const response = await client.send('GET', path);
  const bytes = new Uint8Array(await response.arrayBuffer());
  return response.ok ? createHash('sha256').update(bytes).digest('hex') : `answered ${response.status}`;
}

async function nothingTwice({ database }: Deployment, { prefix, publishings }: Seen): Promise<string[]> {
  const { rows } = await database.query<{ target: string; numbers: number[]; contents: number }>(
    `select v.adapter_id as target, array_agg(v.number order by v.number) as numbers,
       count(distinct f.sha256)::int as contents
     from versions v join version_files f using (adapter_id, number)
     where f.path = 'adapter_model.safetensors' and starts_with(v.adapter_id, $1) group by 1`,
    [`admin/${prefix}-`],
  );
  const attempts = new Map<string, number>();
  for (const { target } of publishings) attempts.set(target, (attempts.get(target) ?? 0) + 1);
  return rows.flatMap(({ target, numbers, contents }) => {
    const most = attempts.get(target) ?? 1; // what a job made is published once
    if (numbers.length > most) return [`${target} has ${numbers.length} versions of ${most} attempts`];
    if (contents !== numbers.length) return [`${target} has the same content as two versions`];
    if (numbers.some((number, i) => number !== i + 1))
      return [`${target} has the versions ${numbers.join()}`];
    return [];
  });
}

async function jobsEndOnce(
  { database }: Deployment,
  { trainings, trained, losses }: Seen,
): Promise<string[]> {
  const found: string[] = [];
  for (const { id, recipe, status, model, error } of trainings) {
    if (id === undefined) {
      if (error) found.push(`a job could not be made: ${error}`);
      continue;
    }
    if (
      status === 'failed' &&
      /runners in a row went silent/.test(error ?? '') &&
      losses > train.needs.retries
    )
      continue;
    if (status !== 'succeeded') {
      found.push(`job ${id} is ${status}: ${error ?? ''}`);
      continue;
    }
    const made = await madeBy(database, id, model!);
    const expected = trained[recipe]!;
    for (const [what, value] of Object.entries(expected))
      if (made[what as keyof Trained] !== value)
        found.push(`${what} of job ${id}: ${made[what as keyof Trained]}; undisturbed ${value}`);
    const { versions, ends, told } = made;
    if (versions !== 1 || ends !== 1 || told !== 1)
      found.push(`job ${id} made ${versions} versions, ended ${ends} times, and was told of ${told} times`);
  }
  return found;
}

type Made = Trained & { readonly versions: number; readonly ends: number; readonly told: number };

/** What came of a job, as the database has it. @param model as in owner/name@v1 */
export async function madeBy(database: Deployment['database'], id: string, model: string): Promise<Made> {
  const [target, number] = model.split('@v');
  const { rows } = await database.query<Made>(
    `select
      (select sha256 from version_files
        where adapter_id = $2 and number = $3 and path = 'adapter_model.safetensors'),
      (select count(*)::int from training_events where job_id = $1 and type = 'metrics') as steps,
      (select trained_tokens::int from training_jobs where id = $1) as tokens,
      (select count(*)::int from versions where lineage->>'jobId' = $1) as versions,
      (select count(*)::int from training_events
        where job_id = $1 and message = 'The job has successfully completed') as ends,
      (select count(*)::int from events where kind like 'job.%' and data->>'job' = $1) as told`,
    [id, target, Number(number)],
  );
  return rows[0]!;
}

interface UsageRow {
  readonly request_id: string;
  readonly kind: string;
  readonly quantity: number;
}

/**
 * A stream that was finished is in the books with exactly what its client was told. Of one that was not, at most one row of each
 * kind is there: the prompt, once it was accepted, and no more of an answer than could be asked for.
 */
async function ledgerAgrees(
  { database }: Deployment,
  { streams, trainings, trained, before }: Seen,
): Promise<string[]> {
  const { rows } = await database.query<UsageRow>(
    // Jobs pay from checkpoint to checkpoint.
    `select split_part(request_id, ' from ', 1) as request_id, kind, sum(quantity)::int as quantity
     from usage where id > $1 and kind <> 'storage' group by 1, 2`,
    [before.usage],
  );
  const found: string[] = [];
  const quantityOf = (id: string, kind: string) =>
    rows.find((row) => row.request_id === id && row.kind === kind)?.quantity;
  for (const { outcome, requestId, usage } of streams) {
    if (!requestId) continue;
    const [prompt, completion] = [quantityOf(requestId, 'prompt'), quantityOf(requestId, 'completion')];
    if (outcome !== 'finished') {
      if ((completion ?? 0) > MAX_TOKENS) found.push(`${requestId} pays for ${completion} tokens`);
      continue;
    }
    if (prompt !== usage?.prompt_tokens || completion !== usage?.completion_tokens)
      found.push(`${requestId} used ${JSON.stringify(usage)}, and pays for ${prompt} and ${completion}`);
  }
  const known = new Set([...streams.map(({ requestId }) => requestId), ...trainings.map(({ id }) => id)]);
  const unknown = new Set(rows.map(({ request_id }) => request_id).filter((id) => !known.has(id)));
  const withoutAnswer = streams.filter(({ requestId }) => !requestId).length;
  if (unknown.size > withoutAnswer)
    found.push(
      `${unknown.size} requests are paid for that nobody saw answered; ${withoutAnswer} were not answered`,
    );
  for (const { id, status, recipe } of trainings) {
    if (id === undefined || status !== 'succeeded') continue;
    const paid = rows.filter(({ request_id }) => request_id === id).map(({ quantity }) => quantity);
    if (paid.join() !== String(trained[recipe]!.tokens))
      found.push(`job ${id} pays for ${paid.join(' and ')} tokens`);
  }
  const { rows: sums } = await database.query<{ spent: string; charged: string }>(
    'select (select coalesce(sum(charge), 0) from spending) as spent, (select coalesce(sum(charge), 0) from usage) as charged',
  );
  if (sums[0]!.spent !== sums[0]!.charged)
    found.push(`${sums[0]!.spent} was spent, and ${sums[0]!.charged} charged`);
  return found;
}

async function everybodyWasTold({ database, webhooks }: Deployment, { before }: Seen): Promise<string[]> {
  const { rows } = await database.query<{ id: string; kind: string; subject: string; status: string | null }>(
    `select e.id, e.kind, e.subject, d.status from events e left join deliveries d on d.event_id = e.id
     where e.id > $1 and e.kind = any (select unnest(kinds) from webhooks)`,
    [before.event],
  );
  const untold = rows.filter(
    ({ id, status }) => status !== 'delivered' || !webhooks.received.has(`msg_${id}`),
  );
  return [
    ...webhooks.wrong.splice(0),
    ...untold.map(
      ({ id, kind, subject, status }) => `event ${id}, ${kind} of ${subject}, is ${status ?? 'no delivery'}`,
    ),
  ];
}

async function nothingWaits({ database }: Deployment): Promise<string[]> {
  const { rows } = await database.query<{ what: string; count: number }>(
    `select 'messages in the queue' as what, count(*)::int from pgboss.job where name = 'train' and state in ('created', 'retry', 'active')
     union all select 'leases', count(*)::int from training_jobs where lease_expires_at is not null
     union all select 'verifications', count(*)::int from verifications where status in ('waiting', 'running')`,
  );
  return rows.filter(({ count }) => count > 0).map(({ what, count }) => `${count} ${what}`);
}

async function nobodyCrashed({ processes }: Deployment): Promise<string[]> {
  return processes.flatMap(({ name, crashes }) =>
    crashes.splice(0).map((how) => `${name} ended by itself with ${how}`),
  );
}
