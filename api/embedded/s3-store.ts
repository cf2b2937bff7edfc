/**
 * Objects in a folder. What makes an object exist is its small description, put in place by one rename; bytes are written
 * before that, under a name nobody knows. So after a crash an object is whole or not there.
 *
 *   data/<random>            bytes
 *   objects/<sha256(key)>    { key, pieces: [{ data, size }], etag, modified }
 *   uploads/<id>/key         the key of a multipart upload
 *   uploads/<id>/<number>    { pieces: [{ data, size }], etag } of a part
 *
 * Joining parts and copying an object make further names (hard links) for bytes that are there. An ETag is made up: it says which
 * writing put the bytes there, not, as MD5 would, what they are. Whoever reads an object reads it to its end, whatever becomes of it.
 */
import { createHash, randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { link, mkdir, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { z } from 'zod';

const Piece = z.object({ data: z.string(), size: z.int() });
/** Bytes in one file, as they were described before pieces could be joined. */
const inOneFile = (value: unknown): unknown => {
  const whole = Piece.safeParse(value).data;
  return whole ? { ...(value as object), pieces: [whole] } : value;
};
const StoredFields = z.object({ pieces: z.array(Piece), etag: z.string() });
const Stored = z.preprocess(inOneFile, StoredFields);
const StoredObject = z.preprocess(inOneFile, StoredFields.extend({ key: z.string(), modified: z.string() }));
/** With Node's 64 KiB, asking for the next piece takes longer than reading it. */
const READ_AT_ONCE = 512 * 1024;

type Piece = z.infer<typeof Piece>;
export type Stored = z.infer<typeof Stored>;
export type StoredObject = z.infer<typeof StoredObject>;
export interface StoredPart extends Stored {
  readonly number: number;
}

export const sizeOf = ({ pieces }: Stored): number => pieces.reduce((sum, { size }) => sum + size, 0);

/** The bytes were not those that the request's signature covers. */
export class DigestMismatch extends Error {}

export class S3Store {
  private readonly folder: string;
  /** What there is, by key: nobody else changes the folder. */
  private readonly objects = new Map<string, StoredObject>();
  /** By key: of two changes at once, the second waits. */
  private readonly changes = new Map<string, Promise<unknown>>();
  /** How many read these bytes, or link to them. */
  private readonly uses = new Map<string, number>();
  /** Bytes that go when nobody uses them any more. */
  private readonly doomed = new Set<string>();

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async open(folder: string): Promise<S3Store> {
    for (const name of ['data', 'objects', 'uploads']) await mkdir(join(folder, name), { recursive: true });
    const store = new S3Store(folder);
    await store.readObjects();
    return store;
  }

  find(key: string): StoredObject | undefined {
    return this.objects.get(key);
  }

  /** Those whose keys begin so, behind `after`, in the order of their keys. Ours are ASCII, where that is the order of their bytes. */
  list(prefix: string, after: string): StoredObject[] {
    return [...this.objects.values()]
      .filter(({ key }) => key.startsWith(prefix) && key > after)
      .sort((a, b) => (a.key < b.key ? -1 : 1));
  }

  /**
   * To be called in the same turn as `find`: from then on the bytes stay.
   * @param start, end the first byte and the last
   */
  read({ pieces }: Stored, start: number, end: number): ReadableStream<Uint8Array> {
    const release = this.use(pieces);
    const chunks = this.chunks(pieces, start, end);
    return new ReadableStream<Uint8Array>({
      async pull(stream) {
        try {
          const { value, done } = await chunks.next();
          if (!done) return stream.enqueue(value);
          release();
          stream.close();
        } catch (error) {
          release();
          throw error;
        }
      },
      async cancel() {
        await chunks.return(undefined);
        release();
      },
    });
  }

  private async *chunks(
    pieces: readonly Piece[],
    start: number,
    end: number,
  ): AsyncGenerator<Uint8Array, undefined, undefined> {
    let offset = 0;
    for (const { data, size } of pieces) {
      let at = Math.max(start - offset, 0);
      const last = Math.min(end - offset, size - 1);
      offset += size;
      if (at > last) continue;
      await using file = await open(this.dataPath(data));
      while (at <= last) {
        const length = Math.min(READ_AT_ONCE, last - at + 1);
        const { buffer, bytesRead } = await file.read(Buffer.allocUnsafeSlow(length), 0, length, at);
        if (bytesRead === 0) throw new Error(`the bytes of ${data} are fewer than they were`);
        yield buffer.subarray(0, bytesRead);
        at += bytesRead;
      }
    }
  }

  async put(key: string, body: Readable, sha256: string | undefined): Promise<Stored> {
    const stored = await this.write(body, sha256);
    await this.describe(key, stored);
    return stored;
  }

  /** To be called in the same turn as `find`. */
  async copy({ pieces, etag }: StoredObject, key: string): Promise<StoredObject> {
    return this.describe(key, { pieces: await this.linked(pieces), etag });
  }

  /** Other names for the same bytes, so that either can be removed. */
  private async linked(pieces: readonly Piece[]): Promise<Piece[]> {
    const release = this.use(pieces);
    try {
      return await Promise.all(
        pieces.map(async ({ data, size }) => {
          const name = randomUUID();
          await link(this.dataPath(data), this.dataPath(name));
          return { data: name, size };
        }),
      );
    } finally {
      release();
    }
  }

  remove(key: string): Promise<void> {
    return this.change(key, async (before) => {
      await rm(this.objectPath(key), { force: true });
      this.objects.delete(key);
      if (before) await this.removeData(before);
    });
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
    const pieces = await this.linked(parts.flatMap((part) => part.pieces));
    const etag = `${newEtag()}-${parts.length}`;
    const stored = await this.describe(key, { pieces, etag });
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
    const path = this.dataPath(data);
    const file = createWriteStream(path, { flags: 'wx', flush: true });
    const hash = createHash('sha256');
    const digesting = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        hash.update(chunk);
        done(null, chunk);
      },
    });
    try {
      await (sha256 ? pipeline(body, digesting, file) : pipeline(body, file));
      if (sha256 && hash.digest('hex') !== sha256) throw new DigestMismatch();
      return { pieces: [{ data, size: file.bytesWritten }], etag: newEtag() };
    } catch (error) {
      await rm(path, { force: true });
      throw error;
    }
  }

  private describe(key: string, stored: Stored): Promise<StoredObject> {
    return this.change(key, async (before) => {
      const object = { key, ...stored, modified: new Date().toISOString() };
      await writeAtomically(this.objectPath(key), JSON.stringify(object));
      this.objects.set(key, object);
      if (before) await this.removeData(before);
      return object;
    });
  }

  private async change<T>(key: string, work: (before: StoredObject | undefined) => Promise<T>): Promise<T> {
    const earlier = this.changes.get(key) ?? Promise.resolve();
    const change = earlier.then(() => work(this.find(key)));
    const over = change.catch(() => undefined);
    this.changes.set(key, over);
    try {
      return await change;
    } finally {
      if (this.changes.get(key) === over) this.changes.delete(key);
    }
  }

  /** @returns to be called when they are no longer used */
  private use(pieces: readonly Piece[]): () => void {
    for (const { data } of pieces) this.uses.set(data, (this.uses.get(data) ?? 0) + 1);
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      for (const { data } of pieces) {
        const left = this.uses.get(data)! - 1;
        if (left > 0) this.uses.set(data, left);
        else {
          this.uses.delete(data);
          // What cannot be removed now is when the store opens again.
          if (this.doomed.delete(data)) rm(this.dataPath(data), { force: true }).catch(() => undefined);
        }
      }
    };
  }

  private async removeData({ pieces }: Stored): Promise<void> {
    await Promise.all(
      pieces.map(async ({ data }) => {
        if (this.uses.has(data)) this.doomed.add(data);
        else await rm(this.dataPath(data), { force: true });
      }),
    );
  }

  private dataPath(data: string): string {
    return join(this.folder, 'data', data);
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
        for (const { data } of object.pieces) named.add(data);
        this.objects.set(object.key, object);
      } else await rm(join(this.folder, 'objects', name), { force: true });
    }
    for (const id of await readdir(join(this.folder, 'uploads'))) {
      for (const name of await readdir(join(this.folder, 'uploads', id))) {
        const part =
          name === 'key' ? undefined : await readDescription(join(this.folder, 'uploads', id, name), Stored);
        for (const { data } of part?.pieces ?? []) named.add(data);
      }
    }
    for (const data of await readdir(join(this.folder, 'data'))) {
      if (!named.has(data)) await rm(this.dataPath(data), { force: true });
    }
  }
}

const newEtag = (): string => randomUUID().replaceAll('-', '');

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
