/**
 * The releases that operators of simulated fleets upload: real archives, signed and verified by the product's code,
 * the same ones in every run.
 *
 * RM1. The number of a release determines its content, so that archives are made and verified once for all runs of
 *      one process. Releases share artifacts, and some have no artifact of their own (B4).
 */
import { createHash } from 'node:crypto';
import { METADATA_FOLDER, TARGETS_FOLDER } from '../../src/archive/release-folders.ts';
import { createArchiveWriter } from '../../src/archive/writer.ts';
import { type JudgedBundle, judgeBundle } from '../../src/bundle/judge.ts';
import type { JudgeBundle } from '../../src/bundle/judge-apart.ts';
import type { ArtifactHash, SystemVersion } from '../../src/core/ids.ts';
import { seededRng } from '../../src/core/rng.ts';
import { DepotError } from '../../src/lib/errors.ts';
import type { VerifyRelease } from '../../src/nexus/releases/upload/check-archive.ts';
import { measureAll } from '../../src/signing/assemble.ts';
import { buildRepository, type RepositoryFiles } from '../../src/signing/repository-files.ts';
import { createRoot, keysForAllRoles, signMetadata } from '../../src/signing/sign-metadata.ts';
import { signingKeyFromPem } from '../../src/signing/signing-keys.ts';
import { createWorkBudget } from '../../src/tuf/work-budget.ts';
import type { VerifiedRelease } from '../../src/verify/verified-release.ts';
import { verifyArchive } from '../../src/verify/verify-archive.ts';
import { createKeys, type SimKeys } from '../identity/keys.ts';
import { createForge, type Forge } from './forged-bundles.ts';
import { sha256Of } from './sha256.ts';

export type SimRelease = {
  readonly systemVersion: SystemVersion;
  readonly bytes: Uint8Array;
  readonly sha256: string;
  readonly artifacts: ReadonlyMap<ArtifactHash, number>;
  readonly verified: VerifiedRelease;
};

export type ReleaseShelf = {
  readonly trustRoot: Uint8Array;
  /** Of processes. */
  readonly keys: SimKeys;
  readonly release: (index: number) => Promise<SimRelease>;
  /** The release whose archive has this hash, if it was made already. */
  readonly byHash: (sha256: string) => SimRelease | undefined;
  /** The product's judgement of a bundle, cached: the same bundle and roots have the same verdict. */
  readonly judge: JudgeBundle;
  /** Of hostile Nexuses. */
  readonly forge: Forge;
  /** Whether a release of the shelf lists the artifact. */
  readonly isSigned: (sha256: ArtifactHash) => boolean;
};

const SHARED_ARTIFACTS = 10;
const MOST_SHARED = 3;
const YEAR_2100_MS = Date.UTC(2100, 0, 1);
/** Not secret: a fixed Ed25519 key, so that every run signs alike. */
const KEY_PEM = `-----BEGIN PRIVATE KEY-----\n${Buffer.concat([
  Buffer.from('302e020100300506032b657004220420', 'hex'),
  Buffer.alloc(32, 1),
]).toString('base64')}\n-----END PRIVATE KEY-----\n`;

export const createReleaseShelf = (): ReleaseShelf => {
  const keys = keysForAllRoles([signingKeyFromPem(KEY_PEM)]);
  const root = { keys, version: 1, expiresMs: YEAR_2100_MS, consistentSnapshot: false };
  const trustRoot = createRoot(root);
  const made = new Map<number, Promise<SimRelease>>();
  const byHash = new Map<string, SimRelease>();
  const signed = new Set<ArtifactHash>();
  const make = async (index: number): Promise<SimRelease> => {
    const files = await buildRepository({
      systemVersion: `1.${index}.0`,
      format: 'v2',
      artifacts: await measureAll(artifactsOf(index)),
      metadata: {},
      rootChain: [trustRoot],
      versions: { timestamp: 1, snapshot: 1, targets: 1 },
      expiresMs: { timestamp: YEAR_2100_MS, snapshot: YEAR_2100_MS, targets: YEAR_2100_MS },
      sign: (role, signed) => signMetadata(signed, keys[role].keys),
    });
    const bytes = await archiveOf(files);
    const verified = await verifyInMemory(bytes, trustRoot);
    const release: SimRelease = {
      systemVersion: verified.description.systemVersion,
      bytes,
      sha256: sha256Of(bytes),
      artifacts: new Map(verified.description.artifacts.map(each => [each.sha256, each.sizeBytes])),
      verified,
    };
    byHash.set(release.sha256, release);
    for (const sha256 of release.artifacts.keys()) signed.add(sha256);
    return release;
  };
  return {
    trustRoot,
    keys: createKeys(),
    forge: createForge(),
    release(index) {
      const known = made.get(index) ?? make(index);
      made.set(index, known);
      return known;
    },
    byHash: sha256 => byHash.get(sha256),
    judge: createJudge(),
    isSigned: sha256 => signed.has(sha256),
  };
};

