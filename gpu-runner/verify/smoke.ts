/** Does it run, and does it say anything that the base does not? */
import type { Findings, GateProblem } from '../../functions/verify.ts';
import type { Adapters, Engine } from './engine.ts';

const MAX_TOKENS = 32;
/** In nats. Two ways to the same sum differ by some 1e-5. */
const NO_DIFFERENCE = 1e-4;
const MAX_SHOWN = 500;

export interface SmokePrompt {
  readonly text: string;
  readonly tokens: readonly number[];
}

export interface SmokeResult {
  readonly smoke: NonNullable<Findings['smoke']>;
  readonly problems: readonly GateProblem[];
  readonly notes: readonly string[];
}

/** @throws Fault adapter_invalid for scores that are no numbers */
export async function smokeRun(
  engine: Engine,
  adapters: Adapters,
  prompts: readonly SmokePrompt[],
): Promise<SmokeResult> {
  const runs = await Promise.all(prompts.map((prompt) => compare(engine, adapters, prompt)));
  const maxLogprobDifference = Math.max(...runs.map(({ difference }) => difference));
  const ended = (who: 'base' | 'adapter') => runs.filter((run) => run[who].ended).length;
  const shown = (text: string) => (text.length > MAX_SHOWN ? `${text.slice(0, MAX_SHOWN)}...` : text);
  return {
    smoke: {
      prompts: runs.length,
      maxLogprobDifference: Number(maxLogprobDifference.toPrecision(4)),
      changedAnswers: runs.filter(({ base, adapter }) => base.text !== adapter.text).length,
      answers: runs.map(({ prompt, base, adapter }) => ({
        prompt: shown(prompt),
        base: shown(base.text),
        adapter: shown(adapter.text),
      })),
    },
    problems:
      maxLogprobDifference < NO_DIFFERENCE
        ? [
            {
              code: 'no_effect',
              detail: `On ${runs.length} prompts the adapter says what the base says: no token's log-probability differs by ${NO_DIFFERENCE}. Was it saved before it was trained?`,
              field: 'adapter_model.safetensors',
            },
          ]
        : [],
    notes:
      ended('adapter') === 0 && ended('base') > 0
        ? [
            `None of its ${runs.length} answers ended within ${MAX_TOKENS} tokens; ${ended('base')} of the base's did.`,
          ]
        : [],
  };
}

/** Both answer; then the adapter says what it thinks of the base's answer, token by token. */
async function compare(engine: Engine, adapters: Adapters, { text, tokens }: SmokePrompt) {
  const [base, adapted] = await Promise.all([
    engine.answer(tokens, [], MAX_TOKENS),
    engine.answer(tokens, adapters, MAX_TOKENS),
  ]);
  const asked = base.tokens.length > 0 ? base.tokens : [0]; // any token tells, where the base says nothing
  const [before, after] = await Promise.all([
    engine.score(tokens, asked, []),
    engine.score(tokens, asked, adapters),
  ]);
  const difference = Math.max(...before.map(({ logprob }, i) => Math.abs(logprob - after[i]!.logprob)));
  return { prompt: text, base, adapter: adapted, difference };
}
