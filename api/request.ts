/** Reads a JSON body within its limit, whatever the client says of its length, and checks input against its schema. */
import type { z } from 'zod';
import { MAX_BODY, tooLarge } from './context.ts';
import { ApiError } from './errors.ts';

/** A client that still sends may miss the answer: what is too large is read on, and dropped, up to this. */
const MAX_DROPPED = 64 * 2 ** 20;

/** @throws ApiError too_large, invalid_request */
export async function readJsonBody(request: Request): Promise<unknown> {
  const text = await readTextBody(request);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new ApiError('invalid_request', `The body is not valid JSON: ${(error as Error).message}`);
  }
}

/** @throws ApiError too_large, invalid_request */
export async function readTextBody(request: Request): Promise<string> {
  if (Number(request.headers.get('content-length') ?? 0) > MAX_DROPPED) throw tooLarge();
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let text = '';
  let size = 0;
  try {
    for await (const chunk of request.body ?? []) {
      size += chunk.length;
      if (size > MAX_DROPPED) break;
      if (size <= MAX_BODY) text += decoder.decode(chunk, { stream: true });
    }
    if (size > MAX_BODY) throw tooLarge();
    return text + decoder.decode();
  } catch (error) {
    if (error instanceof ApiError) throw error;
    throw new ApiError('invalid_request', 'The body is not UTF-8 text, or it broke off.');
  }
}

/** @throws ApiError invalid_request, naming the parameter */
export function parseInput<T extends z.ZodType>(schema: T, input: unknown): z.infer<T> {
  const checked = schema.safeParse(input);
  if (checked.success) return checked.data;
  const issue = checked.error.issues[0]!;
  const path = issue.code === 'unrecognized_keys' ? [...issue.path, issue.keys[0]!] : issue.path;
  const field = path.join('.');
  throw new ApiError('invalid_request', field ? `${field}: ${issue.message}` : issue.message, {
    ...(field ? { field } : {}),
  });
}
