import { expect, it } from 'vitest';
import { cardHtml } from './card-html.ts';

it('names the boxes of a list of tasks, and lets a keyboard reach what scrolls', () => {
  const html = cardHtml('- [x] runs **here**\n- [ ] runs there\n\n```\nlong\n```\n\n| a |\n| - |\n| 1 |\n');
  expect(html).toContain('aria-label="runs here"');
  expect(html).toContain('aria-label="runs there"');
  expect(html).toMatch(/<pre tabindex="0">/);
  expect(html).toMatch(/<table tabindex="0">/);
  // Nobody else's attributes come through.
  expect(cardHtml('<p tabindex="5" aria-label="x">hello</p>')).not.toContain('aria-label');
});
