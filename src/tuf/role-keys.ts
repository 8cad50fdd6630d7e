/** The keys and thresholds of roles: a root has them for the top-level roles, a targets role for its delegations. */
import { quoted } from '../lib/shown-text.ts';
import type { Fields } from './fields.ts';
import { type ListedKey, parsePublicKey } from './keys.ts';
import { type Spend, STEPS } from './work-budget.ts';

/** By key id. */
export type Keys = ReadonlyMap<string, ListedKey>;

export type RoleKeys = { readonly keyIds: readonly string[]; readonly threshold: number };

/** More than any threshold needs; bounds the work that a hostile file causes. */
const MAX_KEYS = 1024;
/** Ids that are hashes have 64 or 128. */
export const MAX_KEY_ID_LENGTH = 256;

/** The member `keys` of a root or of delegations. */
export const parseKeys = (fields: Fields, spend: Spend): Keys => {
  const keys = new Map<string, ListedKey>();
  for (const [keyId, key] of fields.entries('keys')) {
    if (keys.size >= MAX_KEYS) fields.fail('keys', `must not exceed ${MAX_KEYS}`);
    if (keyId.length > MAX_KEY_ID_LENGTH)
      fields.fail('keys', `must not hold a key id of more than ${MAX_KEY_ID_LENGTH} characters`);
    spend(STEPS.key);
    keys.set(keyId, parsePublicKey(key));
  }
  return keys;
};

/** The members `keyids` and `threshold` of a role. */
export const parseRoleKeys = (role: Fields, keys: Keys): RoleKeys => {
  const keyIds = role.strings('keyids');
  if (new Set(keyIds).size !== keyIds.length) role.fail('keyids', 'must not repeat a key id');
  const unknown = keyIds.find(keyId => !keys.has(keyId));
  if (unknown !== undefined)
    role.fail('keyids', `names the key ${quoted(unknown)}, which "keys" does not have`);
  return { keyIds, threshold: role.integer('threshold', 1) };
};
