/** An object store for tests: serves files of this repository and made-up ones, and misbehaves on request. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import type { AdapterSource, BaseSource, FileSource } from '../../functions/generate.ts';

const FIXTURES = join(import.meta.dirname, '../../test/fixtures/parity');

/**
 * `truncate`: promises all bytes, closes after half. `corrupt`: one bit is wrong. `late`: is missing, which is said after LATE_MS.
 * `slow`: comes whole after SLOW_MS.
 */
export type Trouble = 'truncate' | 'corrupt' | 'missing' | 'too-long' | 'late' | 'slow';
const LATE_MS = 4_000;
const SLOW_MS = 500;

export class FileServer {
  /** How often each path was asked for. */
  readonly hits = new Map<string, number>();
  private readonly contents = new Map<string, { bytes: Uint8Array; trouble?: Trouble }>();
  private readonly server: Server;

  private constructor() {
    this.server = createServer((request, response) => {
      const path = request.url!;
      this.hits.set(path, (this.hits.get(path) ?? 0) + 1);
      const file = this.contents.get(path);
      if (!file || file.trouble === 'missing') return response.writeHead(404).end();
      if (file.trouble === 'late') return setTimeout(() => response.writeHead(404).end(), LATE_MS);
      const { bytes, trouble } = file;
      if (trouble === 'slow') return setTimeout(() => response.end(bytes), SLOW_MS);
      if (trouble === 'too-long') return response.end(Buffer.concat([bytes, bytes]));
      response.writeHead(200, { 'content-length': bytes.length });
      if (trouble === 'truncate')
        return response.write(bytes.subarray(0, bytes.length / 2), () => response.destroy());
      const sent = Uint8Array.from(bytes);
      if (trouble === 'corrupt') sent[sent.length - 1]! ^= 1;
      return response.end(sent);
    });
  }

  static async open(): Promise<FileServer> {
    const server = new FileServer();
    await new Promise<void>((resolve) => server.server.listen(0, '127.0.0.1', resolve));
    return server;
  }

  /** Where these bytes can be fetched from now on, and what they should be. */
  add(path: string, bytes: Uint8Array, trouble?: Trouble): FileSource {
    const at = `/${this.contents.size}/${path}`;
    this.contents.set(at, { bytes, ...(trouble ? { trouble } : {}) });
    const { port } = this.server.address() as AddressInfo;
    return { path, size: bytes.length, sha256: sha256(bytes), url: `http://127.0.0.1:${port}${at}` };
  }

  /** A checkpoint of the parity fixtures; `replaced` files are served instead of, or beside, its own. */
  base(name: string, replaced: Readonly<Record<string, Uint8Array | string>> = {}): BaseSource {
    const folder = join(FIXTURES, name);
    const own = readdirSync(folder).filter((file) => statSync(join(folder, file)).isFile());
    const contents = new Map<string, Uint8Array>(own.map((file) => [file, readFileSync(join(folder, file))]));
    for (const [file, content] of Object.entries(replaced)) contents.set(file, Buffer.from(content));
    const files = [...contents].map(([file, bytes]) => this.add(file, bytes));
    const digest = sha256(Buffer.from(files.map((file) => `${file.path} ${file.sha256}`).join('\n')));
    return { id: `fixtures/${name}`, digest, files };
  }

  /** An adapter of the parity fixtures. */
  adapter(base: string, name: string, trouble?: Trouble): AdapterSource {
    const folder = join(FIXTURES, base, 'adapters', name);
    const config = JSON.parse(readFileSync(join(folder, 'adapter_config.json'), 'utf8'));
    const bytes = readFileSync(join(folder, 'adapter_model.safetensors'));
    const weights = this.add('adapter_model.safetensors', bytes, trouble);
    return { digest: sha256(Buffer.from(`${base}/${name}/${trouble}`)), weight: 1, config, weights };
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((resolve) => this.server.close(resolve));
  }
}

export function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
