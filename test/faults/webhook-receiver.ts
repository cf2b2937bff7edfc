/** Whom the marketplace tells what happens. */
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Webhook } from 'standardwebhooks';

export class WebhookReceiver {
  readonly url: string;
  /** Bodies by the id of their event, however often they came. */
  readonly received = new Map<string, string>();
  /** What came and should not have: with another signature, or with another body than before. */
  readonly wrong: string[] = [];
  secret = '';
  private readonly server: Server;

  private constructor(server: Server) {
    this.server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    server.on('request', (request, response) => {
      this.receive(request)
        .then(() => response.writeHead(204).end())
        .catch(() => response.destroy());
    });
  }

  static async open(): Promise<WebhookReceiver> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new WebhookReceiver(server);
  }

  close(): Promise<void> {
    this.server.closeAllConnections();
    return new Promise((resolve) => this.server.close(() => resolve()));
  }

  private async receive(request: IncomingMessage): Promise<void> {
    const body = Buffer.concat(await request.toArray()).toString();
    const header = (name: string) => String(request.headers[name] ?? '');
    const id = header('webhook-id');
    const timestamp = header('webhook-timestamp');
    // Signed again rather than verified: a clock that is wrong may be what is being tested.
    const expected = new Webhook(this.secret).sign(id, new Date(Number(timestamp) * 1000), body);
    if (header('webhook-signature') !== expected) this.wrong.push(`${id} has a wrong signature`);
    const before = this.received.get(id);
    if (before !== undefined && before !== body) this.wrong.push(`${id} came with two bodies`);
    this.received.set(id, body);
  }
}
