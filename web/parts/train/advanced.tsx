/** What may be decided by hand. What stays empty is decided by the server, with its reason as an event. */
import { Field } from '../field.tsx';

type Value = number | string | boolean | string[];

export const PRESETS = {
  standard: { label: 'Standard', hint: 'Everything is decided for you', set: {} },
  quick: {
    label: 'Quick look',
    hint: 'Rank 8, one epoch: does it learn at all?',
    set: { r: 8, n_epochs: 1 },
  },
  thorough: {
    label: 'Thorough',
    hint: 'Rank 32, up to 10 epochs, ends when held-out rows stop improving',
    set: { r: 32, n_epochs: 10, validation_split: 0.1, early_stopping_patience: 3 },
  },
} as const satisfies Record<string, { label: string; hint: string; set: Record<string, Value> }>;
export type Preset = keyof typeof PRESETS;

const NUMBERS = [
  ['r', 'Rank', { min: 1, max: 512, step: 1 }],
  ['lora_alpha', 'Alpha', { min: 0, max: 4096, step: 'any' }],
  ['n_epochs', 'Epochs', { min: 1, max: 50, step: 1 }],
  ['batch_size', 'Batch size', { min: 1, max: 256, step: 1 }],
  ['learning_rate', 'Learning rate', { min: 0, max: 1, step: 'any' }],
  ['max_length', 'Longest row, tokens', { min: 8, max: 131_072, step: 1 }],
  ['validation_split', 'Share held out', { min: 0, max: 0.5, step: 'any' }],
  ['early_stopping_patience', 'Patience, evaluations', { min: 1, max: 1000, step: 1 }],
] as const;

export function Advanced() {
  return (
    <details className="panel p-3">
      <summary className="cursor-pointer font-medium">Advanced</summary>
      <div className="grid grid-cols-2 gap-3 pt-3 md:grid-cols-4">
        {NUMBERS.map(([name, label, bounds]) => (
          <Field key={name} label={label}>
            <input type="number" name={name} placeholder="auto" {...bounds} />
          </Field>
        ))}
        <Field label="Matrices" hint="attention, mlp, q, v, …" className="col-span-2">
          <input name="target_modules" placeholder="all-linear" />
        </Field>
        <Field label="Schedule">
          <select name="lr_scheduler_type" defaultValue="">
            <option value="">auto</option>
            <option>linear</option>
            <option>cosine</option>
            <option>constant</option>
          </select>
        </Field>
        <Field label="Seed">
          <input type="number" name="seed" min={0} max={2 ** 31 - 1} step={1} placeholder="any" />
        </Field>
        <Field label="Prompts to answer while it learns" hint="One a line, up to 8" className="col-span-full">
          <textarea name="sample_prompts" rows={2} />
        </Field>
        <div className="col-span-full flex gap-5 text-sm">
          {[
            ['use_dora', 'DoRA'],
            ['use_rslora', 'rsLoRA'],
            ['packing', 'Packing'],
          ].map(([name, label]) => (
            <label key={name} className="flex items-center gap-2">
              <input type="checkbox" name={name} />
              {label}
            </label>
          ))}
        </div>
      </div>
    </details>
  );
}

/** What was given, over what the preset sets. */
export function hyperparametersOf(form: FormData, preset: Preset): Record<string, Value> {
  const given: Record<string, Value> = { ...PRESETS[preset].set };
  const text = (name: string) => String(form.get(name) ?? '').trim();
  for (const [name] of NUMBERS) if (text(name)) given[name] = Number(text(name));
  if (text('lr_scheduler_type')) given['lr_scheduler_type'] = text('lr_scheduler_type');
  const modules = text('target_modules')
    .split(/[\s,]+/)
    .filter(Boolean);
  if (modules.length > 0) given['target_modules'] = modules;
  const prompts = text('sample_prompts')
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean);
  if (prompts.length > 0) given['sample_prompts'] = prompts;
  for (const name of ['use_dora', 'use_rslora', 'packing']) if (form.has(name)) given[name] = true;
  return given;
}
