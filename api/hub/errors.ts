/** Errors as Hugging Face's clients tell them apart: by `X-Error-Code`, not by the body. */
import { GatedError } from '../access.ts';
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

/** What was taken off the list was there for everybody to see: that it is gone says less than why. */
export class HubDisabled extends Error {
  override readonly name = 'HubDisabled';
}

/** In these words alone, clients know it. */
const DISABLED = 'Access to this resource is disabled.';

export function disabledResponse(): Response {
  return Response.json({ error: DISABLED }, { status: 403, headers: { 'x-error-message': DISABLED } });
}

/** Whatever it is that is not here, or is not to be seen. */
export const noRepository = (id: string): HubNotFound =>
  new HubNotFound(
    'RepoNotFound',
    `Repository not found: ${id}. A base of another hub is read through where the operator names it in PATCHBAY_UPSTREAM_BASES.`,
  );

export function notFoundResponse({ code, message, commit }: HubNotFound): Response {
  const headers = {
    'x-error-code': code,
    'x-error-message': headerText(message),
    ...(commit === undefined ? {} : { 'x-repo-commit': commit }),
  };
  return Response.json({ error: message }, { status: 404, headers });
}

/** @param site where the pages of adapters are */
export function errorResponse(error: ApiError, site: string): Response {
  const gated = error instanceof GatedError;
  // Without the code, clients take it for a missing repository, or tell their user to look at the network.
  const message = gated
    ? `${error.message} Its page: ${new URL(`/adapters/${error.adapterId}`, site)}`
    : error.message;
  const headers: Record<string, string> = {
    'x-error-message': headerText(message),
    ...(gated ? { 'x-error-code': 'GatedRepo' } : {}),
  };
  if (error.retryAfterSeconds !== undefined) headers['retry-after'] = String(error.retryAfterSeconds);
  if (error.code === 'unauthorized') headers['www-authenticate'] = 'Bearer';
  return Response.json({ error: message }, { status: error.status, headers });
}

/** Names that strangers chose may hold what a header cannot. */
const headerText = (text: string) => text.replace(/[^\x20-\x7e]/g, '?').slice(0, 500);
