/**
 * The engine on WebGPU: a real runner, against what transformers and PEFT choose. Where there is no GPU, the one that
 * Chromium brings for such machines does: SwiftShader, which computes as Vulkan asks for, on the processor.
 */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { FileServer } from './testing/file-server.ts';
import { allEvents, RunnerProcess } from './testing/runner-process.ts';

/** The software takes 50 ms for each. */
const TOKENS = 8;
const SWIFTSHADER = '/usr/lib/chromium/vk_swiftshader_icd.json';

interface ReferenceCase {
  name: string;
  adapters: Record<string, number>;
  prompts: { prompt: number[]; greedy: number[] }[];
}

describe.skipIf(!existsSync(SWIFTSHADER))(
  'on WebGPU (skipped without Chromium, whose GPU it borrows)',
  () => {
    let files: FileServer;
    let runner: RunnerProcess;
    let cases: ReferenceCase[];

    beforeAll(async () => {
      files = await FileServer.open();
      runner = await RunnerProcess.start({
        PATCHBAY_RUNNER_PROVIDER: 'webgpu',
        VK_DRIVER_FILES: SWIFTSHADER,
        VK_ICD_FILENAMES: SWIFTSHADER, // the same, to loaders before 1.3.207
        XDG_RUNTIME_DIR: tmpdir(),
      });
      const reference = join(import.meta.dirname, '../test/fixtures/parity/llama3/reference/reference.json');
      ({ cases } = JSON.parse(await readFile(reference, 'utf8')) as { cases: ReferenceCase[] });
    });

    afterAll(async () => {
      await runner?.stop();
      await files?.close();
    });

    it.each(['base', 'all-linear', 'dora', 'all-linear+second'])(
      '%s chooses the tokens of the reference',
      async (name) => {
        const { adapters, prompts } = cases.find((one) => one.name === name)!;
        const { prompt, greedy } = prompts[1]!;
        const answer = await runner.send('/generate', {
          requestId: name,
          base: files.base('llama3'),
          adapters: Object.entries(adapters).map(([adapter, weight]) => ({
            ...files.adapter('llama3', adapter),
            weight,
          })),
          prompt: { kind: 'tokens', tokens: prompt },
          sampling: { temperature: 0, maxTokens: TOKENS, topLogprobs: 0 },
        });
        const events = await allEvents(answer);
        const chosen = events.flatMap((event) => (event.type === 'delta' ? (event.tokens ?? []) : []));
        expect(chosen.map(({ id }) => id)).toEqual(greedy.slice(0, TOKENS));
      },
    );
  },
);
