/** `patchbay reproduce`: trains a version again from its receipt, and compares the bytes. */
import { z } from 'zod';
import { single } from './browse.ts';
import { AdapterDetail, type Client, VersionDetail } from './client.ts';
import { CliError, EXIT } from './errors.ts';
import { follow } from './follow.ts';
import { note, type Output, result } from './output.ts';
import { sha256Of, startJob, uploadFile } from './train.ts';

const WEIGHTS = 'adapter_model.safetensors';

const ReceiptFile = z.object({ id: z.string(), sha256: z.string() });
type ReceiptFile = z.infer<typeof ReceiptFile>;
const Receipt = z.looseObject({
  base: z.object({ id: z.string(), digest: z.string() }),
  training_file: ReceiptFile,
  validation_file: ReceiptFile.optional(),
  hyperparameters: z.record(z.string(), z.unknown()),
  seed: z.int(),
  engine: z.record(z.string(), z.unknown()),
});
const Trained = VersionDetail.extend({
  receipt: Receipt.nullable(),
  lineage: z.looseObject({ parent: z.string().nullable() }).nullable(),
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
  options: ReproduceOptions,
): Promise<void> {
  const original = await readVersion(client, reference);
  const { receipt, lineage } = original;
  if (!receipt)
    throw new CliError(
      EXIT.notFound,
      `${reference} has no receipt: it was not trained here, so nobody knows how`,
    );
  const training_file = await fileOf(client, output, receipt.training_file, options.data, '--data');
  const validation_file =
    receipt.validation_file &&
    (await fileOf(client, output, receipt.validation_file, options.validation, '--validation'));
  const job = await startJob(client, {
    model: lineage?.parent ?? receipt.base.id,
    training_file,
    ...(validation_file ? { validation_file } : {}),
    suffix: `${single(reference).id.split('/')[1]!.slice(0, 50)}-again`,
    seed: receipt.seed,
    method: { type: 'supervised', supervised: { hyperparameters: receipt.hyperparameters } },
  });
  note(`${job.id} trains it again`);
  const { fine_tuned_model: model } = await follow(client, output, job.id);
  const again = await readVersion(client, model!.replace('@v', '@'));
  const [expected, actual] = [weightsOf(original), weightsOf(again)];
  const same = expected === actual;
  result(output, { reference, again: model, expected, actual, same }, () =>
    same
      ? `The same bytes: ${WEIGHTS} has sha256 ${actual}`
      : `Other bytes: ${WEIGHTS} has sha256 ${actual}, not ${expected}${differences(receipt.engine, again.receipt?.engine ?? {})}`,
  );
  if (!same) process.exitCode = EXIT.failed;
}

async function readVersion(client: Client, reference: string): Promise<z.infer<typeof Trained>> {
  const { id, version } = single(reference);
  const number = version ?? (await client.get(AdapterDetail, `/api/adapters/${id}`)).latest;
  return client.get(Trained, `/api/adapters/${id}/versions/${number}`);
}

const weightsOf = ({ files }: z.infer<typeof Trained>) => files.find(({ path }) => path === WEIGHTS)!.sha256;

/** @returns the id of the file on this server: the original, or what the user has of it */
async function fileOf(
  client: Client,
  output: Output,
  { id, sha256 }: ReceiptFile,
  path: string | undefined,
  option: string,
): Promise<string> {
  if (path === undefined) {
    const there = await client.send('GET', `/v1/files/${encodeURIComponent(id)}`).catch((error: unknown) => {
      if (error instanceof CliError && error.exitCode === EXIT.notFound) return undefined;
      throw error;
    });
    if (there) return id;
    throw new CliError(
      EXIT.notFound,
      `the file ${id} of the receipt is not yours, or not here`,
      `Give it with ${option}; its sha256 is ${sha256}.`,
    );
  }
  const actual = await sha256Of(path);
  if (actual !== sha256)
    throw new CliError(
      EXIT.usage,
      `${path} is not the file of the receipt: its sha256 is ${actual}, not ${sha256}`,
    );
  return uploadFile(client, output, path);
}

/** Another engine or number of threads sums in another order. */
function differences(before: Record<string, unknown>, now: Record<string, unknown>): string {
  const lines = Object.keys({ ...before, ...now })
    .filter((name) => JSON.stringify(before[name]) !== JSON.stringify(now[name]))
    .map((name) => `${name} was ${JSON.stringify(before[name])} and is ${JSON.stringify(now[name])}`);
  return lines.length > 0 ? `\nThe engine differs: ${lines.join('; ')}` : '';
}
