/** Signed repositories in memory, role by role, with faults that the builder of releases would never make. */
import { createHash } from 'node:crypto';
import {
  keysForAllRoles,
  rootObject,
  type SignedObject,
  signedObject,
  signMetadata,
} from '../signing/sign-metadata.ts';
import { generateSigningKey, type SigningKey } from '../signing/signing-keys.ts';
import type { MetadataSource, MetadataStore } from './repository.ts';
import { metadataFileName } from './role-names.ts';

export const NOW_MS = Date.UTC(2026, 0, 1);
export const LATER_MS = Date.UTC(2100, 0, 1);

export type DelegationSpec = {
  readonly to: string;
  readonly keys: readonly SigningKey[];
  readonly threshold?: number;
  readonly terminating?: boolean;
  /** By default `['*']`, unless there are prefixes. */
  readonly paths?: readonly string[];
  readonly prefixes?: readonly string[];
};

export type RoleSpec = {
  /** Content by target name. */
  readonly targets?: readonly (readonly [name: string, content: string])[];
  readonly delegations?: readonly DelegationSpec[];
  readonly bins?: {
    readonly keys: readonly SigningKey[];
    readonly bitLength: number;
    readonly prefix: string;
  };
  readonly version?: number;
  readonly expiresMs?: number;
  readonly signers?: readonly SigningKey[];
  /** Changes the `signed` part before it is signed. */
  readonly edit?: (signed: SignedObject) => void;
};

export type RepositorySpec = {
  /** Of all top-level roles. */
  readonly key?: SigningKey;
  /** Instead of `key`. */
  readonly signers?: { readonly timestamp?: SigningKey; readonly snapshot?: SigningKey };
  readonly targets: RoleSpec;
  readonly roles?: Readonly<Record<string, RoleSpec>>;
  readonly consistentSnapshot?: boolean;
  /** Lists versions only, without lengths and hashes. */
  readonly unmeasured?: boolean;
  readonly versions?: { readonly timestamp: number; readonly snapshot: number };
  /** Files that replace the listed ones, by role. */
  readonly replaced?: Readonly<Record<string, Uint8Array>>;
  readonly editSnapshot?: (signed: SignedObject) => void;
};

export type MadeRepository = {
  readonly root: Uint8Array;
  /** By file name. */
  readonly metadata: Map<string, Uint8Array>;
};

export const onlineKey = generateSigningKey();

export const targetsObject = (spec: RoleSpec): SignedObject => ({
  ...signedObject('targets', { version: spec.version ?? 1, expiresMs: spec.expiresMs ?? LATER_MS }),
  targets: Object.fromEntries((spec.targets ?? []).map(([name, content]) => [name, measured(content)])),
  ...delegationsMember(spec),
});

const measured = (content: string): object => ({
  length: Buffer.byteLength(content),
  hashes: { sha256: createHash('sha256').update(content).digest('hex') },
});

const delegationsMember = ({ delegations, bins }: RoleSpec): object => {
  const listedKeys = (keys: readonly SigningKey[]) =>
    Object.fromEntries(keys.map(key => [key.keyId, key.listed]));
  if (bins !== undefined) {
    const succinct_roles = {
      keyids: bins.keys.map(({ keyId }) => keyId),
      threshold: 1,
      bit_length: bins.bitLength,
      name_prefix: bins.prefix,
    };
    return { delegations: { keys: listedKeys(bins.keys), succinct_roles } };
  }
  if (delegations === undefined) return {};
  const roles = delegations.map(({ to, keys, threshold = 1, terminating = false, paths, prefixes }) => ({
    name: to,
    keyids: keys.map(({ keyId }) => keyId),
    threshold,
    terminating,
    ...(prefixes === undefined ? { paths: paths ?? ['*'] } : { path_hash_prefixes: prefixes }),
  }));
  return { delegations: { keys: listedKeys(delegations.flatMap(({ keys }) => keys)), roles } };
};

export const makeRepository = (spec: RepositorySpec): MadeRepository => {
  const { key = onlineKey, consistentSnapshot = true, versions = { timestamp: 1, snapshot: 1 } } = spec;
  const keys = keysForAllRoles([key]);
  const root = signMetadata(rootObject({ keys, version: 1, expiresMs: LATER_MS, consistentSnapshot }), [key]);
  const metadata = new Map([['1.root.json', root]]);
  const meta: [string, object][] = [];
  const roles = [
    ['targets', { signers: [key], ...spec.targets }] as const,
    ...Object.entries(spec.roles ?? {}),
  ];
  for (const [name, role] of roles) {
    const signed = targetsObject(role);
    role.edit?.(signed);
    const bytes = signMetadata(signed, role.signers ?? []);
    const version = role.version ?? 1;
    meta.push([`${name}.json`, listing(bytes, version, spec.unmeasured)]);
    const fileName = metadataFileName(name, consistentSnapshot ? version : undefined);
    metadata.set(fileName, spec.replaced?.[name] ?? bytes);
  }
  const above = (role: 'snapshot' | 'timestamp', listed: object): Uint8Array => {
    const signed = { ...signedObject(role, { version: versions[role], expiresMs: LATER_MS }), meta: listed };
    if (role === 'snapshot') spec.editSnapshot?.(signed);
    return signMetadata(signed, [spec.signers?.[role] ?? key]);
  };
  const snapshot = above('snapshot', Object.fromEntries(meta));
  metadata.set(metadataFileName('snapshot', consistentSnapshot ? versions.snapshot : undefined), snapshot);
  const timestamp = above('timestamp', {
    'snapshot.json': listing(snapshot, versions.snapshot, spec.unmeasured),
  });
  metadata.set('timestamp.json', timestamp);
  return { root, metadata };
};

const listing = (bytes: Uint8Array, version: number, unmeasured = false): object => ({
  version,
  ...(!unmeasured && {
    length: bytes.length,
    hashes: { sha256: createHash('sha256').update(bytes).digest('hex') },
  }),
});

/** Records the requested names. */
export const sourceOf = ({ metadata }: MadeRepository): MetadataSource & { readonly asked: string[] } => {
  const asked: string[] = [];
  return {
    asked,
    async read(fileName) {
      asked.push(fileName);
      return metadata.get(fileName);
    },
  };
};

export const memoryStore = (
  root: Uint8Array,
): MetadataStore & { readonly files: Map<string, Uint8Array> } => {
  const files = new Map([['root', root]]);
  return {
    files,
    read: async role => files.get(role),
    write: async (role, bytes) => void files.set(role, bytes),
    remove: async role => void files.delete(role),
  };
};

/** The files of a repository with their targets, by the names that archive entries have. */
export const repositoryFiles = (
  { metadata }: MadeRepository,
  contents: Readonly<Record<string, string>>,
): ReadonlyMap<string, Uint8Array> => {
  const targets = Object.entries(contents).map(([name, content]) => {
    const slash = name.lastIndexOf('/') + 1;
    const sha256 = createHash('sha256').update(content).digest('hex');
    const fileName = `${name.slice(0, slash)}${sha256}.${name.slice(slash)}`;
    return [`repo/targets/${fileName}`, Buffer.from(content)] as const;
  });
  return new Map([
    ...[...metadata].map(([name, bytes]) => [`repo/metadata/${name}`, bytes] as const),
    ...targets,
  ]);
};
