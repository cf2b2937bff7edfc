/**
 * The object store: any S3, through one client. Content that was checked lies under blobs/<sha256> and is never written
 * again; what clients upload lies under uploads/<id> until then, so a leaked upload URL cannot change a checked blob.
 */
import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  ListPartsCommand,
  NoSuchUpload,
  NotFound,
  type Part,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from '@aws-sdk/client-s3';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import type { ListedObject } from '../functions/ports.ts';
import { count, observe, secondsSince } from '../observe/metrics.ts';
import { inSpan } from '../observe/trace.ts';

export interface BlobStoreSettings {
  readonly endpoint: string;
  readonly region: string;
  readonly bucket: string;
  /** Absent: the rights of the machine, as AWS lends them to what runs there. */
  readonly accessKeyId?: string | undefined;
  readonly secretAccessKey?: string | undefined;
}

export interface UploadedPart {
  readonly number: number;
  readonly size: number;
}

/** Presigned URLs live this long; a client that needs longer asks again. */
export const URL_SECONDS = 3600;

/**
 * Of a store whose machine is gone. Silence is what counts on a socket, not how long a large body takes. The edge has no sockets: there it is
 * how long an answer takes to begin.
 */
const PATIENCE = { connectionTimeout: 5_000, socketTimeout: 30_000, requestTimeout: 60_000 };

export interface LocalStore {
  read(
    key: string,
    range?: { offset: number; length: number },
  ): Promise<ReadableStream<Uint8Array> | undefined>;
}

export type BlobStore = ReturnType<typeof createBlobStore>;

