/**
 * Who asks, behind CloudFront. It writes the viewer's address into a header of ours, over whatever was there, and shows in another one
 * that it is CloudFront who asks: anybody else may call the function's URL, too. X-Forwarded-For will not do. Of several addresses, a
 * function URL hands on the first alone, which viewers may have made up.
 */
import { createHash, timingSafeEqual } from 'node:crypto';

export const VIEWER_HEADER = 'x-patchbay-viewer';
export const ORIGIN_HEADER = 'x-patchbay-origin';

/** What CloudFront runs for each request: https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/functions-event-structure.html */
export const NAME_VIEWER = `function handler(event) {
  event.request.headers['${VIEWER_HEADER}'] = { value: event.viewer.ip };
  return event.request;
}`;

type Headers = Readonly<Record<string, string | undefined>>;

/**
 * @param token what CloudFront shows
 * @returns tells of a request's headers who asks; nothing where it is not CloudFront that asks
 */
export function viewerBehind(token: string | undefined): (headers: Headers) => string | undefined {
  if (!token) throw new Error('PATCHBAY_ORIGIN_TOKEN is needed here: it tells CloudFront from others.');
  const expected = digest(token);
  return (headers) =>
    timingSafeEqual(digest(headers[ORIGIN_HEADER] ?? ''), expected) ? headers[VIEWER_HEADER] : undefined;
}

const digest = (text: string) => createHash('sha256').update(text).digest();
