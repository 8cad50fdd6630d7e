/**
 * Roles as their metadata files describe them, parsed whole before anything is trusted. A delegated role has the form of
 * the targets role and its own name.
 *
 *     bytes ─▶ strict JSON ─▶ { signatures, signed } ─▶ Metadata<Role>
 *
 * MF1. Parsing checks form only; the trusted set decides whether to trust a file.
 * MF2. The bytes are kept unchanged; signatures are checked over the canonical form of their content.
 */
import { DepotError } from '../lib/errors.ts';
import { quoted } from '../lib/shown-text.ts';
import { canonicalJson } from './canonical-json.ts';
import { type Delegations, parseDelegations } from './delegations.ts';
import { type Fields, fieldsOf } from './fields.ts';
import { type Keys, MAX_KEY_ID_LENGTH, parseKeys, parseRoleKeys, type RoleKeys } from './role-keys.ts';
import type { TopLevelRole } from './role-names.ts';
import { type JsonObject, parseStrictJson } from './strict-json.ts';
import { type Hashes, type ListedTarget, parseHashes, parseTargets } from './targets.ts';
import { type Spend, STEPS, uncounted } from './work-budget.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
/**
 * The limit of a role's file if no signed metadata has its length, and the largest length that may be signed. Delegated
 * roles have the limit of targets; a snapshot has room for the names and hashes of 16,384 of them.
 */
export const MAX_METADATA_BYTES = {
  root: MIB,
  timestamp: MIB,
  snapshot: 4 * MIB,
  targets: 32 * MIB,
} as const satisfies Record<TopLevelRole, number>;

/** More than any threshold needs; bounds the work that a hostile file causes. */
const MAX_SIGNATURES = 1024;

/** The entry of a role for a file that it lists. */
export type FileMeta = {
  readonly version: number;
  readonly lengthBytes: number | undefined;
  readonly hashes: Hashes | undefined;
};

type Common = {
  /** A positive safe integer; repositories count, or use the time of signing in seconds. */
  readonly version: number;
  readonly expiresMs: number;
};
export type Root = Common & {
  readonly consistentSnapshot: boolean;
  readonly keys: Keys;
  readonly roles: Readonly<Record<TopLevelRole, RoleKeys>>;
};
type Timestamp = Common & { readonly snapshot: FileMeta };
/** By role name; `targets` is always there. */
type Snapshot = Common & { readonly meta: ReadonlyMap<string, FileMeta> };
export type Targets = Common & {
  readonly targets: ReadonlyMap<string, ListedTarget>;
  readonly delegations: Delegations | undefined;
  /** Every member of the signed object, also those that TUF does not define. */
  readonly object: JsonObject;
};
type RoleContent = { root: Root; timestamp: Timestamp; snapshot: Snapshot; targets: Targets };

export type Metadata<R extends TopLevelRole = TopLevelRole> = {
  /** The form of the file. */
  readonly role: R;
  /** The same as `role`, but for delegated roles. */
  readonly name: string;
  readonly signed: RoleContent[R];
  /** Signature in hex by key id; a key id occurs once in the file (5.3.4 and others). */
  readonly signatures: ReadonlyMap<string, string>;
  /** What the signatures cover. */
  readonly signedBytes: Uint8Array;
  /** The file. */
  readonly bytes: Uint8Array;
};

/**
 * Parses a metadata file of a role.
 *
 * @param name of a delegated role
 * @param spend counts the work; files without it are bounded by their size alone
 * @throws DepotError `METADATA_INVALID`, naming role and field
 */
export const parseMetadata = <R extends TopLevelRole>(
  role: R,
  bytes: Uint8Array,
  name: string = role,
  spend: Spend = uncounted,
): Metadata<R> => {
  const what = `the ${name} metadata`;
  if (bytes.length > MAX_METADATA_BYTES[role]) {
    throw invalid(`${what} has ${bytes.length} bytes; the limit is ${MAX_METADATA_BYTES[role]}`);
  }
  spend(bytes.length * STEPS.metadataByte);
  const envelope = fieldsOf(parseStrictJson(bytes, what, spend), { what, code: 'METADATA_INVALID' });
  const signed = envelope.fields('signed');
  if (signed.string('_type') !== role) signed.fail('_type', `must be "${role}"`);
  if (!/^1\.\d+(\.\d+)?$/.test(signed.string('spec_version'))) {
    signed.fail('spec_version', 'must be version 1 of the TUF specification');
  }
  const content: Common = { version: signed.integer('version', 1), expiresMs: parseTime(signed, 'expires') };
  return {
    role,
    name,
    signed: { ...content, ...contentParsers[role](signed, spend) } as RoleContent[R],
    signatures: parseSignatures(envelope),
    signedBytes: canonicalJson(signed.object, what),
    bytes,
  };
};

