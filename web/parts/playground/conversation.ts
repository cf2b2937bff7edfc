/** What was asked and what each column answered; and the asking. */
import { useEffect, useReducer, useRef } from 'react';
import { openai } from '../../openai.ts';
import type { Setup } from './setup.ts';

export interface Token {
  readonly text: string;
  readonly logprob: number;
  /** The most probable tokens at its place, it among them as a rule. */
  readonly top: readonly { readonly text: string; readonly logprob: number }[];
}

export interface Answer {
  /** Unasked: its column came later. */
  readonly state: 'unasked' | 'running' | 'done' | 'stopped' | 'failed';
  readonly text: string;
  readonly tokens: readonly Token[];
  readonly failure?: unknown;
  /** Milliseconds from the question to the first token, and to the last. */
  readonly firstMs?: number;
  readonly totalMs?: number;
  /** Tokens of the answer, as the server counts them. */
  readonly count?: number;
}

export interface Turn {
  readonly prompt: string;
  /** By column. */
  readonly answers: readonly Answer[];
}

type Action =
  | { type: 'ask'; turn: number; prompt: string; columns: number }
  | { type: 'again'; turn: number; column: number }
  | { type: 'column added' }
  | { type: 'column removed'; column: number }
  | { type: 'cleared' }
  | { type: 'answer'; turn: number; column: number; change: (before: Answer) => Answer };

const STARTED: Answer = { state: 'running', text: '', tokens: [] };
const UNASKED: Answer = { ...STARTED, state: 'unasked' };
const TOP_TOKENS = 5;

export function reduce(turns: readonly Turn[], action: Action): readonly Turn[] {
  const answers = (turn: number, change: (answers: readonly Answer[]) => readonly Answer[]) =>
    turns.map((one, i) => (i === turn ? { ...one, answers: change(one.answers) } : one));
  switch (action.type) {
    // What came after an edited question was about another one.
    case 'ask':
      return [
        ...turns.slice(0, action.turn),
        { prompt: action.prompt, answers: Array.from({ length: action.columns }, () => STARTED) },
      ];
    case 'again':
      return answers(action.turn, (all) => all.map((one, i) => (i === action.column ? STARTED : one))).slice(
        0,
        action.turn + 1,
      );
    case 'column added':
      return turns.map((turn) => ({ ...turn, answers: [...turn.answers, UNASKED] }));
    case 'column removed':
      return turns.map((turn) => ({ ...turn, answers: turn.answers.filter((_, i) => i !== action.column) }));
    case 'cleared':
      return [];
    case 'answer':
      return answers(action.turn, (all) =>
        all.map((one, i) => (i === action.column ? action.change(one) : one)),
      );
  }
}

export function useConversation() {
  const [turns, change] = useReducer(reduce, []);
  const running = useRef(new Map<number, AbortController>());
  const stop = (column?: number) => {
    for (const [one, controller] of running.current)
      if (column === undefined || one === column) controller.abort();
  };
  // biome-ignore lint/correctness/useExhaustiveDependencies: when the page is left, and only then
  useEffect(() => () => stop(), []);

  const run = async (setup: Setup, before: readonly Turn[], prompt: string, column: number) => {
    running.current.get(column)?.abort();
    const controller = new AbortController();
    running.current.set(column, controller);
    const put = (next: (answer: Answer) => Answer) => {
      // An answer that was replaced meanwhile is nobody's any more.
      if (running.current.get(column) === controller)
        change({ type: 'answer', turn: before.length, column, change: next });
    };
    await answer(setup, before, prompt, column, controller.signal, put);
  };

  return {
    turns,
    isRunning: turns.some(({ answers }) => answers.some(({ state }) => state === 'running')),
    stop,
    clear() {
      stop();
      running.current.clear();
      change({ type: 'cleared' });
    },
    /** @param turn which one is asked anew; the next one unless given */
    ask(setup: Setup, prompt: string, turn = turns.length) {
      stop();
      change({ type: 'ask', turn, prompt, columns: setup.models.length });
      const before = turns.slice(0, turn);
      for (const column of setup.models.keys()) void run(setup, before, prompt, column);
    },
    again(setup: Setup, turn: number, column: number) {
      change({ type: 'again', turn, column });
      void run(setup, turns.slice(0, turn), turns[turn]!.prompt, column);
    },
    addColumn() {
      change({ type: 'column added' });
    },
    removeColumn(column: number) {
      stop();
      running.current.clear();
      change({ type: 'column removed', column });
    },
  };
}

async function answer(
  setup: Setup,
  before: readonly Turn[],
  prompt: string,
  column: number,
  signal: AbortSignal,
  put: (next: (answer: Answer) => Answer) => void,
): Promise<void> {
  const began = performance.now();
  const since = () => performance.now() - began;
  const { system, temperature, topP, maxTokens, seed } = setup;
  const history = before.flatMap((turn) => {
    const known = turn.answers[column];
    if (!known || known.state === 'unasked') return [];
    return [
      { role: 'user' as const, content: turn.prompt },
      { role: 'assistant' as const, content: known.text },
    ];
  });
  try {
    const stream = await openai().chat.completions.create(
      {
        model: setup.models[column]!,
        messages: [
          ...(system ? [{ role: 'system' as const, content: system }] : []),
          ...history,
          { role: 'user', content: prompt },
        ],
        temperature,
        top_p: topP,
        max_completion_tokens: maxTokens,
        ...(seed === undefined ? {} : { seed }),
        logprobs: true,
        top_logprobs: TOP_TOKENS,
        stream: true,
        stream_options: { include_usage: true },
      },
      { signal },
    );
    for await (const { choices, usage } of stream) {
      const [choice] = choices;
      const text = choice?.delta.content ?? '';
      const tokens = (choice?.logprobs?.content ?? []).map(({ token, logprob, top_logprobs }) => ({
        text: token,
        logprob,
        top: top_logprobs.map((one) => ({ text: one.token, logprob: one.logprob })),
      }));
      put((so) => ({
        ...so,
        text: so.text + text,
        tokens: [...so.tokens, ...tokens],
        ...(text && so.firstMs === undefined ? { firstMs: since() } : {}),
        ...(usage ? { count: usage.completion_tokens } : {}),
      }));
    }
    put((so) => ({ ...so, state: 'done', totalMs: since() }));
  } catch (error) {
    put((so) =>
      signal.aborted
        ? { ...so, state: 'stopped', totalMs: since() }
        : { ...so, state: 'failed', failure: error },
    );
  }
}
