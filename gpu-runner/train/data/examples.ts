/**
 * Rows to tokens, and which of them are to be learnt: by position, never by token id. A prompt is tokenised just as it is
 * when the model is served (model/prompt-worker.ts), and every answer ends with the token that ends a turn, as a target, so
 * that a trained adapter knows when to stop.
 */

import { type Row, RowError, type TrainedMessage } from '../../../adapter/training-rows.ts';
import type { ChatMessage } from '../../../functions/generate.ts';
import { TemplateError } from '../../model/chat-template.ts';
import { renderConversation } from '../../model/conversation.ts';
import type { Tokenizer } from '../../model/tokenizer.ts';

/** For templates that write today's date: a job that is resumed or reproduced on another day must read the same. */
const TEMPLATE_DATE = new Date('2025-01-01T12:00:00Z');

export interface Example {
  readonly tokens: number[];
  /** From one token up to, but not including, another; in order, and apart. */
  readonly targets: readonly Span[];
}

interface Span {
  readonly begin: number;
  readonly end: number;
}

/** One answer, and all that was read before it was given. */
interface Turn {
  readonly prompt: readonly number[];
  /** Ends with the token that ends a turn. */
  readonly answer: readonly number[];
}

/** @param endTokens of the base; the first ends what the template leaves open. @throws RowError */
export function examplesOf(row: Row, tokenizer: Tokenizer, endTokens: readonly number[]): Example[] {
  const [end] = endTokens;
  if (end === undefined) throw new RowError('the base names no token that ends an answer');
  if (row.format === 'messages') return merged(turnsOf(row.messages, tokenizer, new Set(endTokens), end));
  if (row.format === 'text') {
    const tokens = [...tokenizer.encodeText(row.text), end];
    return [{ tokens, targets: [{ begin: 1, end: tokens.length }] }];
  }
  return merged([completionTurn(row.prompt, row.completion, tokenizer, end)]);
}

function completionTurn(prompt: string, completion: string, tokenizer: Tokenizer, end: number): Turn {
  const read = tokenizer.encodeText(prompt);
  const whole = tokenizer.encodeText(prompt + completion);
  const answer = startsWith(whole, read)
    ? whole.slice(read.length)
    : tokenizer.encodeContinuation(completion);
  return { prompt: read, answer: [...answer, end] };
}

function turnsOf(
  messages: readonly TrainedMessage[],
  tokenizer: Tokenizer,
  endTokens: ReadonlySet<number>,
  end: number,
): Turn[] {
  if (!tokenizer.chatTemplate)
    throw new RowError('the base has no chat template; give prompt and completion instead', 'messages');
  const plain = messages.map(({ isTarget: _, ...message }): ChatMessage => message);
  const turns: Turn[] = [];
  for (const [i, { isTarget }] of messages.entries()) {
    if (!isTarget) continue;
    const { asked, answer } = within(i, () => writtenTurn(tokenizer, plain.slice(0, i + 1)));
    const prompt = tokenizer.encodeRendered(asked);
    const whole = tokenizer.encodeRendered(asked + answer);
    const rest = startsWith(whole, prompt) ? whole.slice(prompt.length) : tokenizer.encodeRendered(answer);
    // The message's own text holds no control tokens: the first one that ends a turn is the template's.
    const ending = rest.findIndex((token) => endTokens.has(token));
    turns.push({ prompt, answer: ending < 0 ? [...rest, end] : rest.slice(0, ending + 1) });
  }
  return turns;
}

interface WrittenTurn {
  readonly asked: string;
  readonly answer: string;
}

/** The last message as the template writes it, and what it writes when it asks for it. */
function writtenTurn(tokenizer: Tokenizer, messages: readonly ChatMessage[]): WrittenTurn {
  const turn = renderedTurn(tokenizer, messages);
  if (turn.answer !== undefined) return { asked: turn.asked, answer: turn.answer };
  // Some templates write a question in other words once it is answered (Mistral's then leave the system message out). An
  // answer looks the same after any question, so one that stays as it is shows what follows.
  const { answer } = renderedTurn(tokenizer, [{ role: 'user', content: '?' }, messages.at(-1)!]);
  if (answer === undefined)
    throw new TemplateError("the base's chat template asks for this answer in other words than it writes it");
  return { asked: turn.asked, answer };
}

function renderedTurn(tokenizer: Tokenizer, messages: readonly ChatMessage[]) {
  const now = TEMPLATE_DATE;
  const asked = renderConversation(tokenizer, messages.slice(0, -1), { now, addGenerationPrompt: true });
  const answered = renderConversation(tokenizer, messages, { now, addGenerationPrompt: false });
  return { asked, answer: answered.startsWith(asked) ? answered.slice(asked.length) : undefined };
}

/** What a template says of a message is said of this one. @throws RowError */
function within<T>(message: number, work: () => T): T {
  try {
    return work();
  } catch (error) {
    if (error instanceof TemplateError) throw new RowError(error.message, `messages.${message}`);
    throw error;
  }
}

/**
 * Turns of one conversation in as few examples as can be: one that is found again, to the token, at the beginning of the
 * next is learnt there. A template that rewrites what was said (drops earlier thoughts, say) gets an example for each turn.
 */
function merged(turns: readonly Turn[]): Example[] {
  const examples: { tokens: number[]; targets: Span[] }[] = [];
  for (const { prompt, answer } of turns.toReversed()) {
    const tokens = [...prompt, ...answer];
    const span = { begin: prompt.length, end: tokens.length };
    const later = examples.at(-1);
    if (later && startsWith(later.tokens, tokens)) later.targets.unshift(span);
    else examples.push({ tokens, targets: [span] });
  }
  return examples.reverse();
}

function startsWith(tokens: readonly number[], beginning: readonly number[]): boolean {
  return beginning.length <= tokens.length && beginning.every((token, i) => tokens[i] === token);
}