const createJudge = (): JudgeBundle => {
  const verdicts = new Map<string, Promise<JudgedBundle>>();
  return (bytes, trustRoots) => {
    const key = [bytes, ...trustRoots.map(root => root.bytes)].map(sha256Of).join(' ');
    const ids = trustRoots.map(({ id }) => id).join(' ');
    const known =
      verdicts.get(`${key} ${ids}`) ?? judgeBundle(bytes, trustRoots, { budgets: () => createWorkBudget() });
    verdicts.set(`${key} ${ids}`, known);
    return known;
  };
};

const artifactsOf = (index: number) => {
  const rng = seededRng(index + 1);
  const shared = new Set(
    Array.from({ length: 1 + rng.below(MOST_SHARED) }, () => `shared-${rng.below(SHARED_ARTIFACTS)}`),
  );
  const own = rng.below(4) === 0 ? [] : [`own-${index}`];
  return [...shared, ...own].map((name, at) => ({
    targetName: `artifact-${at}.bin`,
    version: name.startsWith('own') ? `1.${index}.0` : '1.0.0',
    tags: { kind: 'zone', name },
    bytes: contentOf(name),
  }));
};

/** From none to a few chunks of bytes. */
const contentOf = (name: string): Uint8Array => {
  const digest = createHash('sha256').update(name).digest();
  const sizeBytes = name === 'shared-0' ? 0 : 1 + (digest.readUInt16LE(0) % 3000);
  return createHash('shake256', { outputLength: Math.max(1, sizeBytes) })
    .update(name)
    .digest()
    .subarray(0, sizeBytes);
};

const archiveOf = async (files: RepositoryFiles): Promise<Uint8Array> => {
  const parts: Uint8Array[] = [];
  const writer = createArchiveWriter({ write: async bytes => void parts.push(Uint8Array.from(bytes)) });
  for (const [name, bytes] of files.metadata) {
    const [measured] = await measureAll([{ targetName: name, version: '', tags: {}, bytes }]);
    const { sizeBytes, crc32 } = measured!.measured;
    await writer.add({
      method: 'stored',
      name: `${METADATA_FOLDER}${name}`,
      sizeBytes,
      crc32,
      content: [bytes],
    });
  }
  for (const [name, { content, measured }] of files.targets) {
    if (!('bytes' in content)) throw new Error('content of simulated releases is in memory');
    const { sizeBytes, crc32 } = measured;
    await writer.add({
      method: 'stored',
      name: `${TARGETS_FOLDER}${name}`,
      sizeBytes,
      crc32,
      content: [content.bytes],
    });
  }
  await writer.finish();
  return Buffer.concat(parts);
};

const OWN_ROOT = 'its own';

const verifyInMemory = (bytes: Uint8Array, trustRoot: Uint8Array): Promise<VerifiedRelease> =>
  verifyArchive(
    randomAccess(bytes),
    { trustRoots: [{ id: OWN_ROOT, bytes: trustRoot }], nowMs: 0 },
    { signal: new AbortController().signal },
  );

const randomAccess = (bytes: Uint8Array) => ({
  sizeBytes: bytes.length,
  async read(target: Uint8Array, position: number) {
    const piece = bytes.subarray(position, position + target.length);
    target.set(piece);
    return piece.length;
  },
});

/**
 * Why a run refuses metadata whose signatures are right. Every release of the shelf has the same role versions and expires
 * late, as it is made once for all runs; here its number takes the place of the versions.
 */
export type Metadata = {
  /** Whether a release with a lower number than the last one is refused. */
  readonly isRollbackRefused: boolean;
  /** Since the beginning of the run. */
  readonly expiresAfterMs: number;
};

/**
 * The check of an archive for simulated Nexuses: the product's verdict, cached for the archives of the shelf, since the same
 * file and request have the same verdict. Any other file is checked anew, and refused.
 *
 * @param readFile the file as the Nexus sees it
 * @param nowMs since the beginning of the run
 */
export const verifyFromShelf =
  (
    shelf: ReleaseShelf,
    metadata: Metadata,
    readFile: (path: string) => Promise<Uint8Array>,
    nowMs: () => number,
  ): VerifyRelease =>
  async (path, request, { signal }) => {
    const bytes = await readFile(path);
    signal.throwIfAborted();
    const known = shelf.byHash(sha256Of(bytes));
    const vouching = request.trustRoots.find(
      ({ bytes: root }) => Buffer.compare(root, shelf.trustRoot) === 0,
    );
    if (vouching === undefined)
      throw new DepotError('NO_TRUST_ROOT', 'the trust root of the simulated releases is missing');
    if (known === undefined) return verifyArchive(randomAccess(bytes), request, { signal });
    const verified = { ...known.verified, trustRootId: vouching.id };
    if (!request.allowExpired && nowMs() > metadata.expiresAfterMs)
      throw new DepotError('METADATA_EXPIRED', `${known.systemVersion} has expired`);
    if (!metadata.isRollbackRefused) return verified;
    const number = Number(known.systemVersion.split('.')[1]) + 1;
    const trusted = request.trustedVersions?.get(vouching.id)?.targets ?? 0;
    if (!request.allowRollback && number < trusted)
      throw new DepotError('METADATA_ROLLBACK', `${known.systemVersion} is older than version ${trusted}`);
    return {
      ...verified,
      versions: { ...verified.versions, timestamp: number, snapshot: number, targets: number },
    };
  };
