/** Signed metadata files, and the roots with the keys that count. */
import { canonicalJson } from '../tuf/canonical-json.ts';
import { parseMetadata } from '../tuf/metadata.ts';
import { TOP_LEVEL_ROLES, type TopLevelRole } from '../tuf/role-names.ts';
import { parseStrictJson } from '../tuf/strict-json.ts';
import type { SigningKey } from './signing-keys.ts';

const SPEC_VERSION = '1.0.34';

/** The `signed` part of a metadata file, as plain JSON. */
export type SignedObject = Record<string, unknown>;

export type RoleSigners = { readonly keys: readonly SigningKey[]; readonly threshold: number };
export type RepositoryKeys = Readonly<Record<TopLevelRole, RoleSigners>>;

/** The same keys for all four roles, any `threshold` of which suffice. */
export const keysForAllRoles = (keys: readonly SigningKey[], threshold = 1): RepositoryKeys => {
  const signers = { keys, threshold };
  return { root: signers, timestamp: signers, snapshot: signers, targets: signers };
};

/** What every role's `signed` part begins with. */
export const signedObject = (
  role: TopLevelRole,
  { version, expiresMs }: { readonly version: number; readonly expiresMs: number },
): SignedObject => ({
  _type: role,
  spec_version: SPEC_VERSION,
  version,
  expires: tufTime(expiresMs),
});

/** Whole seconds: the specification's form. */
export const tufTime = (ms: number): string => new Date(ms).toISOString().replace(/\.\d+Z$/, 'Z');

/** A metadata file: signed is exactly what a reader of these bytes sees. */
export const signMetadata = (signed: SignedObject, keys: readonly SigningKey[]): Uint8Array => {
  const what = 'the metadata to sign';
  const message = canonicalJson(parseStrictJson(Buffer.from(JSON.stringify(signed)), what), what);
  const signatures = distinctKeys(keys).map(({ keyId, sign }) => ({ keyid: keyId, sig: sign(message) }));
  return Buffer.from(`${JSON.stringify({ signatures, signed }, undefined, 2)}\n`);
};

export type RootOptions = {
  readonly keys: RepositoryKeys;
  readonly version: number;
  readonly expiresMs: number;
  readonly consistentSnapshot: boolean;
};

export const rootObject = (options: RootOptions): SignedObject => {
  const listed = distinctKeys(TOP_LEVEL_ROLES.flatMap(role => options.keys[role].keys));
  const roles = TOP_LEVEL_ROLES.map(role => {
    const { keys, threshold } = options.keys[role];
    return [role, { keyids: distinctKeys(keys).map(({ keyId }) => keyId), threshold }];
  });
  return {
    ...signedObject('root', options),
    consistent_snapshot: options.consistentSnapshot,
    keys: Object.fromEntries(listed.map(key => [key.keyId, key.listed])),
    roles: Object.fromEntries(roles),
  };
};

/** The first root of a repository, or one that replaces all earlier ones without continuing their chain. */
export const createRoot = (options: RootOptions): Uint8Array =>
  signMetadata(rootObject(options), options.keys.root.keys);

/**
 * The root that follows `previous`, signed by the old root keys and the new ones (TUF 5.3.4).
 *
 * @param previous the newest root.json, and the keys that sign for it
 */
export const rotateRoot = (
  previous: { readonly bytes: Uint8Array; readonly keys: readonly SigningKey[] },
  next: Omit<RootOptions, 'version'>,
): Uint8Array => {
  const version = parseMetadata('root', previous.bytes).signed.version + 1;
  return signMetadata(rootObject({ ...next, version }), [...previous.keys, ...next.keys.root.keys]);
};

/** One of each key id, in the order of the first. */
export const distinctKeys = (keys: readonly SigningKey[]): SigningKey[] => [
  ...new Map(keys.map(key => [key.keyId, key])).values(),
];
