/** Rows for the server: in one request, or in parts where they are more than every server takes in one. */
import type OpenAI from 'openai';
import pLimit from 'p-limit';

/** What a server in AWS Lambda takes. */
const PART_SIZE = 4 * 2 ** 20;
const PARTS_AT_ONCE = 4;
/** What is lost on the way is sent again; a completion is the same file each time. */
const again = { maxRetries: 5 };

/** @returns the id of the file on the server */
export async function sendFile(client: OpenAI, file: File): Promise<string> {
  const purpose = 'fine-tune';
  if (file.size <= PART_SIZE) return (await client.files.create({ file, purpose })).id;
  const { id } = await client.uploads.create({
    purpose,
    filename: file.name,
    bytes: file.size,
    mime_type: 'text/jsonl',
  });
  const limit = pLimit(PARTS_AT_ONCE);
  const sendPart = async (start: number) => {
    const data = new File([file.slice(start, start + PART_SIZE)], file.name);
    return (await client.uploads.parts.create(id, { data }, again)).id;
  };
  try {
    const starts = Array.from({ length: Math.ceil(file.size / PART_SIZE) }, (_, i) => i * PART_SIZE);
    const part_ids = await Promise.all(starts.map((start) => limit(sendPart, start)));
    return (await client.uploads.complete(id, { part_ids }, again)).file!.id;
  } catch (error) {
    limit.clearQueue();
    // Else its room is kept for an hour; what went wrong before is what there is to tell.
    await client.uploads.cancel(id).catch(() => undefined);
    throw error;
  }
}
