/**
 * Which of the given keys sign for a role, by the keys that the repository lists for it.
 *
 * A key is matched by its signature, not by its id: ids are labels, and other tools make them differently. An RSA key signs by the
 * scheme that the repository lists for it, PSS or PKCS#1 v1.5: the latter only in a repository that was opened by a policy that accepts it.
 */
import { DepotError } from '../lib/errors.ts';
import type { Keys, RoleKeys } from '../tuf/role-keys.ts';
import { type SigningKey, withPkcs1v15 } from './signing-keys.ts';

const PROBE = Buffer.from('which key is this?');

/**
 * The keys of the ring that count for a role, under the ids that the role lists them by.
 *
 * @throws DepotError `SIGNING_KEY_INVALID` if they are fewer than its threshold
 */
export const signersOf = (
  role: string,
  { keyIds, threshold }: RoleKeys,
  keys: Keys,
  ring: readonly SigningKey[],
): readonly SigningKey[] => {
  const signers = keyIds.flatMap(keyId => {
    const listed = keys.get(keyId);
    if (!listed?.isUsable) return [];
    const { neededPolicy: scheme } = listed;
    const own = ring
      .flatMap(key => (scheme === undefined ? key : (withPkcs1v15(key, scheme) ?? [])))
      .find(key => listed.verify(PROBE, key.sign(PROBE)));
    return own === undefined ? [] : [{ ...own, keyId }];
  });
  const distinct = new Set(signers.map(({ privatePem }) => privatePem)).size;
  if (distinct >= threshold) return signers;
  throw new DepotError(
    'SIGNING_KEY_INVALID',
    `the role ${role} needs signatures by ${threshold} of its keys ${keyIds.join(', ')}; ` +
      `${distinct} of the ${ring.length} given keys ${distinct === 1 ? 'is' : 'are'} among them`,
    { detail: { role, threshold, given: distinct } },
  );
};
