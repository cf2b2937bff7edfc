import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { readInThread } from './dataset-reader.ts';
import { linesOf } from './lines.ts';
import { refusalOf, reportLines } from './report.ts';

const CHECKPOINT = join(import.meta.dirname, '../../../test/fixtures/parity/smollm2');
const END = 2;

async function file(content: string | Uint8Array): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'patchbay-data-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  await writeFile(join(folder, 'data.jsonl'), content);
  return join(folder, 'data.jsonl');
}

async function read(content: string | Uint8Array, maxLength = 512) {
  const task = { folder: CHECKPOINT, path: await file(content), endTokens: [END], maxLength };
  const { dataset } = await readInThread(task, () => undefined, new AbortController().signal);
  return dataset;
}

const chat = (question: string, answer: string) =>
  JSON.stringify({
    messages: [
      { role: 'user', content: question },
      { role: 'assistant', content: answer },
    ],
  });
const good = chat('one', 'two');

describe('lines', () => {
  it('are those of the text, however it is cut, and blank ones are counted but not given', async () => {
    const line = fc.string({ unit: 'grapheme' }).map((text) => text.replace(/[\r\n]/g, ''));
    await fc.assert(
      fc.asyncProperty(fc.array(line), fc.constantFrom('\n', '\r\n'), async (lines, end) => {
        const found: [number, string][] = [];
        for await (const { number, text } of linesOf(await file(lines.join(end)), 1e6))
          found.push([number, text]);
        const expected = lines.map((text, i): [number, string] => [
          i + 1,
          text.replace(/^\uFEFF/, '').trim(),
        ]);
        expect(found).toEqual(expected.filter(([, text]) => text !== ''));
      }),
      { numRuns: 50 },
    );
  });
});

describe('a training file', () => {
  it('is counted', async () => {
    const rows = [good, chat('three', 'four five six'), good];
    const { report, tokens, isTarget, offsets } = await read(rows.join('\n'));
    expect(report).toMatchObject({ format: 'messages', rows: 3, examples: 3, duplicates: 1, truncated: 0 });
    expect(report.tokens).toBe(tokens.length);
    expect(report.trainedTokens).toBe(isTarget.filter(Boolean).length);
    expect([...offsets]).toEqual([0, ...[1, 2, 3].map((i) => offsets[i]!)]);
    expect(report.longest).toBe(Math.max(...[0, 1, 2].map((i) => offsets[i + 1]! - offsets[i]!)));
    expect(refusalOf(report, 'training_file')).toBeUndefined();
    expect(reportLines(report, 'training_file', 512).map(({ level }) => level)).toEqual(['info', 'warn']);
  });

  it.each([
    ['what is no JSON', 'hello', undefined, /^is not JSON/],
    ['what is no object', '[1]', undefined, /not a JSON object/],
    ['none of the formats', '{"input":"a"}', undefined, /none of the fields/],
    ['two formats at once', '{"text":"a","prompt":"b","completion":"c"}', 'text', /which of them is meant/],
    ['another format than the rows before', '{"text":"a"}', 'text', /the rows before it have messages/],
    [
      'a role that is none',
      '{"messages":[{"role":"robot","content":"a"}]}',
      'messages.0.role',
      /must be system/,
    ],
    ['no answer', '{"messages":[{"role":"user","content":"a"}]}', 'messages', /no answer of the assistant/],
    [
      'content that is no text',
      '{"messages":[{"role":"assistant","content":7}]}',
      'messages.0.content',
      /must be text/,
    ],
    [
      'calls of tools',
      '{"messages":[{"role":"assistant","content":"","tool_calls":[{}]}]}',
      'messages.0.tool_calls',
      /tools cannot be trained/,
    ],
    [
      'a weight that is none',
      '{"messages":[{"role":"assistant","content":"a","weight":2}]}',
      'messages.0.weight',
      /0 or 1/,
    ],
  ])('is refused for %s, by line and field', async (_name, row, field, message) => {
    const { report } = await read(`${good}\n\n${row}\n`);
    expect(report.problems).toEqual({
      count: 1,
      first: [{ line: 3, message: expect.stringMatching(message), ...(field ? { field } : {}) }],
    });
    const refusal = refusalOf(report, 'training_file');
    expect(refusal).toMatch(/^training_file: 1 line cannot be used\. Line 3/);
  });

  it('is refused with the first lines and the number of all', async () => {
    const { report } = await read('{}\n'.repeat(250));
    expect(report.problems.count).toBe(250);
    expect(report.problems.first).toHaveLength(100);
    expect(refusalOf(report, 'training_file')).toMatch(/250 lines cannot be used.*\(and 240 more\)$/);
  });

  it.each([
    ['nothing in it', '\n\n'],
    ['nothing to learn', '{"messages":[{"role":"assistant","content":"a","weight":0}]}'],
  ])('is refused when there is %s', async (_name, content) => {
    expect(refusalOf((await read(content)).report, 'training_file')).toBeDefined();
  });

  it('goes without the rows in which nothing is to be learnt, and says which', async () => {
    const none = '{"messages":[{"role":"assistant","content":"a","weight":0}]}';
    const { report } = await read([good, none, good].join('\n'));
    expect(report.withoutTarget).toEqual({ count: 1, first: [2] });
    expect(reportLines(report, 'x', 512).at(-1)?.message).toMatch(/1 row has nothing to learn.*line 2/);
  });

  it('loses the ends of what is too long; what then has nothing to learn is left out', async () => {
    const long = chat('q '.repeat(100), 'a');
    const half = chat('q', 'a '.repeat(100));
    const { report, offsets } = await read([long, half].join('\n'), 64);
    expect(report).toMatchObject({ truncated: 2, examples: 1, withoutTarget: { count: 1, first: [1] } });
    expect(offsets[1]).toBe(64);
  });

  it('is refused for a line that is not UTF-8, or longer than a line may be', async () => {
    const bytes = new Uint8Array([...new TextEncoder().encode(`${good}\n`), 0xff, 0x0a]);
    expect((await read(bytes)).report.problems.first).toEqual([{ line: 2, message: 'is not UTF-8 text' }]);
    const endless = `${good}\n${'x'.repeat(17 * 2 ** 20)}`;
    expect((await read(endless)).report.problems.first[0]).toMatchObject({
      line: 2,
      message: expect.stringMatching(/longer than/),
    });
  });

  it('survives any text: every line is an example or a problem', async () => {
    const any = fc.oneof(fc.json(), fc.string(), fc.constant(good), fc.constant('{"text":"a"}'));
    const content = await fc.sample(any, 300).map((line) => line.replace(/[\r\n]/g, ' '));
    const { report } = await read(content.join('\n'));
    const blank = content.filter((line) => line.trim() === '').length;
    expect(report.rows).toBe(300 - blank);
    expect(report.examples + report.problems.count + report.withoutTarget.count).toBe(report.rows);
  });
});
