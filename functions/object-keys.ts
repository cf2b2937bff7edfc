/** Where what lies in the object store. */

/** Content that was checked, by its sha256; never written again. */
export const BLOBS = 'blobs/';
/** What clients have sent, by the draft it is for, until it was checked. */
export const UPLOADS = 'uploads/';
/** What users have uploaded to train with. */
export const FILES = 'files/';
/** Of training jobs. */
export const CHECKPOINTS = 'checkpoints/';

/** What tasks made, such as merged checkpoints; for some days. */
export const TASKS = 'tasks/';

export const PREFIXES: readonly string[] = [BLOBS, UPLOADS, FILES, CHECKPOINTS, TASKS];

export const blobKey = (sha256: string): string => `${BLOBS}${sha256}`;
export const fileKey = (id: string): string => `${FILES}${id}`;
