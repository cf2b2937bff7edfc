/**
 * What the benchmarks of the fleet serve, made when they run and without Python: SmolLM2's 135M shape with random weights (the
 * tokenizer is that of the base that ships; speed does not depend on it), and any number of random adapters. Files are handed
 * out over HTTP, adapters from memory: one differs from the next in a few bytes, and so in its digest.
 */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { copyFile, mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BaseConfig, moduleTable, parseBaseConfig } from '../../adapter/base-config.ts';
import { type TensorToWrite, writeSafetensors } from '../../adapter/safetensors.ts';
import type { AdapterSource, BaseSource } from '../../functions/generate.ts';
import { cacheFolder, draws, note } from '../measure.ts';

const shipped = fileURLToPath(new URL('../../seed/base/patchbay-tiny', import.meta.url));
const TOKENIZER_FILES = ['tokenizer.json', 'tokenizer_config.json', 'special_tokens_map.json'];
const SPREAD = 0.04;

const CONFIG = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  hidden_act: 'silu',
  hidden_size: 576,
  intermediate_size: 1536,
  num_hidden_layers: 30,
  num_attention_heads: 9,
  num_key_value_heads: 3,
  vocab_size: 49_152,
  max_position_embeddings: 2048,
  rope_theta: 100_000,
  rms_norm_eps: 1e-5,
  tie_word_embeddings: true,
  bos_token_id: 0,
  eos_token_id: 4,
  torch_dtype: 'float32',
};

export const config: BaseConfig = parseBaseConfig(CONFIG);

/** Values around nothing, or ones: norms leave what they get. */
function tensor(name: string, shape: readonly number[], draw: (() => number) | undefined): TensorToWrite {
  const values = new Float32Array(shape.reduce((product, size) => product * size, 1));
  for (let i = 0; i < values.length; i++) values[i] = draw ? (draw() - 0.5) * SPREAD : 1;
  return { name, dtype: 'F32', shape, data: new Uint8Array(values.buffer) };
}

/** The folder of the checkpoint, made once (0.5 GB). */
async function checkpoint(): Promise<string> {
  const folder = join(cacheFolder, 'fleet-135m');
  if (await stat(join(folder, 'model.safetensors')).catch(() => undefined)) return folder;
  note(`making the checkpoint in ${folder}`);
  await mkdir(folder, { recursive: true });
  for (const name of TOKENIZER_FILES) await copyFile(join(shipped, name), join(folder, name));
  await writeFile(join(folder, 'config.json'), JSON.stringify(CONFIG));
  const draw = draws(135);
  const { hiddenSize, layers, vocabSize } = config;
  const tensors = [
    tensor('model.embed_tokens.weight', [vocabSize, hiddenSize], draw),
    tensor('model.norm.weight', [hiddenSize], undefined),
  ];
  for (let layer = 0; layer < layers; layer++)
    for (const norm of ['input_layernorm', 'post_attention_layernorm'])
      tensors.push(tensor(`model.layers.${layer}.${norm}.weight`, [hiddenSize], undefined));
  for (const [name, { in: inputs, out: outputs }] of moduleTable(config))
    if (name.startsWith('model.layers.')) tensors.push(tensor(`${name}.weight`, [outputs, inputs], draw));
  const whole = join(folder, 'model.safetensors');
  await writeFile(`${whole}.new`, writeSafetensors(tensors));
  await rename(`${whole}.new`, whole);
  return folder;
}

/** Random adapters of one kind. */
export class Adapters {
  readonly config: Record<string, unknown>;
  private readonly name: string;
  private readonly file: Uint8Array<ArrayBuffer>;
  /** Where values begin that may be anything. */
  private readonly at: number;
  private readonly sources = new Map<number, Omit<AdapterSource, 'weights'> & { sha256: string }>();

  constructor(name: string, rank: number, modules: readonly string[]) {
    this.name = name;
    this.config = {
      peft_type: 'LORA',
      task_type: 'CAUSAL_LM',
      r: rank,
      lora_alpha: rank,
      target_modules: modules,
    };
    const draw = draws(rank);
    const tensors = [...moduleTable(config)]
      .filter(([module]) => modules.some((kind) => module.endsWith(`.${kind}`)))
      .flatMap(([module, { in: inputs, out: outputs }]) => [
        tensor(`base_model.model.${module}.lora_A.weight`, [rank, inputs], draw),
        tensor(`base_model.model.${module}.lora_B.weight`, [outputs, rank], draw),
      ]);
    this.file = writeSafetensors(tensors);
    this.at = this.file.length - 2 * Float32Array.BYTES_PER_ELEMENT;
  }

  get bytes(): number {
    return this.file.length;
  }

  content(i: number): Uint8Array<ArrayBuffer> {
    const content = this.file.slice();
    new DataView(content.buffer).setFloat32(this.at, i / 1e6, true);
    return content;
  }

  /** @param url where it is found */
  source(i: number, url = (path: string) => path): AdapterSource {
    const known = this.sources.get(i) ?? this.describe(i);
    this.sources.set(i, known);
    const { sha256, ...rest } = known;
    const path = 'adapter_model.safetensors';
    return { ...rest, weights: { path, size: this.bytes, sha256, url: url(`${this.name}/${i}`) } };
  }

  private describe(i: number) {
    const sha256 = createHash('sha256').update(this.content(i)).digest('hex');
    const digest = createHash('sha256').update(sha256).digest('hex');
    return { digest, weight: 1, config: this.config, sha256 };
  }
}

/** Base and adapters as runners are handed them: files at URLs. */
export class Files {
  readonly base: BaseSource;
  private readonly server: Server;
  private readonly origin: string;

  private constructor(base: BaseSource, server: Server, origin: string) {
    this.base = base;
    this.server = server;
    this.origin = origin;
  }

  static async open(kinds: Readonly<Record<string, Adapters>> = {}): Promise<Files> {
    const folder = await checkpoint();
    const server = createServer((request, response) => {
      const [kind = '', name = ''] = (request.url ?? '').slice(1).split('/');
      if (kind === 'base') createReadStream(join(folder, name)).pipe(response);
      else response.end(kinds[kind]?.content(Number(name)));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const names = ['config.json', 'model.safetensors', ...TOKENIZER_FILES];
    const files = await Promise.all(names.map((name) => describeFile(folder, name, origin)));
    const digest = createHash('sha256')
      .update(JSON.stringify(files.map(({ sha256 }) => sha256)))
      .digest('hex');
    return new Files({ id: 'bench/135m', digest, files }, server, origin);
  }

  adapter(adapters: Adapters, i: number): AdapterSource {
    return adapters.source(i, (path) => `${this.origin}/${path}`);
  }

  close(): void {
    this.server.close();
  }
}

async function describeFile(folder: string, path: string, origin: string) {
  const bytes = await readFile(join(folder, path));
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  return { path, size: bytes.length, sha256, url: `${origin}/base/${path}` };
}
