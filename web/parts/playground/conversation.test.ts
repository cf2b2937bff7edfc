import { expect, it } from 'vitest';
import { type Answer, reduce, type Turn } from './conversation.ts';

const said = (text: string): Answer => ({ state: 'done', text, tokens: [] });
const turns: readonly Turn[] = [
  { prompt: 'one', answers: [said('a'), said('b')] },
  { prompt: 'two', answers: [said('c'), said('d')] },
];

it('keeps the chat when a column is added, which was not asked before', () => {
  const more = reduce(turns, { type: 'column added' });
  expect(more.map(({ answers }) => answers.slice(0, 2))).toEqual(turns.map(({ answers }) => answers));
  expect(more.map(({ answers }) => answers[2]?.state)).toEqual(['unasked', 'unasked']);
  const asked = reduce(more, { type: 'again', turn: 1, column: 2 });
  expect(asked[1]!.answers.map(({ state }) => state)).toEqual(['done', 'done', 'running']);
  expect(reduce(asked, { type: 'column removed', column: 2 })).toEqual(turns);
});
