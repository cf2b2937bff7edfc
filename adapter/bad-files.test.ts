import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import { badFiles } from './bad-files.ts';
import { type BaseConfig, moduleTable, parseBaseConfig } from './base-config.ts';
import { AdapterError, AdapterProblems } from './error.ts';
import { inspectAdapter } from './inspect.ts';
import { parseStrictJson } from './json.ts';
import { parsePeftConfig } from './peft-config.ts';
import { readHeader } from './safetensors.ts';
import { type AdapterFiles, sampleAdapter } from './sample-adapter.ts';
import { createScan } from './scan.ts';

const fixture = new URL('../test/fixtures/parity/smollm2/config.json', import.meta.url);
const base = parseBaseConfig(JSON.parse(await readFile(fixture, 'utf8')));

/** Every check, in the order in which the cheap ones come first. */
async function check({ config, weights }: AdapterFiles, onto: BaseConfig): Promise<void> {
  const peft = parsePeftConfig(parseStrictJson(config, 'adapter_config.json'));
  const read = async (offset: number, length: number) => weights.subarray(offset, offset + length);
  const header = await readHeader(read, weights.length);
  inspectAdapter(peft, header, moduleTable(onto));
  const scan = createScan(header);
  for (let at = 0; at < weights.length; at += 777) scan.push(weights.subarray(at, at + 777));
  scan.finish();
}

async function problemsOf(files: AdapterFiles): Promise<readonly AdapterError[]> {
  const error: unknown = await check(files, base).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (error === undefined) return [];
  if (error instanceof AdapterProblems) return error.problems;
  if (error instanceof AdapterError) return [error];
  throw error;
}

describe('the corpus of bad files', () => {
  const files = badFiles(base);

  it('holds at least forty, each with a name of its own', () => {
    expect(files.length).toBeGreaterThanOrEqual(40);
    expect(new Set(files.map(({ name }) => name)).size).toBe(files.length);
  });

  it('is made from an adapter that is accepted', async () => {
    expect(await problemsOf(sampleAdapter(base))).toEqual([]);
  });

  it.each(files)('$name: $code', async ({ code, ...bad }) => {
    const problems = await problemsOf(bad);
    expect(problems.length).toBeGreaterThan(0);
    for (const problem of problems) {
      expect(problem.code, problem.message).toBe(code);
      expect(problem.message.length).toBeLessThan(600);
    }
  });
});
