/** The wire between two processes: forwards bytes until it is told not to. */
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** `partitioned`: bytes, and ends of connections, are held back both ways and nobody is told, as when a switch fails; they arrive later. */
export type LinkState = 'open' | 'partitioned';

export class Link {
  readonly port: number;
  private readonly server: Server;
  private readonly sockets = new Set<Socket>();
  private state: LinkState = 'open';
  /** What happened to connections since nobody is told. */
  private untold: (() => void)[] = [];

  private constructor(server: Server, target: number) {
    this.server = server;
    this.port = (server.address() as AddressInfo).port;
    server.on('connection', (near) => this.join(near, connect(target, '127.0.0.1')));
  }

  /** @param target a port of this machine */
  static async open(target: number): Promise<Link> {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return new Link(server, target);
  }

  partition(): void {
    this.state = 'partitioned';
    for (const socket of this.sockets) socket.pause();
  }

  heal(): void {
    this.state = 'open';
    for (const socket of this.sockets) socket.resume();
    for (const tell of this.untold.splice(0)) tell();
  }

  /** Every connection is reset; new ones are taken. */
  cut(): void {
    for (const socket of this.sockets) socket.resetAndDestroy();
  }

  close(): Promise<void> {
    this.heal();
    this.cut();
    return new Promise((resolve) => this.server.close(() => resolve()));
  }

  private join(near: Socket, far: Socket): void {
    for (const [socket, other] of [
      [near, far],
      [far, near],
    ] as const) {
      socket.setNoDelay(true);
      this.sockets.add(socket);
      socket.on('data', (chunk) => {
        if (!other.write(chunk)) socket.pause();
      });
      other.on('drain', () => this.state === 'open' && socket.resume());
      const tell = (what: () => void) => (this.state === 'open' ? what() : this.untold.push(what));
      socket.on('end', () => tell(() => other.end()));
      // One that the other end reset, or that found nobody, ends its counterpart the same way.
      socket.on('error', () => tell(() => other.resetAndDestroy()));
      socket.on('close', () => {
        this.sockets.delete(socket);
        tell(() => other.destroySoon());
      });
      if (this.state === 'partitioned') socket.pause();
    }
  }
}
