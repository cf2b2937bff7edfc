/** What a training file turned out to be, in sentences for its owner. */

import type { Problem } from '../../../adapter/training-rows.ts';
import type { TrainEvent } from '../../../functions/train.ts';
import type { DatasetReport, Named } from './dataset.ts';

/** Enough to see what is wrong; all of them are in the event's data. */
const SHOWN = 10;

export interface ReportLine {
  readonly level: TrainEvent['level'];
  readonly message: string;
}

const count = (number: number, one: string, many = `${one}s`) =>
  `${number.toLocaleString('en')} ${number === 1 ? one : many}`;

/** @param name of the file. @returns why nothing may be trained with it; undefined where something may */
export function refusalOf(
  { problems, rows, examples, withoutTarget }: DatasetReport,
  name: string,
): string | undefined {
  if (problems.count > 0) {
    const lines = problems.first.slice(0, SHOWN).map(sentence);
    return `${name}: ${count(problems.count, 'line')} cannot be used. ${lines.join(' ')}${more(problems)}`;
  }
  if (rows === 0) return `${name}: there is not a single row in it.`;
  if (examples === 0)
    return `${name}: nothing would be trained. None of ${count(withoutTarget.count, 'row')} has a token to be learnt within the longest length that is allowed.`;
  return undefined;
}

export function reportLines(report: DatasetReport, name: string, maxLength: number): ReportLine[] {
  const { format, rows, examples, tokens, trainedTokens, longest, truncated, duplicates, withoutTarget } =
    report;
  const lines: ReportLine[] = [
    {
      level: 'info',
      message: `${name}: ${count(rows, 'row')} of ${format}, ${count(examples, 'example')}, ${count(tokens, 'token')} of which ${trainedTokens.toLocaleString('en')} are trained; the longest has ${longest.toLocaleString('en')}`,
    },
  ];
  const warn = (message: string) => lines.push({ level: 'warn', message: `${name}: ${message}` });
  if (truncated > 0)
    warn(
      `${count(truncated, 'example')} longer than ${maxLength} tokens lost the end; max_length can be raised`,
    );
  if (duplicates > 0) warn(`${count(duplicates, 'example is a duplicate', 'examples are duplicates')}`);
  if (withoutTarget.count > 0)
    warn(
      `${count(withoutTarget.count, 'row has', 'rows have')} nothing to learn and ${withoutTarget.count === 1 ? 'is' : 'are'} left out: line ${withoutTarget.first.slice(0, SHOWN).join(', ')}${more(withoutTarget)}`,
    );
  return lines;
}

function sentence({ line, field, message }: Problem): string {
  return `Line ${line}${field ? `, ${field}` : ''}: ${message}.`;
}

function more({ count: all }: Named<unknown>): string {
  return all > SHOWN ? ` (and ${(all - SHOWN).toLocaleString('en')} more)` : '';
}
