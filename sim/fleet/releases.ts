/**
 * The releases that operators of simulated fleets upload: real archives, signed and verified by the product's code,
 * the same ones in every run.
 *
 * RM1. The number of a release determines its content, so that archives are made and verified once for all runs of
 *      one process. Releases share artifacts, and some have no artifact of their own (B4).
 * RM2. The last ones need a statement of a person before a sled stores what they alone list: those of signers whose root no sled has
 *      pinned, and those without metadata, as they were recorded before Nexus kept it.
 */
import { createHash } from 'node:crypto';
import { METADATA_FOLDER, TARGETS_FOLDER } from '../../src/archive/release-folders.ts';
import { createArchiveWriter } from '../../src/archive/writer.ts';
import { type JudgedBundle, judgeBundle } from '../../src/bundle/judge.ts';
import type { JudgeBundle } from '../../src/bundle/judge-apart.ts';
import { bundleOfArtifacts } from '../../src/bundle/release-bundle.ts';
import { ArtifactHash, type SystemVersion } from '../../src/core/ids.ts';
import { seededRng } from '../../src/core/rng.ts';
import type { StatementContent } from '../../src/core/statement.ts';
import { DepotError } from '../../src/lib/errors.ts';
import type { VerifyRelease } from '../../src/nexus/releases/upload/check-archive.ts';
import { measureAll } from '../../src/signing/assemble.ts';
import { buildRepository, type RepositoryFiles } from '../../src/signing/repository-files.ts';
import { signMetadata } from '../../src/signing/sign-metadata.ts';
import { rootDigestOf } from '../../src/tuf/root-digest.ts';
import { createWorkBudget } from '../../src/tuf/work-budget.ts';
import type { VerifiedRelease } from '../../src/verify/verified-release.ts';
import { verifyArchive } from '../../src/verify/verify-archive.ts';
import { createKeys, type SimKeys } from '../identity/keys.ts';
import { createForge, type Forge } from './forged-bundles.ts';
import { sha256Of } from './sha256.ts';
import { OTHER_SIGNERS, PINNED_SIGNER, type Signer, YEAR_2100_MS } from './signers.ts';

export type SimRelease = {
  readonly systemVersion: SystemVersion;
  readonly bytes: Uint8Array;
  readonly sha256: string;
  readonly artifacts: ReadonlyMap<ArtifactHash, number>;
  readonly verified: VerifiedRelease;
  readonly signer: Pick<Signer, 'root' | 'rootSha256'>;
  /** What a person has to sign before sleds admit it (RM2); undefined where the pinned root vouches for it. */
  readonly needs: NeededStatement | undefined;
};

export type NeededStatement = Extract<StatementContent, { readonly kind: 'trust_root' | 'exempt_release' }>;

export type ReleaseShelf = {
  readonly trustRoot: Uint8Array;
  /** Of processes. */
  readonly keys: SimKeys;
  readonly release: (index: number) => Promise<SimRelease>;
  /** Those that need a statement (RM2). */
  readonly special: () => Promise<readonly SimRelease[]>;
  /** The release whose archive has this hash, if it was made already. */
  readonly byHash: (sha256: string) => SimRelease | undefined;
  /** The product's judgement of a bundle, cached: the same bundle and roots have the same verdict. */
  readonly judge: JudgeBundle;
  /** Of hostile Nexuses. */
  readonly forge: Forge;
  /** The releases that list the artifact. */
  readonly listing: (sha256: ArtifactHash) => readonly SimRelease[];
  readonly contentOf: (sha256: ArtifactHash) => Uint8Array | undefined;
};

/** Numbers below it are those of releases that the pinned root vouches for. */
export const ORDINARY_RELEASES = 24;
const OF_EACH_OTHER_SIGNER = 2;
const BARE = 2;
const FIRST_BARE = ORDINARY_RELEASES + OTHER_SIGNERS.length * OF_EACH_OTHER_SIGNER;

const SHARED_ARTIFACTS = 10;
const MOST_SHARED = 3;
/** So that most of these small artifacts have prefix digests. */
export const PREFIX_UNIT_BYTES = 256;

