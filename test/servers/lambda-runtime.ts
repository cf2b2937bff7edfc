/**
 * What AWS puts around a Lambda with a streaming function URL: requests become events (payload format 2.0), and the answer is a
 * stream of which the first bytes are its status and headers as JSON, then eight zeros, then the body.
 * https://docs.aws.amazon.com/lambda/latest/dg/urls-invocation.html, and HttpResponseStream.js of the runtime interface client.
 * (An instance of AWS's works on one request at a time, and more instances are started; here one does all of it.)
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { Writable } from 'node:stream';

const HANDLER_STREAMING = Symbol.for('aws.lambda.runtime.handler.streaming');
const CONTENT_TYPE = 'application/vnd.awslambda.http-integration-response';
const DELIMITER = Buffer.alloc(8);
/** Of a request, its body in base64; AWS answers the longer ones itself. */
const MAX_PAYLOAD = 6 * 2 ** 20;

interface Prelude {
  readonly statusCode: number;
  readonly headers: Record<string, string>;
  readonly cookies: readonly string[];
}

type Handler = ((event: unknown, stream: ResponseStream, context: unknown) => Promise<unknown>) & {
  [HANDLER_STREAMING]?: string;
};

class ResponseStream extends Writable {
  contentType: string | undefined;
  beforeFirstWrite: ((write: (chunk: Uint8Array) => void) => void) | undefined;
  private readonly passOn: (chunk: Uint8Array, done: () => void) => void;

  constructor(passOn: (chunk: Uint8Array, done: () => void) => void) {
    super();
    this.passOn = passOn;
  }

  setContentType(type: string): void {
    this.contentType = type;
  }

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    const first = this.beforeFirstWrite;
    this.beforeFirstWrite = undefined;
    first?.((bytes) => this.passOn(bytes, () => undefined));
    this.passOn(chunk, done);
  }
}

Object.assign(globalThis, {
  awslambda: {
    streamifyResponse(handler: Handler): Handler {
      handler[HANDLER_STREAMING] = 'response';
      return handler;
    },
    HttpResponseStream: {
      from(stream: ResponseStream, prelude: Prelude): ResponseStream {
        stream.setContentType(CONTENT_TYPE);
        stream.beforeFirstWrite = (write) => {
          write(Buffer.from(JSON.stringify(prelude)));
          write(DELIMITER);
        };
        return stream;
      },
    },
  },
});

const { createHandler } = await import('../../api/lambda.ts');
const handler = (await createHandler(process.env)) as unknown as Handler;
if (handler[HANDLER_STREAMING] !== 'response') throw new Error('the handler does not stream');

async function read(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function eventOf(request: IncomingMessage, body: Buffer): object {
  const { pathname, search } = new URL(request.url!, 'http://any');
  const { cookie, ...rest } = request.headers;
  const headers = Object.fromEntries(Object.entries(rest).map(([name, value]) => [name, String(value)]));
  const domainName = request.headers.host!;
  return {
    version: '2.0',
    routeKey: '$default',
    rawPath: pathname,
    rawQueryString: search.slice(1),
    ...(cookie ? { cookies: cookie.split('; ') } : {}),
    headers,
    requestContext: {
      accountId: 'anonymous',
      apiId: 'abcdefghij',
      domainName,
      domainPrefix: 'abcdefghij',
      http: {
        method: request.method,
        path: pathname,
        protocol: 'HTTP/1.1',
        sourceIp: request.socket.remoteAddress,
        userAgent: headers['user-agent'],
      },
      requestId: crypto.randomUUID(),
      routeKey: '$default',
      stage: '$default',
      time: new Date().toISOString(),
      timeEpoch: Date.now(),
    },
    ...(body.length > 0 ? { body: body.toString('base64') } : {}),
    isBase64Encoded: body.length > 0,
  };
}

async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = await read(request);
  if ((body.length * 4) / 3 > MAX_PAYLOAD) {
    response.writeHead(413, { 'content-type': 'application/json' }).end('{"Message":"Request Too Long"}');
    return;
  }
  let head: Buffer | undefined = Buffer.alloc(0);
  const stream = new ResponseStream((chunk, done) => {
    if (!head) {
      // Nobody may be there any more: Lambda goes on, and what it says is lost.
      if (response.destroyed || response.write(chunk)) done();
      else response.once('drain', done).once('close', done);
      return;
    }
    head = Buffer.concat([head, chunk]);
    const at = head.indexOf(DELIMITER);
    if (at >= 0) {
      const { statusCode, headers, cookies } = JSON.parse(head.subarray(0, at).toString()) as Prelude;
      const { 'transfer-encoding': _, connection: __, ...kept } = headers; // as a gateway has it
      response.writeHead(statusCode, {
        ...kept,
        ...(cookies.length > 0 ? { 'set-cookie': [...cookies] } : {}),
      });
      response.flushHeaders();
      const rest = head.subarray(at + DELIMITER.length);
      head = undefined;
      if (rest.length > 0) response.write(rest);
    }
    done();
  });
  stream.once('finish', () => response.end());
  await handler(eventOf(request, body), stream, { awsRequestId: crypto.randomUUID() });
}

createServer((request, response) => {
  serve(request, response).catch((error: unknown) => {
    process.stderr.write(`${(error as Error).stack}\n`);
    response.destroy();
  });
}).listen(Number(process.argv[2]), '127.0.0.1');
