/** Where what lies in the object store. */

/** Content that was checked, by its sha256; never written again. */
export const BLOBS = 'blobs/';
/** What clients have sent, by the draft it is for, until it was checked. */
export const UPLOADS = 'uploads/';
/** What users have uploaded to train with. */
export const FILES = 'files/';
/** Of files that come in parts, by the upload, until they are put together. */
export const PARTS = 'parts/';
/** Of training jobs. */
export const CHECKPOINTS = 'checkpoints/';

/** What tasks made, such as merged checkpoints; for some days. */
export const TASKS = 'tasks/';

export const PREFIXES: readonly string[] = [BLOBS, UPLOADS, FILES, PARTS, CHECKPOINTS, TASKS];

export const blobKey = (sha256: string): string => `${BLOBS}${sha256}`;
export const fileKey = (id: string): string => `${FILES}${id}`;
export const partsKey = (uploadId: string): string => `${PARTS}${uploadId}/`;
/** @param number of a piece: large parts are several objects */
export const pieceKey = (uploadId: string, partId: string, number: number): string =>
  `${partsKey(uploadId)}${partId}/${number}`;
