/**
 * Random calls of the verbs of a datastore, over few ids, so that they often concern the same rows. A call has the same effect
 * on every datastore: it names its rows, and looks their ids up in the datastore that it runs against.
 */
import { createHash } from 'node:crypto';
import fc from 'fast-check';
import type { z } from 'zod';
import {
  asGeneration,
  DatasetId,
  IncarnationId,
  NexusId,
  type Point,
  RepoId,
  RoundNonce,
  SledId,
  TrustRootId,
  UploadId,
} from '../../../core/ids.ts';
import { markCount, SHA256_BYTES } from '../../../core/prefix-digests.ts';
import type { ReleaseArtifact } from '../../../core/release.ts';
import type { Datastore } from '../datastore.ts';
import { MAX_MEND, wantedSetDigest } from '../decisions/generation.ts';
import type { ExpungeRule } from '../ports/nexus-port.ts';
import type { NewRelease } from '../ports/release-port.ts';
import type { SledTransport } from '../ports/sled-port.ts';
import type { TrustMove } from '../ports/trust-root-port.ts';
import { artifact, hashOf, registration, uploadOf, version, wait } from './records.fixture.ts';

/** The same id for the same words in every datastore. */
const idOf = <S extends z.ZodType>(schema: S, ...words: readonly (string | number)[]): z.output<S> => {
  const hex = createHash('sha256').update(words.join(' ')).digest('hex');
  return schema.parse(hex.slice(0, 32).replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-'));
};
const sledId = (name: number) => idOf(SledId, 'sled', name);
const nexusId = (name: number) => idOf(NexusId, 'nexus', name);
const uploadId = (name: number) => idOf(UploadId, 'upload', name);
const trustRootId = (name: number) => idOf(TrustRootId, 'trust root', name);
const nonce = (name: number) => idOf(RoundNonce, 'round', name);

const VERSIONS = ['1.0.0', '2.0.0', '10.0.0-rc.1', '3.0.0'] as const;
/** An id that no datastore has. */
const UNKNOWN_VERSION = '9.9.9';

type Variant = Partial<NewRelease> & {
  readonly artifacts?: readonly (string | ReleaseArtifact)[];
  readonly metadata?: Record<string, string>;
};

const own = (text: string): readonly string[] => ['shared', 'by all', `only of ${text}`];

/** A release as it was signed, signed again as it may be, and changed as it must not be. */
const VARIANTS: Record<string, (text: string) => Variant> = {
  same: () => ({}),
  'the same again': () => ({}),
  'known artifacts only': () => ({ artifacts: ['shared', 'by all'] }),
  'no artifacts': () => ({ artifacts: [] }),
  'one file in two roles': () => ({
    artifacts: [artifact('shared', { tags: { kind: 'a' } }), artifact('shared', { tags: { kind: 'b' } })],
  }),
  'other metadata': () => ({ metadata: { channel: 'beta' } }),
  'another archive': text => ({ hash: hashOf(`${text} zipped again`) }),
  'an archive of another version': () => ({ hash: hashOf('an archive of many versions') }),
  'fetched, without an archive': text => ({ hashKind: 'targets', hash: hashOf(`targets of ${text}`) }),
  'another length': text => ({ artifacts: [...own(text), artifact('long', { sizeBytes: text.length })] }),
  'another version of a file': text => ({ artifacts: [artifact('by all', { version: text })] }),
  'a contradiction in itself': () => ({
    artifacts: [artifact('twice'), artifact('twice', { sizeBytes: 1, tags: {} })],
  }),
};

const arbMove: fc.Arbitrary<TrustMove> = fc.record({
  roots: fc.array(
    fc
      .record({ version: fc.constantFrom(2, 3), text: fc.constantFrom('a', 'a', 'a', 'b') })
      .map(root => ({ version: root.version, rootBytes: Buffer.from(`root ${root.version}${root.text}`) })),
    { maxLength: 2 },
  ),
  trustedVersions: fc.option(
    fc.record({
      root: fc.nat(3),
      timestamp: fc.nat(9),
      snapshot: fc.nat(9),
      targets: fc.nat(9),
      delegated: fc
        .array(fc.tuple(fc.constantFrom('x', 'constructor'), fc.integer({ min: 1, max: 5 })), {
          minLength: 1,
          maxLength: 2,
        })
        .map(entries => new Map(entries)),
    }),
  ),
  forgetsVersions: fc.boolean(),
});

const arbRoles = fc.subarray([
  { role: 'root', version: 1, expiresMs: Date.UTC(2030, 0, 1) },
  { role: 'targets', version: 2, expiresMs: Date.UTC(2031, 0, 1) },
] as const);

/** Most calls use the first two. */
const arbVersion = fc.constantFrom(...VERSIONS, VERSIONS[0], VERSIONS[0], VERSIONS[1]);
const name = (max: number) => fc.nat(max);
const arbUpload = fc.record({
  verb: fc.constant('releaseInsert'),
  text: arbVersion,
  variant: fc.oneof(
    { weight: 3, arbitrary: fc.constant('same') },
    { weight: 1, arbitrary: fc.constantFrom(...Object.keys(VARIANTS)) },
  ),
  upload: name(7),
  nexus: name(1),
  root: fc.constantFrom(0, 0, 0, 1),
  move: fc.oneof(
    { weight: 3, arbitrary: fc.constant({ roots: [], trustedVersions: null, forgetsVersions: false }) },
    { weight: 1, arbitrary: arbMove },
  ),
  roles: arbRoles,
});
const arbPrune = fc.record({
  verb: fc.constant('repoPrune'),
  text: arbVersion,
  uploadedAt: fc.constantFrom('whenever', 'seen', 'another time'),
});
const arbDrop = fc.record({
  verb: fc.constant('localRepoDrop'),
  upload: name(7),
  nexus: name(1),
  behind: fc.constantFrom(0, 0, 0, 1, -1),
  /** Most calls begin the round themselves; the others use one that an earlier call began, if any. */
  begins: fc.constantFrom(true, true, false),
  round: fc.constantFrom(0, 0, 0, 1),
});
/** A point near the current one, of the same set or another one; few of them, so that accepted points recur. */
const arbPoint = fc.record({
  by: fc.integer({ min: -2, max: 3 }),
  set: fc.constantFrom('current', 'one', 'another'),
});
const arbRest = [
  fc.record({ verb: fc.constant('localRepoForget'), upload: name(7), nexus: name(1) }),
  fc.record({
    verb: fc.constant('sledUpsert'),
    sled: name(1),
    generation: fc.constantFrom(1, 2, 3),
    address: fc.constantFrom('[::1]:1', '[::1]:2'),
    life: fc.constantFrom(null, 0, 1),
    state: fc.constantFrom(null, 'ok', 'failed'),
    heads: fc.option(fc.array(arbPoint, { maxLength: 3 })),
    plainFrom: fc.constantFrom(null, null, '::1', '::2'),
  }),
  fc.record({
    verb: fc.constant('sledSetTransport'),
    sled: name(2),
    transport: fc.constantFrom('tls', 'plain', 'plain'),
    address: fc.constantFrom(undefined, '::1', '::1', '::2'),
  }),
  fc.record({
    verb: fc.constant('sledSetPolicy'),
    sled: name(2),
    policy: fc.constantFrom('in_service', 'expunged'),
  }),
  fc.record({ verb: fc.constant('sledForget'), sled: name(2), lifeMs: fc.constantFrom(0, 0, 86_400_000) }),
  fc.record({
    verb: fc.constant('nexusHeartbeat'),
    nexus: fc.constantFrom(0, 0, 1),
    address: fc.constantFrom('a', 'b'),
  }),
  fc.record({
    verb: fc.constant('nexusExpunge'),
    nexus: fc.constantFrom(0, 0, 1, 2),
    rule: fc.constantFrom<ExpungeRule>(0, 0, 3_600_000, 'compromised'),
  }),
  fc.record({
    verb: fc.constant('targetReleaseSet'),
    text: fc.oneof(
      { weight: 9, arbitrary: arbVersion },
      { weight: 1, arbitrary: fc.constant(UNKNOWN_VERSION) },
    ),
    ahead: fc.constantFrom(0, 0, 0, 0, 1, -1),
  }),
  fc.record({
    verb: fc.constant('generationRaise'),
    by: fc.constantFrom(-1, 0, 1, 10),
    accepted: fc.array(arbPoint, { maxLength: 2 }),
  }),
  fc.record({
    verb: fc.constant('generationMend'),
    by: fc.constantFrom(-1, 0, 1, 2, MAX_MEND, MAX_MEND + 1),
    sled: name(3),
  }),
  fc.record({ verb: fc.constant('nexusBeginRound'), nexus: name(2), round: name(1) }),
  fc.record({ verb: fc.constant('trustRootInsert'), root: name(1) }),
  fc.record({ verb: fc.constant('trustRootDelete'), root: fc.constantFrom(0, 1, 1, 2, 2) }),
  fc.record({
    verb: fc.constant('trustRootAdvance'),
    root: fc.constantFrom(0, 0, 0, 1, 2),
    move: arbMove,
    resigned: fc.option(fc.record({ text: fc.constantFrom(...VERSIONS), roles: arbRoles })),
  }),
] as const;

export const arbCall = fc.oneof(
  { weight: 6, arbitrary: arbUpload },
  { weight: 2, arbitrary: arbPrune },
  { weight: 2, arbitrary: arbDrop },
  ...arbRest.map(arbitrary => ({ weight: 1, arbitrary })),
);
export type Call = typeof arbCall extends fc.Arbitrary<infer C> ? C : never;

/** Some uploads have none, the others have each their own, and some of these fit no artifact. */
const prefixesOf = (artifacts: readonly ReleaseArtifact[], upload: number): NewRelease['prefixesOf'] => {
  if (upload % 3 === 0) return new Map();
  const unitBytes = upload % 3;
  return new Map(
    artifacts.map(({ sha256, sizeBytes }) => {
      const count = upload === 7 ? 1 : markCount(sizeBytes, unitBytes);
      return [sha256, { unitBytes, digests: new Uint8Array(count * SHA256_BYTES).fill(upload) }];
    }),
  );
};

const releaseOf = (call: Extract<Call, { verb: 'releaseInsert' }>): NewRelease => {
  const { artifacts = own(call.text), ...differing } = VARIANTS[call.variant]!(call.text);
  const release = uploadOf(trustRootId(call.root), call.text, artifacts, differing);
  return {
    ...release,
    prefixesOf: prefixesOf(release.description.artifacts, call.upload),
    ...call.move,
    repoId: idOf(RepoId, 'repo', call.text, call.upload),
    uploadId: uploadId(call.upload),
    nexusId: nexusId(call.nexus),
    roles: call.roles,
  };
};

const repoOf = (datastore: Datastore, text: string) =>
  datastore.repoGetByVersion(version(text), { ...wait, includePruned: true });

type NearPoint = typeof arbPoint extends fc.Arbitrary<infer P> ? P : never;
const pointNear = (current: Point, { by, set }: NearPoint): Point => ({
  generation: asGeneration(Math.max(0, current.generation + by)),
  digest: set === 'current' ? current.digest : wantedSetDigest([hashOf(set)]),
});
const NEAR: readonly NearPoint[] = (['current', 'one', 'another'] as const).flatMap(set =>
  [-3, -2, -1, 0, 1, 2].map(by => ({ by, set })),
);

/** Which points near the current one are recorded, read alone and together with the wanted set. */
export const askLineage = async (datastore: Datastore): Promise<unknown> => {
  const current = await datastore.currentGeneration(wait);
  const claims = NEAR.map(near => ({ ...pointNear(current, near), hasLineage: near.by === 0 }));
  return [await datastore.pointsRecorded(claims, wait), await datastore.wantedSet({ ...wait, claims })];
};

export const perform = async (datastore: Datastore, call: Call): Promise<unknown> => {
  switch (call.verb) {
    case 'releaseInsert':
      return await datastore.releaseInsert(releaseOf(call), wait);
    case 'repoPrune': {
      const seenMs = (await repoOf(datastore, call.text))?.timeCreatedMs ?? 1;
      const uploadedAtMs = { whenever: undefined, seen: seenMs, 'another time': seenMs - 1 }[
        call.uploadedAt as 'whenever' | 'seen' | 'another time'
      ];
      return await datastore.repoPrune(version(call.text), {
        ...wait,
        ...(uploadedAtMs !== undefined && { uploadedAtMs }),
      });
    }
    case 'localRepoDrop': {
      const nexus = nexusId(call.nexus);
      if (call.begins) {
        await datastore.nexusHeartbeat({ id: nexus, operatorAddress: 'a', timeStartedMs: 0 }, wait);
        await datastore.nexusBeginRound(nexus, nonce(0), wait);
      }
      const stored = await datastore.currentGeneration(wait);
      const generation = asGeneration(stored.generation - call.behind);
      const planned = { ...stored, generation, nonce: nonce(call.round) };
      const drop = { uploadId: uploadId(call.upload), nexusId: nexus, planned };
      return await datastore.localRepoDrop(drop, wait);
    }
    case 'localRepoForget':
      return await datastore.localRepoForget(uploadId(call.upload), nexusId(call.nexus), wait);
    case 'targetReleaseSet': {
      const repoId = (await repoOf(datastore, call.text))?.id ?? idOf(RepoId, 'unknown');
      const { generation } = await datastore.targetReleaseGet(wait);
      return await datastore.targetReleaseSet({ repoId, expectedGeneration: generation + call.ahead }, wait);
    }
    case 'generationRaise': {
      const current = await datastore.currentGeneration(wait);
      const to = asGeneration(current.generation + call.by);
      const accepted = call.accepted.map(near => pointNear(current, near));
      return await datastore.generationRaise({ to, accepted, orderedBy: 'an operator' }, wait);
    }
    case 'generationMend': {
      const { generation } = await datastore.currentGeneration(wait);
      const to = asGeneration(generation + call.by);
      return await datastore.generationMend({ to, sledId: sledId(call.sled) }, wait);
    }
    default:
      return await performOnFleet(datastore, call);
  }
};

type FleetVerb = `sled${string}` | `nexus${string}` | `trustRoot${string}`;

const performOnFleet = async (
  datastore: Datastore,
  call: Extract<Call, { verb: FleetVerb }>,
): Promise<unknown> => {
  switch (call.verb) {
    case 'sledUpsert': {
      const current = await datastore.currentGeneration(wait);
      const heads = call.heads?.map(near => {
        const point = pointNear(current, near);
        return { ...point, hasLineage: near.by > 0, isKept: near.set === 'another' };
      });
      const info = registration({
        ...(heads !== undefined && { heads }),
        generation: asGeneration(call.generation),
        agentAddress: call.address,
        ...(call.life !== null && { incarnationId: idOf(IncarnationId, 'life', call.life) }),
        ...(call.state !== null && {
          datasets: [{ id: idOf(DatasetId, 'dataset'), path: '/m2/0', state: call.state, quotaBytes: 9 }],
        }),
      });
      const plainFrom = call.plainFrom === null ? {} : { plainFrom: call.plainFrom };
      return await datastore.sledUpsert(sledId(call.sled), info, { ...wait, ...plainFrom });
    }
    case 'sledSetPolicy':
      return await datastore.sledSetPolicy(sledId(call.sled), call.policy, wait);
    case 'sledSetTransport': {
      const transport =
        call.transport === 'tls' ? { kind: call.transport } : { kind: call.transport, address: call.address };
      return await datastore.sledSetTransport(sledId(call.sled), transport as SledTransport, wait);
    }
    case 'sledForget':
      return await datastore.sledForget(sledId(call.sled), { certificateLifeMs: call.lifeMs }, wait);
    case 'nexusHeartbeat':
      return await datastore.nexusHeartbeat(
        { id: nexusId(call.nexus), operatorAddress: call.address, timeStartedMs: 0 },
        wait,
      );
    case 'nexusBeginRound':
      return await datastore.nexusBeginRound(nexusId(call.nexus), nonce(call.round), wait);
    case 'nexusExpunge':
      return await datastore.nexusExpunge(nexusId(call.nexus), call.rule, wait);
    case 'trustRootInsert': {
      const id = trustRootId(call.root);
      return await datastore.trustRootInsert({ id, rootBytes: Buffer.from(`root ${id}`) }, wait);
    }
    case 'trustRootDelete':
      return await datastore.trustRootDelete(trustRootId(call.root), wait);
    case 'trustRootAdvance': {
      const { resigned } = call;
      const repo = resigned && (await repoOf(datastore, resigned.text));
      return await datastore.trustRootAdvance(trustRootId(call.root), call.move, {
        ...wait,
        ...(repo && resigned && { resigned: { repoId: repo.id, roles: resigned.roles } }),
      });
    }
  }
};

const readPrefixes = async (datastore: Datastore): Promise<unknown> => {
  const listed = new Set([...VERSIONS.flatMap(own), 'long', 'twice'].map(hashOf));
  const found = await datastore.prefixDigests(listed, wait);
  return new Map(
    [...found].map(([sha256, { unitBytes, digests }]) => [
      sha256,
      [unitBytes, Buffer.from(digests).toString('hex')],
    ]),
  );
};

/** The answers of all reading verbs. */
export const readAll = async (datastore: Datastore): Promise<Record<string, unknown>> => {
  const page = { limit: 100 };
  const repos = await Promise.all([...VERSIONS, UNKNOWN_VERSION].map(text => repoOf(datastore, text)));
  const roots = [0, 1, 2].map(trustRootId);
  return {
    repos,
    present: await Promise.all(VERSIONS.map(text => datastore.repoGetByVersion(version(text), wait))),
    ascending: await datastore.repoList({ ...page, sortBy: 'version_ascending' }, wait),
    firstDescending: await datastore.repoList({ limit: 1, sortBy: 'version_descending' }, wait),
    byHash: await Promise.all(repos.map(repo => repo && datastore.repoGetByHash(repo.hash, wait))),
    artifacts: await Promise.all(repos.map(repo => repo && datastore.repoArtifacts(repo.id, page, wait))),
    roles: (await datastore.releaseRoles(wait)).map(({ systemVersion, roles }) => [
      systemVersion,
      new Set(roles),
    ]),
    artifactRoles: await datastore.artifactRoles(hashOf('shared'), wait),
    prefixes: await readPrefixes(datastore),
    current: await datastore.currentGeneration(wait),
    local: await datastore.localRepoList(wait),
    localOfOne: await datastore.localRepoList({ ...wait, nexusId: nexusId(0) }),
    sleds: await datastore.sledList(page, wait),
    inService: await datastore.sledList({ ...page, policy: 'in_service' }, wait),
    sled: await datastore.sledGet(sledId(0), wait),
    plain: await Promise.all([0, 1, 2].map(n => datastore.sledPlainAddress(sledId(n), wait))),
    nexuses: await datastore.nexusList(wait),
    target: await datastore.targetReleaseGet(wait),
    recentTargets: await datastore.targetReleaseRecent(2, wait),
    trustRoots: await datastore.trustRootList(page, wait),
    trustRootPage: await datastore.trustRootList({ limit: 1 }, wait),
    trustRootEach: await Promise.all(roots.map(id => datastore.trustRootGet(id, wait))),
    chains: await Promise.all(roots.map(id => datastore.trustRootChain(id, wait))),
  };
};
