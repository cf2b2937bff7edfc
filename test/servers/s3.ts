/** An S3 server for the tests: Versity's gateway where it is installed, else the embedded one, in this process. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEmbeddedS3 } from '../../api/embedded/s3.ts';
import { type S3ForTests, startVersitygw, versitygwInstalled } from './versitygw.ts';

type S3 = Omit<S3ForTests, 'pid' | 'crash' | 'restart'>;

export const startS3 = (): Promise<S3> => (versitygwInstalled ? startVersitygw() : startOwn());

async function startOwn(): Promise<S3> {
  const folder = await mkdtemp(join(tmpdir(), 'patchbay-s3-'));
  const credentials = {
    accessKeyId: 'patchbay',
    secretAccessKey: 'secret-of-the-tests',
    region: 'us-east-1',
  };
  const { endpoint, close } = await startEmbeddedS3({
    folder,
    host: '127.0.0.1',
    port: 0,
    bucket: 'patchbay',
    credentials,
  });
  return {
    endpoint,
    ...credentials,
    async close() {
      await close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
