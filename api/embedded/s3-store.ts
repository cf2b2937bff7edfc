/**
 * Objects in a folder. What makes an object exist is its small description, put in place by one rename; bytes are written
 * before that, under a name nobody knows. So after a crash an object is whole or not there.
 *
 *   data/<random>            bytes
 *   objects/<sha256(key)>    { key, data, size, etag, modified }
 *   uploads/<id>/key         the key of a multipart upload
 *   uploads/<id>/<number>    { data, size, etag } of a part
 */
import { createHash, randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { link, mkdir, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { z } from 'zod';

const Stored = z.object({ data: z.string(), size: z.int(), etag: z.string() });
const StoredObject = Stored.extend({ key: z.string(), modified: z.string() });
export type Stored = z.infer<typeof Stored>;
export type StoredObject = z.infer<typeof StoredObject>;
export interface StoredPart extends Stored {
  readonly number: number;
}

/** The bytes were not those that the request's signature covers. */
export class DigestMismatch extends Error {}

export class S3Store {
  private readonly folder: string;
  /** By key: a folder of digests says nothing of their order. */
  private readonly objects = new Map<string, StoredObject>();

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async open(folder: string): Promise<S3Store> {
    for (const name of ['data', 'objects', 'uploads']) await mkdir(join(folder, name), { recursive: true });
    const store = new S3Store(folder);
    await store.readObjects();
    return store;
  }

  async find(key: string): Promise<StoredObject | undefined> {
    return readDescription(this.objectPath(key), StoredObject);
  }

  /** Those whose keys begin so, behind `after`, in the order of their keys' bytes. */
  list(prefix: string, after: string): StoredObject[] {
    const found = [...this.objects.values()].filter(({ key }) => key.startsWith(prefix));
    const sorted = found.sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key)));
    return after === ''
      ? sorted
      : sorted.filter(({ key }) => Buffer.compare(Buffer.from(key), Buffer.from(after)) > 0);
  }

  read(object: Stored, start: number, end: number): Readable {
    return createReadStream(join(this.folder, 'data', object.data), { start, end });
  }

  async put(key: string, body: Readable, sha256: string | undefined): Promise<Stored> {
    const stored = await this.write(body, sha256);
    await this.describe(key, stored);
    return stored;
  }

  /** Another name for the same bytes: nothing is copied. */
  async copy(from: StoredObject, key: string): Promise<StoredObject> {
    const data = randomUUID();
    await link(join(this.folder, 'data', from.data), join(this.folder, 'data', data));
    return this.describe(key, { data, size: from.size, etag: from.etag });
  }

  async remove(key: string): Promise<void> {
    const object = await this.find(key);
    await rm(this.objectPath(key), { force: true });
    this.objects.delete(key);
    if (object) await this.removeData(object);
  }

  async startUpload(key: string): Promise<string> {
    const id = randomUUID();
    await mkdir(join(this.folder, 'uploads', id));
    await writeFile(join(this.folder, 'uploads', id, 'key'), key);
    return id;
  }

  /** @returns undefined: there is no such upload of this key */
  async parts(key: string, id: string): Promise<StoredPart[] | undefined> {
    if (!(await this.isUpload(key, id))) return undefined;
    const folder = join(this.folder, 'uploads', id);
    const numbers = (await readdir(folder)).filter((name) => /^\d+$/.test(name)).map(Number);
    numbers.sort((a, b) => a - b);
    const parts = await Promise.all(
      numbers.map(async (number) => {
        const part = await readDescription(join(folder, String(number)), Stored);
        return part ? { ...part, number } : undefined;
      }),
    );
    return parts.filter((part) => part !== undefined);
  }

  async putPart(id: string, number: number, body: Readable, sha256: string | undefined): Promise<Stored> {
    const path = join(this.folder, 'uploads', id, String(number));
    const before = await readDescription(path, Stored);
    const stored = await this.write(body, sha256);
    await writeAtomically(path, JSON.stringify(stored));
    if (before) await this.removeData(before);
    return stored;
  }

  async completeUpload(key: string, id: string, parts: readonly StoredPart[]): Promise<Stored> {
    const data = randomUUID();
    const path = join(this.folder, 'data', data);
    const [only] = parts;
    if (parts.length === 1 && only) await link(join(this.folder, 'data', only.data), path);
    else
      for (const part of parts)
        await pipeline(this.read(part, 0, part.size - 1), createWriteStream(path, { flags: 'a' }));
    await sync(path);
    const size = parts.reduce((sum, part) => sum + part.size, 0);
    const digests = Buffer.concat(parts.map(({ etag }) => Buffer.from(etag, 'hex')));
    const etag = `${createHash('md5').update(digests).digest('hex')}-${parts.length}`;
    const stored = await this.describe(key, { data, size, etag });
    await this.abortUpload(id);
    return stored;
  }

  async abortUpload(id: string): Promise<void> {
    const folder = join(this.folder, 'uploads', id);
    for (const name of await readdir(folder)) {
      const part = name === 'key' ? undefined : await readDescription(join(folder, name), Stored);
      if (part) await this.removeData(part);
    }
    await rm(folder, { recursive: true, force: true });
  }

  async isUpload(key: string, id: string): Promise<boolean> {
    if (!/^[0-9a-f-]{36}$/.test(id)) return false;
    const owner = await readFile(join(this.folder, 'uploads', id, 'key'), 'utf8').catch(() => undefined);
    return owner === key;
  }

  private async write(body: Readable, sha256: string | undefined): Promise<Stored> {
    const data = randomUUID();
    const path = join(this.folder, 'data', data);
    const [md5, sha] = [createHash('md5'), createHash('sha256')];
    let size = 0;
    const measure = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        md5.update(chunk);
        if (sha256) sha.update(chunk);
        size += chunk.length;
        done(null, chunk);
      },
    });
    try {
      await pipeline(body, measure, createWriteStream(path, { flags: 'wx' }));
      if (sha256 && sha.digest('hex') !== sha256) throw new DigestMismatch();
      await sync(path);
      return { data, size, etag: md5.digest('hex') };
    } catch (error) {
      await rm(path, { force: true });
      throw error;
    }
  }

  private async describe(key: string, stored: Stored): Promise<StoredObject> {
    const before = await this.find(key);
    const object = { key, ...stored, modified: new Date().toISOString() };
    await writeAtomically(this.objectPath(key), JSON.stringify(object));
    this.objects.set(key, object);
    if (before) await this.removeData(before);
    return object;
  }

  private removeData({ data }: Stored): Promise<void> {
    return rm(join(this.folder, 'data', data), { force: true });
  }

  private objectPath(key: string): string {
    return join(this.folder, 'objects', createHash('sha256').update(key).digest('hex'));
  }

  /** What there is. Bytes that no description names were being written when the process died, and are removed. */
  private async readObjects(): Promise<void> {
    const named = new Set<string>();
    for (const name of await readdir(join(this.folder, 'objects'))) {
      const object = await readDescription(join(this.folder, 'objects', name), StoredObject);
      if (object) {
        named.add(object.data);
        this.objects.set(object.key, object);
      } else await rm(join(this.folder, 'objects', name), { force: true });
    }
    for (const id of await readdir(join(this.folder, 'uploads'))) {
      for (const name of await readdir(join(this.folder, 'uploads', id))) {
        const part =
          name === 'key' ? undefined : await readDescription(join(this.folder, 'uploads', id, name), Stored);
        if (part) named.add(part.data);
      }
    }
    for (const data of await readdir(join(this.folder, 'data'))) {
      if (!named.has(data)) await rm(join(this.folder, 'data', data), { force: true });
    }
  }
}

async function readDescription<T extends z.ZodType>(
  path: string,
  schema: T,
): Promise<z.infer<T> | undefined> {
  const text = await readFile(path, 'utf8').catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    return schema.parse(JSON.parse(text));
  } catch {
    return undefined;
  }
}

async function writeAtomically(path: string, text: string): Promise<void> {
  const temporary = `${path}.${randomUUID()}`;
  await writeFile(temporary, text, { flush: true });
  await rename(temporary, path);
}

async function sync(path: string): Promise<void> {
  await using handle = await open(path, 'r');
  await handle.sync();
}
