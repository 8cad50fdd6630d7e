import { expect, test } from 'vitest';
import { TrustRootId } from '../../core/ids.ts';
import { systemClock } from '../../lib/clock.ts';
import { createRoot, keysForAllRoles, rotateRoot } from '../../signing/sign-metadata.ts';
import { generateSigningKey } from '../../signing/signing-keys.ts';
import type { TrustRootRecord } from '../datastore/ports/trust-root-port.ts';
import { expiryReasonsOf, readExpiries } from './expiry-warnings.ts';

const YEAR_2020 = Date.UTC(2020, 0, 1);
const YEAR_2100 = Date.UTC(2100, 0, 1);
const newKeys = () => keysForAllRoles([generateSigningKey()]);
const ids = ['00000001-0000-4000-8000-000000000001', '00000002-0000-4000-8000-000000000002'].map(id =>
  TrustRootId.parse(id),
);

const warned = async (roots: readonly Uint8Array[]): Promise<readonly string[]> => {
  const items = roots.map((rootBytes, index) => ({ id: ids[index], rootBytes }) as TrustRootRecord);
  const datastore = { trustRootList: async () => ({ items }), releaseRoles: async () => [] };
  const expiries = await readExpiries(datastore, { signal: new AbortController().signal });
  return expiryReasonsOf(expiries, systemClock).map(
    reason => `${reason.code} ${'rootVersion' in reason ? reason.rootVersion : ''}`,
  );
};

test('an expired trust root is a reason, unless its successor is a trust root too', async () => {
  const [keys, next] = [newKeys(), newKeys()];
  const options = { consistentSnapshot: false };
  const one = createRoot({ keys, version: 1, expiresMs: YEAR_2020, ...options });
  const previous = { bytes: one, keys: keys.root.keys };
  const two = rotateRoot(previous, { keys: next, expiresMs: YEAR_2100, ...options });
  expect(await warned([one])).toEqual(['ROOT_EXPIRED 1']);
  expect(await warned([one, two])).toEqual([]);
  expect(await warned([two, one])).toEqual([]);
});

test('a newer root of another signer is no successor, and an expired successor is a reason of its own', async () => {
  const [keys, next] = [newKeys(), newKeys()];
  const options = { consistentSnapshot: false, expiresMs: YEAR_2020 };
  const one = createRoot({ keys, version: 1, ...options });
  const stranger = createRoot({ keys: next, version: 2, ...options, expiresMs: YEAR_2100 });
  expect(await warned([one, stranger])).toEqual(['ROOT_EXPIRED 1']);
  const two = rotateRoot({ bytes: one, keys: keys.root.keys }, { keys: next, ...options });
  expect(await warned([one, two])).toEqual(['ROOT_EXPIRED 2']);
});
