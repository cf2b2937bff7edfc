/** README.md of a trained adapter: what it is, how it was made, how far it can be trusted. */

export interface CardFacts {
  readonly baseId: string;
  readonly model: string;
  readonly steps: number;
  readonly examples: number;
  readonly trainedTokens: number;
  readonly rank: number;
  readonly modules: readonly string[];
  readonly trainLoss: number | null;
  readonly validLoss: number | null;
  readonly baseLoss: number | null;
}

export function cardOf(facts: CardFacts): string {
  const number = (value: number | null) => (value === null ? '-' : value.toFixed(4));
  const rows = [
    ['base', facts.baseId],
    ['examples', facts.examples.toLocaleString('en')],
    ['tokens trained', facts.trainedTokens.toLocaleString('en')],
    ['steps', String(facts.steps)],
    ['rank', `${facts.rank} on ${facts.modules.join(', ')}`],
    ['training loss, last step', number(facts.trainLoss)],
    ['validation loss', `${number(facts.validLoss)} (the base: ${number(facts.baseLoss)})`],
  ];
  return `---
base_model: ${facts.baseId}
library_name: peft
tags: [lora, patchbay]
---

# ${facts.model}

Trained by Patchbay; the receipt of this version says how, and how to make it again.

| | |
|---|---|
${rows.map((row) => `| ${row.join(' | ')} |`).join('\n')}
`;
}
