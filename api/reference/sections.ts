/** What the reference is divided into, in the order in which people come to need it; `tags` of the OpenAPI document. */
export const SECTIONS = {
  Models: "Ask a base, an adapter or a mix, by OpenAI's protocol.",
  Catalog: 'Find adapters and bases, and read what is known of them.',
  Publishing: 'Send the files of a version, and have it checked.',
  Verification: 'What the publish gate found, and trying again.',
  Training: "Files of rows and training jobs, by OpenAI's protocol.",
  Tasks: 'Evaluate, merge or reproduce an adapter.',
  Accounts: 'Who you are, the keys that you hold, and who works with you.',
  Usage: 'What was used, what it costs, and who earns by it.',
  Webhooks: 'Be told of what happens.',
  Operator: 'For whoever runs this server.',
} as const;

export type Section = keyof typeof SECTIONS;
