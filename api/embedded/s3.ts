/**
 * The object store of a single machine: the part of S3's protocol that Patchbay uses, over a folder, reached with the same
 * client as any S3. Signatures are checked as S3 checks them, so presigned URLs mean the same here as there.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { DigestMismatch, S3Store, sizeOf } from './s3-store.ts';
import { type Credentials, isSigned } from './sigv4.ts';

export interface EmbeddedS3 {
  readonly endpoint: string;
  /** For this very process, which need not send bytes to itself through a socket. @returns undefined: there is no such object */
  read(
    key: string,
    range?: { offset: number; length: number },
  ): Promise<ReadableStream<Uint8Array> | undefined>;
  close(): Promise<void>;
}

const XML = '<?xml version="1.0" encoding="UTF-8"?>\n';
const MAX_LISTED = 1000;
/** A CompleteMultipartUpload of 10,000 parts is about 1 MB. */
const MAX_XML = 4 * 2 ** 20;

class S3Error extends Error {
  readonly status: number;
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}

export async function startEmbeddedS3(options: {
  folder: string;
  host: string;
  port: number;
  bucket: string;
  credentials: Credentials;
}): Promise<EmbeddedS3> {
  const store = await S3Store.open(options.folder);
  const server = createServer((request, response) => {
    handle(request, response, store, options).catch((error: unknown) => fail(request, response, error));
  });
  // A part of 8 MiB over a slow line takes longer than Node's default for a whole request.
  server.requestTimeout = 3_600_000;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, resolve);
  });
  const { port } = server.address() as AddressInfo;
  return {
    endpoint: `http://${options.host.includes(':') ? `[${options.host}]` : options.host}:${port}`,
    read: async (key, range) => {
      const object = store.find(key);
      if (!object) return undefined;
      const start = range?.offset ?? 0;
      const end = range ? start + range.length : sizeOf(object);
      return store.read(object, start, end - 1);
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeIdleConnections();
        setTimeout(() => server.closeAllConnections(), 2_000).unref();
      }),
  };
}

interface Options {
  readonly bucket: string;
  readonly credentials: Credentials;
}

async function handle(
  request: IncomingMessage,
  response: ServerResponse,
  store: S3Store,
  options: Options,
): Promise<void> {
  const url = new URL(request.url ?? '/', `http://${request.headers.host ?? 'localhost'}`);
  const method = request.method ?? 'GET';
  // Browsers send and fetch files, from whichever page: what they may do is in the signature of the URL, not in a cookie.
  response.setHeader('access-control-allow-origin', '*');
  response.setHeader('access-control-expose-headers', 'etag, content-range, content-length');
  if (method === 'OPTIONS') return preflight(response);
  if (!isSigned({ method, url, headers: request.headers }, options.credentials, Date.now())) {
    throw new S3Error(
      403,
      'SignatureDoesNotMatch',
      'The request is not signed by a known key, or its signature has expired.',
    );
  }
  const [, bucket, ...rest] = url.pathname.split('/');
  const key = decodeURIComponent(rest.join('/'));
  if (bucket !== options.bucket) throw new S3Error(404, 'NoSuchBucket', 'The bucket does not exist.');
  if (!key && method === 'GET' && url.searchParams.get('list-type') === '2')
    return list(response, store, url);
  if (!key) return empty(response, method === 'HEAD' || method === 'PUT' ? 200 : 501);
  const uploadId = url.searchParams.get('uploadId');
  if (url.searchParams.has('uploads') && method === 'POST')
    return startUpload(response, store, options.bucket, key);
  if (uploadId !== null) return multipart(request, response, store, url, key, uploadId);
  if (method === 'PUT') return put(request, response, store, options.bucket, key);
  if (method === 'GET' || method === 'HEAD') return get(request, response, store, url, key);
  if (method === 'DELETE') {
    await store.remove(key);
    return empty(response, 204);
  }
  throw new S3Error(501, 'NotImplemented', `${method} is not implemented.`);
}