const invalid = (message: string): DepotError => new DepotError('METADATA_INVALID', message);

const parseSignatures = (envelope: Fields): ReadonlyMap<string, string> => {
  const signatures = new Map<string, string>();
  for (const signature of envelope.items('signatures')) {
    const keyId = signature.string('keyid');
    if (signatures.has(keyId))
      signature.fail('keyid', `repeats the key id ${quoted(keyId)}; a key may sign once`);
    if (keyId.length > MAX_KEY_ID_LENGTH)
      signature.fail('keyid', `must not exceed ${MAX_KEY_ID_LENGTH} characters`);
    if (signatures.size >= MAX_SIGNATURES) envelope.fail('signatures', `must not exceed ${MAX_SIGNATURES}`);
    signatures.set(keyId, signature.string('sig'));
  }
  return signatures;
};

const RFC3339_UTC = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z$/;

/** Milliseconds since the epoch. Only UTC with a `Z`, and only days that exist. */
const parseTime = (fields: Fields, name: string): number => {
  const text = fields.string(name);
  const ms = RFC3339_UTC.test(text) ? Date.parse(text) : Number.NaN;
  const exists = !Number.isNaN(ms) && new Date(ms).toISOString().startsWith(text.slice(0, 19));
  return exists ? ms : fields.fail(name, 'must be a time in UTC such as 2030-01-31T00:00:00Z');
};

type Parsed<R extends TopLevelRole> = Omit<RoleContent[R], keyof Common>;

const contentParsers: { readonly [R in TopLevelRole]: (signed: Fields, spend: Spend) => Parsed<R> } = {
  root(signed, spend) {
    const keys = parseKeys(signed, spend);
    const roles = signed.fields('roles');
    const roleKeys = (role: TopLevelRole): RoleKeys => parseRoleKeys(roles.fields(role), keys);
    return {
      // In 1.0 the field may be absent, which means false.
      consistentSnapshot: signed.has('consistent_snapshot') && signed.boolean('consistent_snapshot'),
      keys,
      roles: {
        root: roleKeys('root'),
        timestamp: roleKeys('timestamp'),
        snapshot: roleKeys('snapshot'),
        targets: roleKeys('targets'),
      },
    };
  },
  timestamp: signed => ({ snapshot: parseFileMeta(signed.fields('meta'), 'snapshot.json') }),
  snapshot(signed) {
    const meta = new Map<string, FileMeta>();
    const listed = signed.fields('meta');
    for (const fileName of listed.object.keys()) {
      if (fileName.length > MAX_LISTED_NAME_LENGTH)
        listed.fail(fileName, `must not exceed ${MAX_LISTED_NAME_LENGTH} characters`);
      if (!fileName.endsWith(ENDING)) listed.fail(fileName, `must end in ${ENDING}`);
      meta.set(fileName.slice(0, -ENDING.length), parseFileMeta(listed, fileName));
    }
    if (!meta.has('targets')) listed.fail('targets.json', 'must be there');
    return { meta };
  },
  targets: (signed, spend) => ({
    targets: parseTargets(signed),
    delegations: signed.has('delegations')
      ? parseDelegations(signed.fields('delegations'), spend)
      : undefined,
    object: signed.object,
  }),
};

const ENDING = '.json';
/** The name of a role in the snapshot; delegations have a stricter limit. */
const MAX_LISTED_NAME_LENGTH = 512;

const parseFileMeta = (listed: Fields, fileName: string): FileMeta => {
  const meta = listed.fields(fileName);
  const maxBytes = MAX_METADATA_BYTES[fileName === 'snapshot.json' ? 'snapshot' : 'targets'];
  const lengthBytes = meta.has('length') ? meta.integer('length', 0) : undefined;
  if (lengthBytes !== undefined && lengthBytes > maxBytes) meta.fail('length', `must not exceed ${maxBytes}`);
  const hashes = meta.has('hashes') ? parseHashes(meta) : undefined;
  return { version: meta.integer('version', 1), lengthBytes, hashes };
};
