import { expect, test } from 'vitest';
import { errorCodeOf } from '../lib/errors.ts';
import { makeRepository } from './repository.fixture.ts';
import { rootDigestOf } from './root-digest.ts';

const { root } = makeRepository({ targets: {} });
const { signed, signatures } = JSON.parse(Buffer.from(root).toString());
const written = (value: unknown, indent = 0) => Buffer.from(JSON.stringify(value, null, indent));
const digest = rootDigestOf(root);

test('a root has one digest, however it is written and whoever else has signed it (RDG1)', () => {
  const turned = Object.fromEntries(Object.entries(signed).reverse());
  for (const bytes of [
    written({ signed, signatures }, 2),
    written({ signatures, signed: turned }),
    written({ signed, signatures: [...signatures, { keyid: 'f'.repeat(64), sig: '00' }] }),
    written({ signed, signatures: [] }),
  ])
    expect(rootDigestOf(bytes)).toBe(digest);
});

test('roots that say something else have other digests, and what is no root has none (RDG1)', () => {
  const [keyId = ''] = Object.keys(signed.keys);
  for (const other of [
    { ...signed, version: signed.version + 1 },
    { ...signed, expires: '2031-01-01T00:00:00Z' },
    { ...signed, 'x-more': true },
    { ...signed, keys: { ...signed.keys, [keyId]: { ...signed.keys[keyId], more: 'x' } } },
  ])
    expect(rootDigestOf(written({ signed: other, signatures }))).not.toBe(digest);
  for (const bytes of [
    written({ signed: { ...signed, _type: 'targets' }, signatures }),
    Buffer.from('no root'),
  ])
    expect(() => rootDigestOf(bytes)).toThrow(
      expect.toSatisfy(error => errorCodeOf(error) === 'METADATA_INVALID'),
    );
});
