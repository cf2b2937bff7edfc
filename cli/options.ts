/** Options of commands, and the names that the API has for them. */
import { CliError, EXIT } from './errors.ts';

/** @throws CliError */
export function number(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (text.trim() === '' || Number.isNaN(value))
    throw new CliError(EXIT.usage, `${option} ${text} is not a number`);
  return value;
}

/** By the last part of the field's name. */
const OPTIONS: Readonly<Record<string, string>> = {
  // of searching
  base: '--base',
  owner: '--owner',
  task: '--task',
  language: '--language',
  license: '--license',
  tag: '--tag',
  rank: '--rank',
  size: '--size',
  sort: '--sort',
  limit: '--limit',
  cursor: '--cursor',
  // of answers
  temperature: '--temperature',
  max_tokens: '--max-tokens',
  seed: '--seed',
  // of training and measuring
  file: '--data',
  validationFile: '--validation',
  validation_file: '--validation',
  suffix: '--name',
  n_epochs: '--epochs',
  batch_size: '--batch-size',
  learning_rate: '--learning-rate',
  r: '--rank',
  lora_alpha: '--alpha',
  target_modules: '--target-modules',
  // of keys and statements
  scopes: '--scopes',
  adapters: '--adapters',
  expiresInSeconds: '--days',
  month: '--month',
};

/** What the API says of a field, said of the option that it was given by. */
export function asOption(message: string, field: string | null | undefined): string {
  const name = field?.split('.').findLast((part) => !/^\d+$/.test(part));
  const option = name === undefined ? undefined : OPTIONS[name];
  if (option === undefined) return message;
  const said = message.startsWith(`${field}: `) ? message.slice(field!.length + 2) : message;
  return `${option}: ${said}`;
}
