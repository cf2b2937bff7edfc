/** Stands in front of an S3 server and, while it is told to, behaves as object stores do on their bad days. */
import {
  type ClientRequest,
  createServer,
  type IncomingMessage,
  request,
  type Server,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Random } from './random.ts';

export const S3_TROUBLES = ['error', 'lost answer', 'slow', 'truncated', 'reset'] as const;
export type S3Trouble = (typeof S3_TROUBLES)[number];

const SLOW_MS = 1_500;
const BAD_DAY =
  '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>';

export class S3Faults {
  readonly endpoint: string;
  /** Requests that were spoilt. */
  spoilt = 0;
  private readonly server: Server;
  private readonly target: URL;
  private trouble: { kind: S3Trouble; share: number; random: Random } | undefined;

  private constructor(server: Server, target: string) {
    this.server = server;
    this.target = new URL(target);
    this.endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on('request', (incoming, outgoing) => this.handle(incoming, outgoing));
  }

  static async open(target: string): Promise<S3Faults> {
    const server = createServer({ keepAliveTimeout: 30_000 });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new S3Faults(server, target);
  }

  /** @param share of the requests that are spoilt */
  begin(kind: S3Trouble, share: number, random: Random): void {
    this.trouble = { kind, share, random };
  }

  end(): void {
    this.trouble = undefined;
  }

  close(): Promise<void> {
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(() => resolve()));
  }

  private handle(incoming: IncomingMessage, outgoing: ServerResponse): void {
    const { trouble } = this;
    const kind = trouble?.random.chance(trouble.share) ? trouble.kind : undefined;
    if (kind) this.spoilt++;
    if (kind === 'error') {
      incoming.resume();
      outgoing.writeHead(503, { 'content-type': 'application/xml' }).end(BAD_DAY);
    } else if (kind === 'reset') incoming.socket.resetAndDestroy();
    else if (kind === 'slow') setTimeout(() => this.forward(incoming, outgoing, kind), SLOW_MS);
    else this.forward(incoming, outgoing, kind);
  }

  /** Headers and bodies as they are: the Host is part of what was signed. */
  private forward(incoming: IncomingMessage, outgoing: ServerResponse, kind: S3Trouble | undefined): void {
    const { hostname, port } = this.target;
    const { method, url, rawHeaders } = incoming;
    const asked: ClientRequest = request({
      hostname,
      port,
      method,
      path: url,
      headers: rawHeaders,
      agent: false,
    });
    asked.on('error', () => incoming.socket.resetAndDestroy());
    outgoing.on('close', () => asked.destroy());
    incoming.pipe(asked);
    asked.on('response', (answer) => {
      if (kind === 'lost answer') {
        answer.resume();
        answer.on('end', () => incoming.socket.resetAndDestroy());
        return;
      }
      outgoing.writeHead(answer.statusCode!, answer.rawHeaders);
      answer.on('error', () => incoming.socket.resetAndDestroy());
      if (kind === 'truncated')
        answer.on('data', (chunk: Buffer) => this.truncate(chunk, incoming, outgoing));
      else answer.pipe(outgoing);
      if (kind === 'truncated') answer.on('end', () => outgoing.end());
    });
  }

  /** Half of what came first, then nothing more. */
  private truncate(chunk: Buffer, incoming: IncomingMessage, outgoing: ServerResponse): void {
    outgoing.write(chunk.subarray(0, chunk.length >> 1), () => incoming.socket.destroy());
  }
}