/** @param local reads what this very process stores */
export function createBlobStore(settings: BlobStoreSettings, local?: LocalStore) {
  const { bucket: Bucket } = settings;
  const { accessKeyId, secretAccessKey } = settings;
  const client = new S3Client({
    endpoint: settings.endpoint,
    region: settings.region,
    ...(accessKeyId && secretAccessKey ? { credentials: { accessKeyId, secretAccessKey } } : {}),
    forcePathStyle: true,
    requestHandler: PATIENCE,
    // Our own sha256 covers content; not every S3 server knows the newer checksum headers.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
  });

  // A presigned URL is made without a call, and passes here too: it is no request.
  client.middlewareStack.add(
    (next, { commandName = 'unknown' }) =>
      (args) =>
        inSpan(`S3 ${commandName}`, {}, async () => {
          const began = performance.now();
          try {
            return await next(args);
          } catch (error) {
            if (isTrouble(error)) count('patchbay_object_store_errors_total', 1, { operation: commandName });
            throw error;
          } finally {
            observe('patchbay_object_store_duration_seconds', secondsSince(began), {
              operation: commandName,
            });
          }
        }),
    { step: 'finalizeRequest', name: 'observe', priority: 'high' },
  );

  const listParts = async (Key: string, UploadId: string): Promise<Part[]> => {
    const parts: Part[] = [];
    let marker: string | undefined;
    do {
      const page = await client.send(
        new ListPartsCommand({ Bucket, Key, UploadId, ...(marker ? { PartNumberMarker: marker } : {}) }),
      );
      parts.push(...(page.Parts ?? []));
      marker = page.IsTruncated ? page.NextPartNumberMarker : undefined;
    } while (marker);
    return parts;
  };

  return {
    /** Where presigned URLs lead. */
    endpoint: settings.endpoint,

    /** Creates the bucket where it is missing. @throws when the store cannot be reached */
    async prepare(): Promise<void> {
      try {
        await client.send(new HeadBucketCommand({ Bucket }));
      } catch (error) {
        if (!(error instanceof NotFound)) throw error;
        await client.send(new CreateBucketCommand({ Bucket }));
      }
    },

    /** @throws when the bucket cannot be reached */
    async probe(abortSignal: AbortSignal): Promise<void> {
      await client.send(new HeadBucketCommand({ Bucket }), { abortSignal });
    },

    async startUpload(Key: string): Promise<string> {
      const { UploadId } = await client.send(new CreateMultipartUploadCommand({ Bucket, Key }));
      if (!UploadId) throw new Error('the object store started an upload without an id');
      return UploadId;
    },

    partUrl(Key: string, UploadId: string, PartNumber: number): Promise<string> {
      const command = new UploadPartCommand({ Bucket, Key, UploadId, PartNumber });
      return getSignedUrl(client, command, { expiresIn: URL_SECONDS });
    },

    async putPart(Key: string, UploadId: string, PartNumber: number, Body: Uint8Array): Promise<void> {
      await client.send(new UploadPartCommand({ Bucket, Key, UploadId, PartNumber, Body }));
    },

    async put(Key: string, Body: Uint8Array): Promise<void> {
      await client.send(new PutObjectCommand({ Bucket, Key, Body }));
    },

    /** For a whole object at once. */
    putUrl(Key: string): Promise<string> {
      return getSignedUrl(client, new PutObjectCommand({ Bucket, Key }), { expiresIn: URL_SECONDS });
    },

    /** Parts that have arrived; undefined when the upload is over (completed or aborted). */
    async uploadedParts(key: string, uploadId: string): Promise<UploadedPart[] | undefined> {
      try {
        const parts = await listParts(key, uploadId);
        return parts.map(({ PartNumber, Size }) => ({ number: PartNumber ?? 0, size: Size ?? 0 }));
      } catch (error) {
        if (isNoSuchUpload(error)) return undefined;
        throw error;
      }
    },

    /** Joins the parts. Doing it again, after it was done, changes nothing. */
    async finishUpload(Key: string, UploadId: string): Promise<void> {
      try {
        const parts = await listParts(Key, UploadId);
        const Parts = parts.map(({ PartNumber, ETag }) => ({ PartNumber, ETag }));
        await client.send(
          new CompleteMultipartUploadCommand({ Bucket, Key, UploadId, MultipartUpload: { Parts } }),
        );
      } catch (error) {
        if (!isNoSuchUpload(error)) throw error;
      }
    },

    async abortUpload(Key: string, UploadId: string): Promise<void> {
      try {
        await client.send(new AbortMultipartUploadCommand({ Bucket, Key, UploadId }));
      } catch (error) {
        if (!isNoSuchUpload(error)) throw error;
      }
      await client.send(new DeleteObjectCommand({ Bucket, Key }));
    },

    /** Page by page, in the order of their keys. */
    async *list(Prefix: string): AsyncGenerator<ListedObject[]> {
      let token: string | undefined;
      do {
        const command = new ListObjectsV2Command({
          Bucket,
          Prefix,
          ...(token ? { ContinuationToken: token } : {}),
        });
        const page = await client.send(command);
        yield (page.Contents ?? []).map(({ Key = '', Size = 0, LastModified = new Date() }) => {
          return { key: Key, size: Size, modifiedAt: LastModified };
        });
        token = page.IsTruncated ? page.NextContinuationToken : undefined;
      } while (token);
    },

    /** Size of an object; undefined: there is none. */
    async size(Key: string): Promise<number | undefined> {
      try {
        return (await client.send(new HeadObjectCommand({ Bucket, Key }))).ContentLength;
      } catch (error) {
        if (error instanceof NotFound || statusOf(error) === 404) return undefined;
        throw error;
      }
    },

    async read(Key: string, range?: { offset: number; length: number }): Promise<ReadableStream<Uint8Array>> {
      const here = await local?.read(Key, range);
      if (here) return here;
      const Range = range ? `bytes=${range.offset}-${range.offset + range.length - 1}` : undefined;
      const { Body } = await client.send(new GetObjectCommand({ Bucket, Key, ...(Range ? { Range } : {}) }));
      if (!Body) throw new Error(`the object store gave no body for ${Key}`);
      return Body.transformToWebStream() as ReadableStream<Uint8Array>;
    },

    /** Copies within the store, without the bytes passing through here. */
    async copy(from: string, to: string): Promise<void> {
      await client.send(new CopyObjectCommand({ Bucket, Key: to, CopySource: `${Bucket}/${from}` }));
    },

    async remove(Key: string): Promise<void> {
      await client.send(new DeleteObjectCommand({ Bucket, Key }));
    },

    readUrl(Key: string, filename?: string): Promise<string> {
      const disposition = filename
        ? `attachment; filename="${filename.replace(/[^\w.-]/g, '_')}"`
        : undefined;
      const command = new GetObjectCommand({
        Bucket,
        Key,
        ...(disposition ? { ResponseContentDisposition: disposition } : {}),
      });
      return getSignedUrl(client, command, { expiresIn: URL_SECONDS });
    },

    close(): void {
      client.destroy();
    },
  };
}

function statusOf(error: unknown): number | undefined {
  return (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode;
}

/** That something is not there is an answer. */
const isTrouble = (error: unknown): boolean => {
  const status = statusOf(error);
  return status === undefined || status === 403 || status >= 500;
};

function isNoSuchUpload(error: unknown): boolean {
  return error instanceof NoSuchUpload || (error as { name?: string }).name === 'NoSuchUpload';
}
