/** A link of so many bits a second to a server on this machine: `node slow-link.ts TARGET_PORT BITS` prints the port it listens on. */
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

const [target, bits] = process.argv.slice(2).map(Number) as [number, number];
/** A timer is no more exact than this: shorter waits are made up for later. */
const SHORTEST_WAIT_MS = 2;

/** One direction, shared by all connections as a wire is. */
function wire(): (from: Socket, to: Socket) => void {
  let freeAt = 0;
  return (from, to) => {
    from.on('data', (chunk) => {
      freeAt = Math.max(freeAt, performance.now()) + (chunk.length * 8000) / bits;
      const wait = freeAt - performance.now();
      const isFull = !to.write(chunk);
      if (!isFull && wait < SHORTEST_WAIT_MS) return;
      from.pause();
      const waited = new Promise((resolve) => setTimeout(resolve, wait));
      const drained = isFull ? new Promise((resolve) => to.once('drain', resolve)) : undefined;
      Promise.all([waited, drained]).then(() => from.resume());
    });
    from.on('end', () => to.end());
    from.on('error', () => to.destroy());
    from.on('close', () => to.end());
  };
}

const [up, down] = [wire(), wire()];
const server = createServer((client) => {
  const upstream = connect(target, '127.0.0.1');
  up(client, upstream);
  down(upstream, client);
});
server.listen(0, '127.0.0.1', () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`));
