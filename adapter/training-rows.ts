/**
 * Rows of a training file, one JSON object per line, in one of three shapes: a conversation as OpenAI's API takes it, a prompt
 * with its completion, or plain text. All rows of a file have the same shape.
 */
import { z } from 'zod';

export type Format = 'messages' | 'prompt and completion' | 'text';

export interface TrainedMessage {
  readonly role: 'system' | 'user' | 'assistant' | 'tool';
  readonly content: string;
  readonly name?: string | undefined;
  /** Whether an answer is learnt; the others are read only. */
  readonly isTarget: boolean;
}

export type Row =
  | { readonly format: 'messages'; readonly messages: readonly TrainedMessage[] }
  | { readonly format: 'prompt and completion'; readonly prompt: string; readonly completion: string }
  | { readonly format: 'text'; readonly text: string };

/** What is wrong with one line, counted from 1. */
export interface Problem {
  readonly line: number;
  /** Absent where the line is no JSON object at all. */
  readonly field?: string;
  readonly message: string;
}

export class RowError extends Error {
  override readonly name = 'RowError';
  readonly field: string | undefined;

  constructor(message: string, field?: string) {
    super(message);
    this.field = field;
  }
}

const TextPart = z.object({ type: z.literal('text'), text: z.string() });
const Content = z.union(
  [z.string(), z.array(TextPart).transform((parts) => parts.map(({ text }) => text).join(''))],
  'must be text, or a list of parts of type text',
);
const none = (what: string) => z.union([z.null(), z.array(z.unknown()).max(0)], what).optional();

const Message = z
  .object({
    role: z.enum(
      ['system', 'developer', 'user', 'assistant', 'tool'],
      'must be system, developer, user, assistant or tool',
    ),
    content: Content,
    name: z.string().max(64).optional(),
    weight: z.union([z.literal(0), z.literal(1)], 'must be 0 or 1').optional(),
    tool_calls: none('calls of tools cannot be trained'),
    function_call: z.null('calls of functions cannot be trained').optional(),
  })
  .transform(({ role, content, name, weight = 1 }) => ({
    role: role === 'developer' ? ('system' as const) : role,
    content,
    ...(name === undefined ? {} : { name }),
    isTarget: role === 'assistant' && weight === 1,
  }));

const Messages = z
  .object({
    messages: z.array(Message).min(1, 'must not be empty').max(2048, 'must not have more than 2048 messages'),
    /** As held-out rows have it: what comes after the messages, and all that is to be foretold. */
    answer: z.string().min(1, 'must not be empty').optional(),
    tools: none('calls of tools cannot be trained'),
    functions: none('calls of functions cannot be trained'),
  })
  .refine(
    ({ messages, answer }) => answer !== undefined || messages.some(({ role }) => role === 'assistant'),
    { path: ['messages'], message: 'has no answer of the assistant' },
  )
  .transform(({ messages, answer }): Row => {
    if (answer === undefined) return { format: 'messages', messages };
    const read = messages.map((message) => ({ ...message, isTarget: false }));
    return {
      format: 'messages',
      messages: [...read, { role: 'assistant', content: answer, isTarget: true }],
    };
  });

const Completion = z
  .object({ prompt: z.string(), completion: z.string().min(1, 'must not be empty') })
  .transform((row): Row => ({ format: 'prompt and completion', ...row }));

const Text = z
  .object({ text: z.string().min(1, 'must not be empty') })
  .transform((row): Row => ({ format: 'text', ...row }));

const FORMATS = [
  { format: 'messages', fields: ['messages'], schema: Messages },
  { format: 'prompt and completion', fields: ['prompt', 'completion'], schema: Completion },
  { format: 'text', fields: ['text'], schema: Text },
] as const;

/** @throws RowError */
export function parseRow(line: string): Row {
  const value = parseObject(line);
  const matching = FORMATS.filter(({ fields }) => fields.some((field) => field in value));
  if (matching.length === 0)
    throw new RowError('has none of the fields messages, prompt and completion, or text');
  if (matching.length > 1) {
    const names = matching.map(({ fields }) => fields.join(', ')).join(' as well as ');
    throw new RowError(`has ${names}: which of them is meant is not clear`, matching[1]!.fields[0]);
  }
  const parsed = matching[0]!.schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const { path, message } = parsed.error.issues[0]!;
  throw new RowError(message, path.join('.'));
}

function parseObject(line: string): object {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch (error) {
    throw new RowError(`is not JSON: ${(error as Error).message}`);
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  throw new RowError('is not a JSON object');
}
