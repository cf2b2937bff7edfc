/**
 * Checks AWS Signature Version 4, in the Authorization header and in presigned URLs. Specification: "Authenticating
 * Requests (AWS Signature Version 4)", Amazon S3 API Reference.
 */
import { createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';

export interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly region: string;
}

export interface SignedRequest {
  readonly method: string;
  readonly url: URL;
  readonly headers: IncomingHttpHeaders;
}

const ALGORITHM = 'AWS4-HMAC-SHA256';
/** Clocks may differ by this much. */
const SKEW_MS = 15 * 60_000;
const MAX_EXPIRY_SECONDS = 7 * 86_400;

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const hmac = (key: string | Buffer, text: string): Buffer => createHmac('sha256', key).update(text).digest();

interface Claim {
  readonly credential: string;
  readonly signedHeaders: string;
  readonly signature: string;
  readonly date: string;
  readonly payloadHash: string;
  /** Parameters that were signed; a presigned URL's signature is not among them. */
  readonly query: URLSearchParams;
  readonly expiresAt: number;
}

/** Whether the request was signed by the holder of the secret, for now and for exactly this request. */
export function isSigned(request: SignedRequest, credentials: Credentials, now: number): boolean {
  const claim = presigned(request) ?? inHeader(request);
  if (!claim) return false;
  const signedAt = parseDate(claim.date);
  if (Number.isNaN(signedAt) || signedAt > now + SKEW_MS || now > claim.expiresAt) return false;
  const day = claim.date.slice(0, 8);
  const scope = `${day}/${credentials.region}/s3/aws4_request`;
  if (claim.credential !== `${credentials.accessKeyId}/${scope}`) return false;
  if (!claim.signedHeaders.split(';').includes('host')) return false;
  const toSign = [ALGORITHM, claim.date, scope, sha256(canonicalRequest(request, claim))].join('\n');
  const key = ['aws4_request'].reduce(
    hmac,
    [credentials.region, 's3'].reduce(hmac, hmac(`AWS4${credentials.secretAccessKey}`, day)),
  );
  const expected = hmac(key, toSign);
  const given = Buffer.from(claim.signature, 'hex');
  return given.length === expected.length && timingSafeEqual(given, expected);
}

function presigned({ url }: SignedRequest): Claim | undefined {
  const query = url.searchParams;
  if (query.get('X-Amz-Algorithm') !== ALGORITHM) return undefined;
  const signed = new URLSearchParams(query);
  signed.delete('X-Amz-Signature');
  const date = query.get('X-Amz-Date') ?? '';
  const seconds = Number(query.get('X-Amz-Expires'));
  if (!(seconds > 0 && seconds <= MAX_EXPIRY_SECONDS)) return undefined;
  return {
    credential: query.get('X-Amz-Credential') ?? '',
    signedHeaders: query.get('X-Amz-SignedHeaders') ?? '',
    signature: query.get('X-Amz-Signature') ?? '',
    date,
    payloadHash: query.get('X-Amz-Content-Sha256') ?? 'UNSIGNED-PAYLOAD',
    query: signed,
    expiresAt: parseDate(date) + seconds * 1000,
  };
}

function inHeader({ headers, url }: SignedRequest): Claim | undefined {
  const match = /^AWS4-HMAC-SHA256 Credential=([^,]+), ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]+)$/.exec(
    headers.authorization ?? '',
  );
  if (!match) return undefined;
  const date = String(headers['x-amz-date'] ?? '');
  return {
    credential: match[1]!,
    signedHeaders: match[2]!,
    signature: match[3]!,
    date,
    payloadHash: String(headers['x-amz-content-sha256'] ?? ''),
    query: url.searchParams,
    expiresAt: parseDate(date) + SKEW_MS,
  };
}

function canonicalRequest(
  { method, url, headers }: SignedRequest,
  { signedHeaders, payloadHash, query }: Claim,
): string {
  const parameters = [...query].map(([name, value]) => [encode(name), encode(value)] as const);
  parameters.sort(([a, x], [b, y]) => (a < b ? -1 : a > b ? 1 : x < y ? -1 : x > y ? 1 : 0));
  const path = url.pathname
    .split('/')
    .map((part) => encode(decodeURIComponent(part)))
    .join('/');
  const lines = signedHeaders.split(';').map(
    (name) =>
      `${name}:${String(headers[name] ?? '')
        .trim()
        .replace(/ +/g, ' ')}\n`,
  );
  return [
    method,
    path,
    parameters.map((pair) => pair.join('=')).join('&'),
    lines.join(''),
    signedHeaders,
    payloadHash,
  ].join('\n');
}

function encode(text: string): string {
  return encodeURIComponent(text).replace(
    /[!'()*]/g,
    (char) => `%${char.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

/** 20260131T235959Z in milliseconds. */
function parseDate(date: string): number {
  const match = /^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/.exec(date);
  return match
    ? Date.parse(`${match[1]}-${match[2]}-${match[3]}T${match[4]}:${match[5]}:${match[6]}Z`)
    : Number.NaN;
}
