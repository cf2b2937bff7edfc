/** README.md of a trained adapter: what it is, how it was made, how far it can be trusted. */
import type { JobFacts } from './leased-job.ts';

export interface CardFacts extends JobFacts {
  readonly baseId: string;
  readonly examples: number;
  /** adapter_config.json */
  readonly config: Readonly<Record<string, unknown>>;
  /** Whether it goes on from another adapter. */
  readonly continues: boolean;
  /** Else it is as it was on the way. */
  readonly isResult: boolean;
}

export function cardOf(facts: CardFacts): string {
  const { r, target_modules: modules } = facts.config;
  const number = (value: number | null) => (value === null ? '-' : value.toFixed(4));
  const rows: [string, string][] = [
    ['base', `\`${facts.baseId}\``],
    ['examples', facts.examples.toLocaleString('en')],
    ['tokens trained', facts.trained_tokens.toLocaleString('en')],
    [
      'steps',
      facts.best_step === null ? `${facts.steps}` : `${facts.steps}, of which ${facts.best_step} is kept`,
    ],
    ['rank', `${r}, on ${[modules].flat().join(', ')}`],
    ['training loss', number(facts.train_loss)],
  ];
  if (facts.valid_loss !== null)
    rows.push([
      'validation loss',
      `${number(facts.valid_loss)}; ${number(facts.first_valid_loss)} before training`,
    ]);
  return `---
base_model: ${JSON.stringify(facts.baseId)}
library_name: peft
pipeline_tag: text-generation
tags: [lora, patchbay]
---

Trained by Patchbay${facts.continues ? ', going on from another adapter' : ''}. ${
    facts.isResult
      ? 'The receipt of this version says with what, and is enough to train it again.'
      : `A checkpoint of its job, after step ${facts.steps}.`
  }

| | |
|---|---|
${rows.map((row) => `| ${row.join(' | ')} |`).join('\n')}
`;
}