function preflight(response: ServerResponse): void {
  response.writeHead(204, {
    'access-control-allow-methods': 'GET, HEAD, PUT',
    'access-control-allow-headers': '*',
    'access-control-max-age': '86400',
  });
  response.end();
}

/** The token of a page is the last key of the page before. */
function list(response: ServerResponse, store: S3Store, url: URL): void {
  const after = url.searchParams.get('continuation-token') ?? '';
  const left = store.list(url.searchParams.get('prefix') ?? '', after);
  const page = left.slice(0, MAX_LISTED);
  const entries = page.map(
    (object) =>
      `<Contents><Key>${escapeXml(object.key)}</Key><LastModified>${object.modified}</LastModified><ETag>&quot;${object.etag}&quot;</ETag><Size>${sizeOf(object)}</Size></Contents>`,
  );
  const isTruncated = left.length > page.length;
  const next = isTruncated
    ? `<NextContinuationToken>${escapeXml(page.at(-1)!.key)}</NextContinuationToken>`
    : '';
  xml(
    response,
    'ListBucketResult',
    `<IsTruncated>${isTruncated}</IsTruncated><KeyCount>${page.length}</KeyCount>${next}${entries.join('')}`,
  );
}

async function startUpload(
  response: ServerResponse,
  store: S3Store,
  bucket: string,
  key: string,
): Promise<void> {
  const id = await store.startUpload(key);
  xml(
    response,
    'InitiateMultipartUploadResult',
    `<Bucket>${bucket}</Bucket><Key>${escapeXml(key)}</Key><UploadId>${id}</UploadId>`,
  );
}

async function multipart(
  request: IncomingMessage,
  response: ServerResponse,
  store: S3Store,
  url: URL,
  key: string,
  id: string,
): Promise<void> {
  const parts = await store.parts(key, id);
  if (!parts)
    throw new S3Error(404, 'NoSuchUpload', 'The upload does not exist: it was completed or aborted.');
  if (request.method === 'PUT') {
    const number = Number(url.searchParams.get('partNumber'));
    if (!Number.isInteger(number) || number < 1 || number > 10_000)
      throw new S3Error(400, 'InvalidArgument', 'partNumber must be 1 to 10000.');
    const { etag } = await store.putPart(id, number, request, signedDigest(request));
    response.setHeader('etag', `"${etag}"`);
    return empty(response, 200);
  }
  if (request.method === 'GET') {
    const after = Number(url.searchParams.get('part-number-marker') ?? 0);
    const left = parts.filter(({ number }) => number > after);
    const page = left.slice(0, MAX_LISTED);
    const truncated = left.length > page.length;
    const entries = page.map(
      (part) =>
        `<Part><PartNumber>${part.number}</PartNumber><ETag>&quot;${part.etag}&quot;</ETag><Size>${sizeOf(part)}</Size></Part>`,
    );
    const marker = truncated ? `<NextPartNumberMarker>${page.at(-1)?.number}</NextPartNumberMarker>` : '';
    return xml(
      response,
      'ListPartsResult',
      `<UploadId>${id}</UploadId><IsTruncated>${truncated}</IsTruncated>${marker}${entries.join('')}`,
    );
  }
  if (request.method === 'POST') {
    const asked = [...(await readXml(request)).matchAll(/<PartNumber>(\d+)<\/PartNumber>/g)].map(
      ([, number]) => Number(number),
    );
    const chosen = asked.map((number) => parts.find((part) => part.number === number));
    if (chosen.length === 0 || chosen.some((part) => !part))
      throw new S3Error(400, 'InvalidPart', 'A part that was named has not been uploaded.');
    const { etag } = await store.completeUpload(
      key,
      id,
      chosen.filter((part) => part !== undefined),
    );
    return xml(
      response,
      'CompleteMultipartUploadResult',
      `<Key>${escapeXml(key)}</Key><ETag>&quot;${etag}&quot;</ETag>`,
    );
  }
  await store.abortUpload(id);
  empty(response, 204);
}