export const createReleaseShelf = (): ReleaseShelf => {
  const made = new Map<number, Promise<SimRelease>>();
  const byHash = new Map<string, SimRelease>();
  const listing = new Map<ArtifactHash, SimRelease[]>();
  const contents = new Map<ArtifactHash, Uint8Array>();
  const make = async (index: number): Promise<SimRelease> => {
    const release = await makeRelease(index);
    byHash.set(release.sha256, release);
    for (const sha256 of release.artifacts.keys())
      listing.set(sha256, [...(listing.get(sha256) ?? []), release]);
    for (const { bytes } of artifactsOf(index)) contents.set(ArtifactHash.parse(sha256Of(bytes)), bytes);
    return release;
  };
  const release = (index: number): Promise<SimRelease> => {
    const known = made.get(index) ?? make(index);
    made.set(index, known);
    return known;
  };
  return {
    trustRoot: PINNED_SIGNER.root,
    keys: createKeys(),
    forge: createForge(),
    release,
    special: () =>
      Promise.all(
        Array.from({ length: FIRST_BARE + BARE - ORDINARY_RELEASES }, (_, at) =>
          release(ORDINARY_RELEASES + at),
        ),
      ),
    byHash: sha256 => byHash.get(sha256),
    judge: createJudge(),
    listing: sha256 => listing.get(sha256) ?? [],
    contentOf: sha256 => contents.get(sha256),
  };
};

const makeRelease = async (index: number): Promise<SimRelease> => {
  const signer = signerOf(index);
  const files = await buildRepository({
    systemVersion: `1.${index}.0`,
    format: 'v2',
    artifacts: await measureAll(artifactsOf(index)),
    metadata: {},
    rootChain: [signer.root],
    versions: { timestamp: 1, snapshot: 1, targets: 1 },
    expiresMs: { timestamp: YEAR_2100_MS, snapshot: YEAR_2100_MS, targets: YEAR_2100_MS },
    sign: (role, signed) => signMetadata(signed, signer.keys[role].keys),
  });
  const bytes = await archiveOf(files);
  const whole = await verifyInMemory(bytes, signer.root);
  const { description } = whole;
  const verified = index < FIRST_BARE ? whole : { ...whole, bundle: bundleOfArtifacts(description) };
  return {
    systemVersion: description.systemVersion,
    bytes,
    sha256: sha256Of(bytes),
    artifacts: new Map(description.artifacts.map(each => [each.sha256, each.sizeBytes])),
    verified,
    signer,
    needs: neededFor(index, verified),
  };
};

const signerOf = (index: number): Signer => {
  const isOfOther = index >= ORDINARY_RELEASES && index < FIRST_BARE;
  const other = OTHER_SIGNERS[Math.floor((index - ORDINARY_RELEASES) / OF_EACH_OTHER_SIGNER)];
  return isOfOther && other !== undefined ? other : PINNED_SIGNER;
};

const neededFor = (
  index: number,
  { bundle, description: { systemVersion } }: VerifiedRelease,
): NeededStatement | undefined => {
  if (index < ORDINARY_RELEASES) return undefined;
  if (index < FIRST_BARE) return { kind: 'trust_root', rootSha256: signerOf(index).rootSha256 };
  if (bundle === undefined) throw new Error('a simulated release is small');
  return { kind: 'exempt_release', systemVersion, bundle: bundle.sha256 };
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
  const own = rng.below(4) === 0 && index < ORDINARY_RELEASES ? [] : [`own-${index}`];
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
    { signal: new AbortController().signal, prefixUnitBytes: PREFIX_UNIT_BYTES },
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
    if (known === undefined) return verifyArchive(randomAccess(bytes), request, { signal });
    const { rootSha256 } = known.signer;
    const vouching = request.trustRoots.find(({ bytes: root }) => rootDigestOf(root) === rootSha256);
    if (vouching === undefined)
      throw new DepotError('UNTRUSTED_SIGNATURES', `no trust root vouches for ${known.systemVersion}`);
    const verified = { ...known.verified, trustRootId: vouching.id };
    if (!request.allowExpired && nowMs() > metadata.expiresAfterMs)
      throw new DepotError('METADATA_EXPIRED', `${known.systemVersion} has expired`);
    const trustedVersions = request.trustedVersions?.get(vouching.id);
    // Older than every other release of its signer, and moves no version.
    if (known.needs?.kind === 'exempt_release')
      return { ...verified, versions: trustedVersions ?? verified.versions };
    if (!metadata.isRollbackRefused) return verified;
    const number = Number(known.systemVersion.split('.')[1]) + 1;
    const trusted = trustedVersions?.targets ?? 0;
    if (!request.allowRollback && number < trusted)
      throw new DepotError('METADATA_ROLLBACK', `${known.systemVersion} is older than version ${trusted}`);
    return {
      ...verified,
      versions: { ...verified.versions, timestamp: number, snapshot: number, targets: number },
    };
  };
