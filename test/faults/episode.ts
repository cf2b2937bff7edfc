/** Runs: a load, what goes wrong, time to settle, and what has to hold. They share the processes that survive them. */
import { baseId } from '../in-process.ts';
import { Deployment } from './deployment.ts';
import { inject } from './inject.ts';
import { madeBy, type Seen, type Trained, violations } from './invariants.ts';
import { type Download, type Look, lookAround } from './load/browsing.ts';
import type { Load } from './load/load.ts';
import { adapterOf, type Publishing, publishAgainAndAgain } from './load/publishing.ts';
import { ask, askAgainAndAgain, PROMPTS, type Stream } from './load/streams.ts';
import { RECIPES, type Training, train } from './load/training.ts';
import { LOAD_MS, planOf } from './plan.ts';
import { Random } from './random.ts';
import { settle } from './settle.ts';
import { Timeline } from './timeline.ts';

const STREAMS = 3;
const PUBLISHERS = 2;
const BROWSERS = 2;
/** Clients ask again for so long after the load has ended. */
const INSISTS_MS = 150_000;
/** Published before anything goes wrong. */
const FIXED = ['faults-one', 'faults-two'];

export interface Run {
  readonly seed: number;
  readonly violations: readonly string[];
  /** What happened, line by line. */
  readonly story: string;
  readonly summary: string;
}

export class Faults {
  readonly deployment: Deployment;
  private readonly downloads: Download[] = [];
  private readonly answers = new Map<string, string>();
  private trained: Trained[] = [];
  private runs = 0;

  private constructor(deployment: Deployment) {
    this.deployment = deployment;
  }

  /** With everything that a run is compared with, made while nothing goes wrong. */
  static async start(): Promise<Faults> {
    const faults = new Faults(await Deployment.start(new Timeline()));
    try {
      await faults.prepare();
    } catch (error) {
      await faults.stop();
      throw error;
    }
    return faults;
  }

  stop(): Promise<void> {
    return this.deployment.remove();
  }

  async run(seed: number): Promise<Run> {
    const { deployment } = this;
    const { timeline } = deployment;
    const plan = planOf(seed, RECIPES.length);
    const prefix = `r${seed}-${this.runs++}`;
    timeline.restart();
    for (const { away } of deployment.processes) away.length = 0;
    const before = await this.rows();
    const load = this.load(prefix, seed, [baseId, ...FIXED.map((name) => `admin/${name}`)]);
    const [streams, publishings, looks]: [Stream[], Publishing[], Look[]] = [[], [], []];
    let open = true;
    const many = (count: number, client: (number: number) => Promise<unknown>) =>
      Promise.all(Array.from({ length: count }, (_, i) => client(i + 1)));
    const clients = Promise.all([
      many(STREAMS, (i) => askAgainAndAgain(load, i, streams)),
      many(PUBLISHERS, (i) => publishAgainAndAgain(load, 100 + i, publishings)),
      many(BROWSERS, (i) => lookAround(load, 200 + i, this.downloads, looks)),
      Promise.all(plan.jobs.map(({ recipe, delay }, i) => train(load, i, recipe, delay))),
    ]).finally(() => {
      open = false;
    });
    clients.catch(() => undefined); // thrown where it is awaited
    await inject(deployment, plan, seed);
    const settled = await settle(deployment, () => open);
    const trainings: Training[] = open ? [] : (await clients)[3];
    const undisturbed = await this.askUndisturbed(streams);
    const answers = new Map([...this.answers, ...undisturbed.map(keyed)]);
    streams.push(...undisturbed); // they are paid for, too
    const { api, trainer } = deployment;
    const losses = settled.jumps + api.away.length + trainer.away.length;
    const seen = {
      prefix,
      streams,
      publishings,
      trainings,
      looks,
      before,
      losses,
      answers,
      trained: this.trained,
    };
    const found = [
      ...(settled.open === undefined ? [] : [`settle: ${settled.open}`]),
      ...(await violations(deployment, seen)),
    ];
    return {
      seed,
      violations: found,
      story: String(timeline),
      summary: summaryOf(seed, timeline, plan.faults.length, seen),
    };
  }

