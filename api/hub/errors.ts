/** Errors as Hugging Face's clients tell them apart: by `X-Error-Code`, not by the body. */
import type { ApiError } from '../errors.ts';

export type HubErrorCode = 'RepoNotFound' | 'RevisionNotFound' | 'EntryNotFound';

/** What is not there. The code decides what the client raises, and whether it remembers the miss. */
export class HubNotFound extends Error {
  override readonly name = 'HubNotFound';
  readonly code: HubErrorCode;
  /** Of the revision that has no such file: with it, clients keep the miss in their cache. */
  readonly commit: string | undefined;

  constructor(code: HubErrorCode, message: string, commit?: string) {
    super(message);
    this.code = code;
    this.commit = commit;
  }
}

export function notFoundResponse({ code, message, commit }: HubNotFound): Response {
  const headers = {
    'x-error-code': code,
    'x-error-message': headerText(message),
    ...(commit === undefined ? {} : { 'x-repo-commit': commit }),
  };
  return Response.json({ error: message }, { status: 404, headers });
}

export function errorResponse(error: ApiError): Response {
  const headers: Record<string, string> = { 'x-error-message': headerText(error.message) };
  if (error.retryAfterSeconds !== undefined) headers['retry-after'] = String(error.retryAfterSeconds);
  if (error.code === 'unauthorized') headers['www-authenticate'] = 'Bearer';
  return Response.json({ error: error.message }, { status: error.status, headers });
}

/** Names that strangers chose may hold what a header cannot. */
const headerText = (text: string) => text.replace(/[^\x20-\x7e]/g, '?').slice(0, 500);
