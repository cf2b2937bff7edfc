/** What an adapter or a base may consist of, as whoever publishes declares it. */
import { z } from 'zod';
import { ApiError } from './errors.ts';

const MIB = 2 ** 20;

/** What an adapter consists of, and how large each may be. */
export const ADAPTER_FILES: Readonly<
  Record<string, { readonly required: boolean; readonly maxSize: number }>
> = {
  'adapter_config.json': { required: true, maxSize: 256 * 1024 },
  'adapter_model.safetensors': { required: true, maxSize: 4096 * MIB },
  'README.md': { required: false, maxSize: MIB },
  LICENSE: { required: false, maxSize: MIB },
  'eval.jsonl': { required: false, maxSize: 16 * MIB },
};

const BASE_JSON_SIZE = 32 * MIB;
/** A base's safetensors files may have any name; these are the others. */
export const BASE_FILES: Readonly<Record<string, { readonly required: boolean; readonly maxSize: number }>> =
  {
    'config.json': { required: true, maxSize: MIB },
    'tokenizer.json': { required: true, maxSize: BASE_JSON_SIZE },
    'tokenizer_config.json': { required: true, maxSize: 4 * MIB },
    'generation_config.json': { required: false, maxSize: MIB },
    'special_tokens_map.json': { required: false, maxSize: MIB },
    'chat_template.jinja': { required: false, maxSize: MIB },
    'model.safetensors.index.json': { required: false, maxSize: BASE_JSON_SIZE },
    'README.md': { required: false, maxSize: MIB },
    LICENSE: { required: false, maxSize: MIB },
    'eval.jsonl': { required: false, maxSize: 16 * MIB },
  };
/** S3 copies at most this much in one piece; larger checkpoints come in several shards. */
const MAX_SHARD_SIZE = 5 * 1024 * MIB;

export const DeclaredFile = z.object({
  path: z
    .string()
    .regex(/^[A-Za-z0-9][\w.-]{0,254}$/, 'must be a file name of letters, digits, `.`, `_` and `-`'),
  size: z.int().positive(),
  sha256: z.string().regex(/^[0-9a-f]{64}$/, 'must be a lower-case hexadecimal sha256'),
});
export type DeclaredFile = z.infer<typeof DeclaredFile>;

/** @throws ApiError invalid_request, too_large */
export function checkAdapterFiles(files: readonly Pick<DeclaredFile, 'path' | 'size'>[]): void {
  checkFiles(files, ADAPTER_FILES, () => undefined);
}

/** @throws ApiError invalid_request, too_large */
export function checkBaseFiles(files: readonly Pick<DeclaredFile, 'path' | 'size'>[]): void {
  checkFiles(files, BASE_FILES, (path) => (path.endsWith('.safetensors') ? MAX_SHARD_SIZE : undefined));
  if (!files.some(({ path }) => path.endsWith('.safetensors'))) {
    throw new ApiError('invalid_request', 'files: a base needs at least one .safetensors file.', {
      field: 'files',
    });
  }
}

function checkFiles(
  files: readonly Pick<DeclaredFile, 'path' | 'size'>[],
  known: typeof ADAPTER_FILES,
  otherLimit: (path: string) => number | undefined,
): void {
  const problem = (detail: string) => new ApiError('invalid_request', `files: ${detail}`, { field: 'files' });
  const paths = new Set<string>();
  for (const { path, size } of files) {
    if (paths.has(path)) throw problem(`${path} is there twice`);
    paths.add(path);
    const limit = known[path]?.maxSize ?? otherLimit(path);
    if (limit === undefined)
      throw problem(`${path} does not belong here; known files are ${Object.keys(known).join(', ')}`);
    if (size > limit)
      throw new ApiError('too_large', `files: ${path} is ${size} bytes; the limit is ${limit}`, {
        field: 'files',
      });
  }
  for (const [path, { required }] of Object.entries(known)) {
    if (required && !paths.has(path)) throw problem(`${path} is missing`);
  }
}