async function put(
  request: IncomingMessage,
  response: ServerResponse,
  store: S3Store,
  bucket: string,
  key: string,
): Promise<void> {
  const source = request.headers['x-amz-copy-source'];
  if (typeof source !== 'string') {
    const { etag } = await store.put(key, request, signedDigest(request));
    response.setHeader('etag', `"${etag}"`);
    return empty(response, 200);
  }
  const path = decodeURIComponent(source).replace(/^\//, '');
  const from = path.startsWith(`${bucket}/`) ? store.find(path.slice(bucket.length + 1)) : undefined;
  if (!from) throw new S3Error(404, 'NoSuchKey', 'The object to copy does not exist.');
  const { etag, modified } = await store.copy(from, key);
  xml(
    response,
    'CopyObjectResult',
    `<LastModified>${modified}</LastModified><ETag>&quot;${etag}&quot;</ETag>`,
  );
}

async function get(
  request: IncomingMessage,
  response: ServerResponse,
  store: S3Store,
  url: URL,
  key: string,
): Promise<void> {
  const object = store.find(key);
  if (!object) throw new S3Error(404, 'NoSuchKey', 'The object does not exist.');
  const size = sizeOf(object);
  const range = rangeOf(request.headers.range, size);
  response.setHeader('etag', `"${object.etag}"`);
  response.setHeader('last-modified', new Date(object.modified).toUTCString());
  response.setHeader('accept-ranges', 'bytes');
  response.setHeader('content-type', 'application/octet-stream');
  response.setHeader('content-length', range.end - range.start + 1);
  const disposition = url.searchParams.get('response-content-disposition');
  if (disposition) response.setHeader('content-disposition', disposition);
  if (range.partial) response.setHeader('content-range', `bytes ${range.start}-${range.end}/${size}`);
  response.writeHead(range.partial ? 206 : 200);
  if (request.method === 'HEAD' || size === 0) {
    response.end();
    return;
  }
  await pipeline(store.read(object, range.start, range.end), response);
}

function rangeOf(header: string | undefined, size: number): { start: number; end: number; partial: boolean } {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? '');
  if (!match || (!match[1] && !match[2])) return { start: 0, end: size - 1, partial: false };
  const start = match[1] ? Number(match[1]) : Math.max(0, size - Number(match[2]));
  const end = match[1] && match[2] ? Math.min(Number(match[2]), size - 1) : size - 1;
  if (start >= size || start > end)
    throw new S3Error(416, 'InvalidRange', 'The range lies outside the object.');
  return { start, end, partial: true };
}

/** The digest that the signature covers; undefined where the payload is unsigned. */
function signedDigest(request: IncomingMessage): string | undefined {
  const digest = String(request.headers['x-amz-content-sha256'] ?? '');
  if (digest.startsWith('STREAMING-'))
    throw new S3Error(501, 'NotImplemented', 'Chunked signatures are not implemented.');
  return /^[0-9a-f]{64}$/.test(digest) ? digest : undefined;
}

async function readXml(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request) {
    text += chunk;
    if (text.length > MAX_XML) throw new S3Error(400, 'MalformedXML', 'The body is too long.');
  }
  return text;
}

function xml(response: ServerResponse, root: string, inner: string): void {
  response.setHeader('content-type', 'application/xml');
  response.end(`${XML}<${root} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${inner}</${root}>`);
}

function empty(response: ServerResponse, status: number): void {
  response.writeHead(status);
  response.end();
}

function escapeXml(text: string): string {
  return text.replace(/[<>&"']/g, (char) => `&#${char.charCodeAt(0)};`);
}

function fail(request: IncomingMessage, response: ServerResponse, error: unknown): void {
  if (response.headersSent || request.destroyed) {
    response.destroy();
    return;
  }
  const known =
    error instanceof S3Error
      ? error
      : error instanceof DigestMismatch
        ? new S3Error(400, 'XAmzContentSHA256Mismatch', 'The body is not what was signed.')
        : new S3Error(500, 'InternalError', 'Something failed.');
  response.writeHead(known.status, { 'content-type': 'application/xml', connection: 'close' });
  response.end(
    request.method === 'HEAD'
      ? undefined
      : `${XML}<Error><Code>${known.code}</Code><Message>${escapeXml(known.message)}</Message></Error>`,
  );
}
