import { expect, it } from 'vitest';
import { ownPath, placeWithin } from './own-path.ts';

const ORIGIN = 'https://patchbay.example';

it('leads to pages of this site alone, however the place is written', () => {
  expect(placeWithin(ORIGIN, '/adapters/a/b?version=2#top')).toBe('/adapters/a/b?version=2#top');
  for (const elsewhere of [
    '//evil.example',
    '/\t/evil.example',
    '/\n/evil.example',
    '/\\evil.example',
    '\\\\evil.example',
  ])
    expect(placeWithin(ORIGIN, elsewhere), JSON.stringify(elsewhere)).toBe('/');
  for (const elsewhere of [
    'https://evil.example/x',
    'javascript:alert(1)',
    'http://patchbay.example/',
    'http://',
  ])
    expect(placeWithin(ORIGIN, elsewhere), elsewhere).toBe('/');
  // Its origin is right; its path alone would lead away.
  expect(placeWithin(ORIGIN, '/.//evil.example/x')).toBe('/evil.example/x');
  expect(placeWithin(ORIGIN, 'https://patchbay.example//evil.example')).toBe('/evil.example');
});

it('takes no path for a server', () => {
  expect(ownPath('//evil.example/x')).toBe('/evil.example/x');
  expect(ownPath('/jobs')).toBe('/jobs');
});
