/** `patchbay reproduce`: has a runner train a version again from its receipt, and compares the bytes. */
import { z } from 'zod';
import { newest, single } from './browse.ts';
import { AdapterDetail, type Client, VersionDetail } from './client.ts';
import { CliError, EXIT } from './errors.ts';
import type { Output } from './output.ts';
import { sendFile } from './send-file.ts';
import { finished, startTask, tell } from './tasks.ts';
import { sha256Of } from './train.ts';

const ReceiptFile = z.object({ sha256: z.string() });
const Trained = VersionDetail.extend({
  receipt: z.looseObject({ training_file: ReceiptFile, validation_file: ReceiptFile.optional() }).nullable(),
});

export interface ReproduceOptions {
  /** Where the files of the receipt are, if they are not on this server. */
  readonly data?: string;
  readonly validation?: string;
}

export async function reproduce(
  client: Client,
  output: Output,
  reference: string,
  { data, validation }: ReproduceOptions,
): Promise<void> {
  const version = await readVersion(client, reference);
  const { receipt } = version;
  if (!receipt)
    throw new CliError(
      EXIT.notFound,
      `${reference} has no receipt: it was not trained here, so nobody knows how`,
    );
  const given = async (
    name: string,
    path: string | undefined,
    file: z.infer<typeof ReceiptFile> | undefined,
  ) => (path === undefined ? {} : { [name]: await upload(client, output, path, file?.sha256) });
  const begun = await startTask(client, 'reproduce', {
    model: version.reference,
    ...(await given('file', data, receipt.training_file)),
    ...(await given('validationFile', validation, receipt.validation_file)),
  });
  tell(output, await finished(client, output, begun));
}

async function readVersion(client: Client, reference: string): Promise<z.infer<typeof Trained>> {
  const { id, version } = single(reference);
  const number = version ?? newest(await client.get(AdapterDetail, `/api/adapters/${id}`));
  return client.get(Trained, `/api/adapters/${id}/versions/${number}`);
}

/** @param expected of the receipt; undefined: it names no such file, and the server says so */
async function upload(
  client: Client,
  output: Output,
  path: string,
  expected: string | undefined,
): Promise<string> {
  const actual = await sha256Of(path);
  if (expected !== undefined && actual !== expected)
    throw new CliError(
      EXIT.usage,
      `${path} is not the file of the receipt: its sha256 is ${actual}, not ${expected}`,
    );
  return sendFile(client, output, path);
}
