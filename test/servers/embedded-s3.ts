/** `api/embedded/s3.ts` as a process of its own: `node embedded-s3.ts OPTIONS`, as JSON. */
import { startEmbeddedS3 } from '../../api/embedded/s3.ts';

await startEmbeddedS3(JSON.parse(process.argv[2]!));
