import { expect, test } from 'vitest';
import { derivedUuid } from './derived-uuid.ts';

test('a derived UUID keeps its value: databases and ledgers have it', () => {
  expect(derivedUuid('tuf-depot sled\npart\nserial\n')).toBe('bff01595-7511-8237-aace-8c40f3265462');
  expect(derivedUuid('["00",[["kind","zone"]]]')).toBe('bb525c67-10fb-8131-b774-926d18185b7a');
});

test('a derived UUID has version 8 and the variant of RFC 9562, whatever its text', () => {
  for (let n = 0; n < 100; n += 1)
    expect(derivedUuid(String(n))).toMatch(
      /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
    );
});
