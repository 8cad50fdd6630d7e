/** Releases, sleds and ids for tests of a datastore. */
import { createHash, randomUUID } from 'node:crypto';
import type { z } from 'zod';
import type { AuditActor, AuditOrigin } from '../../../core/facts/audit.ts';
import {
  ArtifactHash,
  AuditEntryId,
  asGeneration,
  NexusId,
  RepoId,
  RoundNonce,
  SystemVersion,
  TrustRootId,
  UploadId,
} from '../../../core/ids.ts';
import type { ReleaseArtifact } from '../../../core/release.ts';
import type { SledRegistration } from '../../../core/sled-registration.ts';
import type { Datastore } from '../datastore.ts';
import type { PlannedSet } from '../ports/local-repo-port.ts';
import type { NewBundle, NewRelease } from '../ports/release-port.ts';

export const { signal: neverAborted } = new AbortController();
export const wait = { signal: neverAborted };

/** The subject of a conformance suite: a new, empty datastore for each test. */
export type OpenDatastore = () => Promise<{ readonly datastore: Datastore } & AsyncDisposable>;

export const newId = <S extends z.ZodType>(schema: S): z.output<S> => schema.parse(randomUUID());

export const hashOf = (content: string): ArtifactHash =>
  ArtifactHash.parse(createHash('sha256').update(content).digest('hex'));

/** An artifact with the hash of its content; the other fields can be given. */
export const artifact = (content: string, differing: Partial<ReleaseArtifact> = {}): ReleaseArtifact => ({
  sha256: hashOf(content),
  sizeBytes: content.length,
  targetName: `${content}.tar`,
  version: '1.0',
  tags: { kind: 'zone', name: content },
  ...differing,
});

export const version = (text: string): SystemVersion => SystemVersion.parse(text);

export const insertTrustRoot = async (datastore: Datastore): Promise<TrustRootId> => {
  const id = newId(TrustRootId);
  await datastore.trustRootInsert({ id, rootBytes: Buffer.from(`root ${id}`) }, wait);
  return id;
};

/** An upload of one release: a new upload id and repository id each time, the same archive for the same content. */
export const uploadOf = (
  trustRootId: TrustRootId,
  systemVersion: string,
  artifacts: readonly (string | ReleaseArtifact)[],
  differing: Partial<NewRelease> & { readonly metadata?: Record<string, string> } = {},
): NewRelease => {
  const { metadata = {}, ...rest } = differing;
  const described = artifacts.map(item => (typeof item === 'string' ? artifact(item) : item));
  return {
    repoId: newId(RepoId),
    uploadId: newId(UploadId),
    nexusId: newId(NexusId),
    hash: hashOf(JSON.stringify([systemVersion, described, metadata])),
    hashKind: 'archive',
    fileName: `repo-${systemVersion}.zip`,
    description: { systemVersion: version(systemVersion), format: 'v2', artifacts: described, metadata },
    prefixesOf: new Map(),
    trustRootId,
    bundle: bundleNamed(`${systemVersion} as signed`),
    roles: [],
    roots: [],
    trustedVersions: null,
    forgetsVersions: false,
    overrides: [],
    ...rest,
  };
};

/** A bundle with the hash of its content; for a database any bytes will do. */
export const bundleNamed = (content: string, differing: Partial<NewBundle> = {}): NewBundle => ({
  sha256: hashOf(content),
  kind: 'signed',
  bytes: Buffer.from(content),
  isCurrent: true,
  ...differing,
});

/** Of a new entry in the audit log. */
export const originBy = (actor: AuditActor = { kind: 'break_glass' }): AuditOrigin => ({
  entryId: newId(AuditEntryId),
  nexusId: newId(NexusId),
  actor,
  remoteAddress: '127.0.0.1',
  requestId: 'r-1',
});

/** The facts that a Nexus plans with: it has sent a heartbeat, written the nonce of a new round, then read the wanted set. */
export const plannedBy = async (datastore: Datastore, nexusId: NexusId): Promise<PlannedSet> => {
  await datastore.nexusHeartbeat({ id: nexusId, operatorAddress: '[::1]:80', timeStartedMs: 0 }, wait);
  const nonce = newId(RoundNonce);
  await datastore.nexusBeginRound(nexusId, nonce, wait);
  return { ...(await datastore.currentGeneration(wait)), nonce };
};

export const registration = (differing: Partial<SledRegistration> = {}): SledRegistration => ({
  agentAddress: '[::1]:12345',
  depotPort: 12_348,
  role: 'gimlet',
  baseboard: { serial: 'BRM42', part: '913-0000019', revision: 6 },
  hardwareThreads: 128,
  physicalRamBytes: 1024 ** 4,
  reservoirBytes: 0,
  cpuFamily: 'amd_milan',
  generation: asGeneration(1),
  isDecommissioned: false,
  ...differing,
});
