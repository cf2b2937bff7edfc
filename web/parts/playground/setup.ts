/** What a playground is set up with. All of it is in the URL, so that it can be shared. */
import { formatReference, parseReference, type Term } from '../../../adapter/reference.ts';

export const MAX_COLUMNS = 4;

export interface Setup {
  /** What each column asks: as `model` names it. */
  readonly models: readonly string[];
  readonly system: string;
  readonly temperature: number;
  readonly topP: number;
  readonly maxTokens: number;
  /** Absent: another one each time. */
  readonly seed: number | undefined;
  /** What was asked, in turn. */
  readonly prompts: readonly string[];
}

const MAX_PROMPTS = 32;

/** @param fallback models, where none is named */
export function readSetup(params: URLSearchParams, fallback: readonly string[]): Setup {
  const number = (name: string, otherwise: number, low: number, high: number) => {
    const value = Number(params.get(name) ?? otherwise);
    return Number.isFinite(value) ? Math.min(high, Math.max(low, value)) : otherwise;
  };
  const models = params.getAll('model').filter(Boolean).slice(0, MAX_COLUMNS);
  const seed = params.get('seed');
  return {
    models: models.length > 0 ? models : fallback,
    system: params.get('system') ?? '',
    temperature: number('temperature', 0.7, 0, 2),
    topP: number('top_p', 1, 0.01, 1),
    maxTokens: Math.round(number('max_tokens', 256, 1, 4096)),
    seed: seed && /^\d{1,9}$/.test(seed) ? Number(seed) : undefined,
    prompts: params.getAll('prompt').slice(0, MAX_PROMPTS),
  };
}

export function writeSetup(setup: Setup): URLSearchParams {
  const { models, system, temperature, topP, maxTokens, seed, prompts } = setup;
  const params = new URLSearchParams(models.map((model) => ['model', model]));
  if (system) params.set('system', system);
  params.set('temperature', String(temperature));
  params.set('top_p', String(topP));
  params.set('max_tokens', String(maxTokens));
  if (seed !== undefined) params.set('seed', String(seed));
  for (const prompt of prompts) params.append('prompt', prompt);
  return params;
}

/** A model's name taken apart: a base alone, or adapters with their weights. */
export function termsOf(model: string, bases: readonly string[]): readonly Term[] {
  if (bases.includes(model)) return [];
  try {
    return parseReference(model).terms;
  } catch {
    return [];
  }
}

export const modelOf = (terms: readonly Term[], base: string): string =>
  terms.length === 0 ? base : formatReference({ terms });

/** The same request as code. */
export function codeOf(setup: Setup, model: string, origin: string): string {
  const { system, temperature, topP, maxTokens, seed, prompts } = setup;
  const messages = [
    ...(system ? [{ role: 'system', content: system }] : []),
    { role: 'user', content: prompts[0] ?? 'Hello' },
  ];
  const body = {
    model,
    messages,
    temperature,
    ...(topP === 1 ? {} : { top_p: topP }),
    max_completion_tokens: maxTokens,
    ...(seed === undefined ? {} : { seed }),
  };
  const indented = JSON.stringify(body, null, 2);
  return `import OpenAI from 'openai';

const openai = new OpenAI({ baseURL: '${origin}/v1', apiKey: process.env.PATCHBAY_KEY });
const answer = await openai.chat.completions.create(${indented});
console.log(answer.choices[0].message.content);`;
}