  /** The end of what the processes logged, for whoever looks for the reason. */
  get logs(): string {
    return this.deployment.processes.map(({ name, log }) => `--- ${name}\n${log}`).join('\n');
  }

  private load(prefix: string, seed: number, models: string[]): Load {
    const { timeline } = this.deployment;
    return {
      client: this.deployment.client(),
      timeline,
      prefix,
      endsAt: LOAD_MS,
      givesUpAt: LOAD_MS + INSISTS_MS,
      random: (client) => new Random(seed, client),
      models,
    };
  }

  private async prepare(): Promise<void> {
    const { deployment } = this;
    const client = deployment.client();
    for (const [i, name] of FIXED.entries()) {
      const files = await adapterOf(new Random(i, 0));
      await client.publish(`/api/adapters/admin/${name}/versions`, {}, files);
      const { rows } = await deployment.database.query<{ path: string; sha256: string }>(
        'select path, sha256 from version_files where adapter_id = $1',
        [`admin/${name}`],
      );
      for (const { path, sha256 } of rows)
        this.downloads.push({ path: `/api/adapters/admin/${name}/versions/1/files/${path}`, sha256 });
    }
    for (const model of [baseId, ...FIXED.map((name) => `admin/${name}`)])
      for (const prompt of PROMPTS) await this.learnAnswer(model, prompt);
    deployment.timeline.restart(); // patience counts from here
    const load = this.load('undisturbed', 0, []);
    for (const [recipe] of RECIPES.entries()) {
      const { id, status, model } = await train(load, recipe, recipe, 0);
      if (status !== 'succeeded') throw new Error(`undisturbed job ${id} is ${status}`);
      const { sha256, steps, tokens } = await madeBy(deployment.database, id!, model!);
      this.trained.push({ sha256, steps, tokens });
    }
  }

  private async learnAnswer(model: string, prompt: string): Promise<void> {
    const { outcome, text, detail } = await ask(this.load('', 0, []), model, prompt);
    if (outcome !== 'finished') throw new Error(`${model} does not answer: ${outcome} ${detail}`);
    this.answers.set(`${model} ${prompt}`, text);
  }

  /** What models of this run say when nothing goes wrong any more. */
  private async askUndisturbed(streams: readonly Stream[]): Promise<Stream[]> {
    const asked = new Map<string, Stream>();
    for (const { model, prompt } of streams) {
      const key = `${model} ${prompt}`;
      // Without a number, it is another version later.
      if (this.answers.has(key) || asked.has(key) || !model.includes('@')) continue;
      asked.set(key, await ask(this.load('', 0, []), model, prompt));
    }
    return [...asked.values()];
  }

  private async rows(): Promise<Seen['before']> {
    const { rows } = await this.deployment.database.query<Seen['before']>(
      'select (select coalesce(max(id), 0)::int from usage) as usage, (select coalesce(max(id), 0)::int from events) as event',
    );
    return rows[0]!;
  }
}

const keyed = ({ model, prompt, text }: Stream) => [`${model} ${prompt}`, text] as const;

function summaryOf(seed: number, timeline: Timeline, faults: number, seen: Seen): string {
  const { streams, publishings, trainings, looks } = seen;
  const outcomes = Object.entries(Object.groupBy(streams, ({ outcome }) => outcome)).map(
    ([outcome, some]) => `${some.length} ${outcome}`,
  );
  const listed = publishings.filter((one) => one.listed).length;
  const succeeded = trainings.filter(({ status }) => status === 'succeeded').length;
  return `seed ${seed}: ${faults} faults in ${(timeline.ms / 1000).toFixed(1)} s; streams ${outcomes.join(', ')}; ${listed} of ${publishings.length} published; ${succeeded} of ${trainings.length} trained; ${looks.length} looks`;
}
