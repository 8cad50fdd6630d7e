import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import {
  type ArtifactHash,
  type Generation,
  NexusId,
  type Point,
  pointText,
  RepoId,
  SystemVersion,
  UploadId,
} from '../../core/ids.ts';
import type { LocalRepo } from '../../core/inventory.ts';
import type { RecordedPoints } from '../../core/lineage.ts';
import { seededRng } from '../../core/rng.ts';
import { systemClock } from '../../lib/clock.ts';
import { formatAddress } from '../../lib/endpoint.ts';
import { DepotError } from '../../lib/errors.ts';
import { silentLogger } from '../../lib/log.ts';
import { createDriver } from '../background/driver.ts';
import { ReplicationStatus } from '../background/original-debugger.fixture.ts';
import { PRUNER_TASK } from '../background/repo-pruner.ts';
import { LIVENESS_TASK } from '../background/sled-liveness.ts';
import type { LocalRepoRecord } from '../datastore/ports/local-repo-port.ts';
import type { NexusRecord } from '../datastore/ports/nexus-port.ts';
import type { SledRecord } from '../datastore/ports/sled-port.ts';
import type { WantedSet } from '../datastore/ports/wanted-set-port.ts';
import { createRequestLog } from '../history/request-log.ts';
import type { Staging } from '../releases/staging/staging.ts';
import { createLostSets } from '../releases/upload/lost-sets.ts';
import {
  contentOf,
  digestOf,
  type FakeSled,
  fakeConnection,
  fakeSled,
  generation,
  hashOf,
  never,
  unreachable,
} from '../sleds/fleet.fixture.ts';
import { DEFAULT_COLLECT_LIMITS } from '../sleds/sled-draft.ts';
import { createReplication, type ReplicationPolicy } from './task.ts';

const uuid = (kind: number, n: number) => `0000000${kind}-0000-4000-8000-${n.toString(16).padStart(12, '0')}`;
const repoId = (n: number) => RepoId.parse(uuid(2, n));
const uploadId = (n: number) => UploadId.parse(uuid(3, n));

const record = ({ target }: FakeSled): SledRecord => ({
  id: target.id,
  info: {
    agentAddress: formatAddress(target.agent),
    depotPort: 80,
    baseboard: { serial: target.serial, part: 'test', revision: 0 },
    heads: [] as SledRecord['info']['heads'],
  } as SledRecord['info'],
  policy: 'in_service',
  timeRegisteredMs: 0,
  timeLastRegisteredMs: 0,
  timeExpungedMs: undefined,
});

const POLICY: ReplicationPolicy = {
  periodMs: 60_000,
  disable: false,
  minSledReplication: 3,
  collectLimits: DEFAULT_COLLECT_LIMITS,
  transfers: {
    limits: {
      maxTransfers: 1000,
      maxTransfersToSled: 1000,
      maxCopiesFromSource: 1000,
      maxPuts: 1000,
      smallBytes: 0,
    },
    copyConcurrency: 32,
    copyAnswerTimeoutMs: 20_000,
    roundWaitMs: 200,
  },
};

/** Releases are lists of artifact numbers; the archives in `local` are held by this Nexus. */
const world = (options: {
  sleds: FakeSled[];
  releases: number[][];
  local?: number[];
  /** Other Nexus instances, and what they hold. */
  elsewhere?: { nexuses: NexusRecord[]; localRepos: LocalRepoRecord[] };
  policy?: Partial<ReplicationPolicy>;
}) => {
  const { sleds } = options;
  const connection = fakeConnection(sleds);
  const state = {
    generation: generation(2),
    releases: options.releases,
    database: undefined as undefined | Point,
    /** Points that the database recorded before its present one. */
    recorded: [] as Point[],
    mended: [] as Generation[],
    /** What happens elsewhere in this Nexus while the wanted set is read. */
    whileReading: (): void => undefined,
  };
  const archives = new Map<UploadId, LocalRepo>();
  for (const n of options.local ?? []) {
    const artifacts = new Map(options.releases[n]!.map(a => [hashOf(a), 1000]));
    archives.set(uploadId(n), { uploadId: uploadId(n), repoId: repoId(n), artifacts });
  }
  const dropped: UploadId[] = [];
  const numbers = new Map(options.releases.flat().map(n => [hashOf(n), n]));
  const staging: Staging = {
    nexusId: NexusId.parse(uuid(4, 9)),
    held: () => [...archives.values()],
    async openArtifact(_upload, sha256) {
      const bytes = contentOf(numbers.get(sha256)!);
      return {
        sizeBytes: bytes.length,
        chunks: async function* () {
          yield bytes;
        },
        readRange: async (offset, length) => bytes.subarray(offset, offset + length),
        [Symbol.asyncDispose]: async () => undefined,
      };
    },
    async drop(id) {
      archives.delete(id);
      dropped.push(id);
      return { kind: 'dropped' };
    },
    uploadsInProgress: () => 0,
    reconcile: async () => undefined,
  };
  const current = (): Point => {
    const digest = digestOf(state.releases.flat().map(n => hashOf(n)));
    return state.database ?? { generation: state.generation, digest };
  };
  const lineage = (): RecordedPoints => ({
    first: generation(1),
    recorded: new Set([...state.recorded, current()].map(pointText)),
  });
  const wantedSet = async (): Promise<WantedSet> => {
    state.whileReading();
    state.recorded.push(current());
    const artifacts = new Map<ArtifactHash, number>(state.releases.flat().map(n => [hashOf(n), 1000]));
    return {
      generation: state.generation,
      digest: digestOf(artifacts.keys()),
      lineage: lineage(),
      artifacts,
      releases: state.releases.map((release, n) => ({
        repoId: repoId(n),
        systemVersion: SystemVersion.parse(`${n + 1}.0.0`),
        timeCreatedMs: 0,
        artifacts: new Set(release.map(a => hashOf(a))),
      })),
    };
  };
  const requests = createRequestLog({ clock: systemClock, log: silentLogger });
  const replication = createReplication({
    datastore: {
      wantedSet,
      pointsRecorded: async () => ({ current: current(), lineage: lineage() }),
      async generationMend({ to }) {
        state.mended.push(to);
        state.generation = to;
        return current();
      },
      nexusBeginRound: async () => true,
      sledList: async () => ({ items: sleds.map(record) }),
      localRepoList: async () => options.elsewhere?.localRepos ?? [],
      nexusList: async () => options.elsewhere?.nexuses ?? [],
      repoArtifacts: async () => ({ items: [] }),
      bundleGet: async () => undefined,
      prefixDigests: async () => new Map(),
    },
    log: silentLogger,
    connection,
    staging,
    requests,
    history: { listed: () => undefined, observed: () => undefined },
    nexus: { id: NexusId.parse(uuid(4, 1)) },
    newId: randomUUID,
    note: () => undefined,
    lost: createLostSets(),
    policy: { ...POLICY, ...options.policy },
    clock: systemClock,
    rng: seededRng(1),
  });
  const activate = async () => {
    const result = await replication.task.activate({
      reason: 'signaled',
      log: silentLogger,
      signal: new AbortController().signal,
    });
    await delay(5); // the copies of well-behaved sleds end
    return result;
  };
  return { sleds, connection, state, archives, dropped, requests, replication, activate };
};

const holds = (sled: FakeSled) => [...sled.files.keys()].length;
const fleetOf = (n: number) => Array.from({ length: n }, (_, i) => fakeSled(i + 1));

test('4 sleds, minimum 3: a put and 3 copies of each artifact, then only config and list, and no local repo (S20, PL1)', async () => {
  const w = world({ sleds: fleetOf(4), releases: [[1, 2, 3]], local: [0] });
  const first = await w.activate();
  expect(first.summary).toMatchObject({
    last_run_counters: { put_config_ok: 4, list_ok: 4, put_ok: 3, copy_ok: 9 },
  });
  expect(w.dropped).toEqual([]);
  const planned = w.replication.observer.timeLastPlannedMs();
  expect(planned).toBeDefined();
  const second = await w.activate();
  expect(w.sleds.map(holds)).toEqual([3, 3, 3, 3]);
  expect(second.summary).toMatchObject({
    last_run_counters: { put_config_ok: 4, list_ok: 4, put_ok: 0, copy_ok: 0, copy_done: 9 },
    local_repos: 0,
    releases: [{ state: 'complete' }],
    releases_replicated_total: 1,
  });
  expect(w.dropped).toEqual([uploadId(0)]);
  const third = await w.activate();
  expect(third.againInMs, 'nothing to wait for').toBeUndefined();
  expect(third.summary, 'once (S10)').toMatchObject({ releases_replicated_total: 1 });
  expect(w.replication.observer.timeLastPlannedMs(), 'nothing was requested since').toBe(planned);
});

test('a sled that is dead, one that answers rubbish and one that never answers delay only their own copies (G8)', async () => {
  const sleds = fleetOf(7);
  sleds[0]!.fault.putConfig = unreachable;
  sleds[1]!.fault.list = async () => {
    throw new DepotError('PEER_BAD_ANSWER', 'answered HTML');
  };
  sleds[2]!.fault.putConfig = never;
  const collectLimits = { answerTimeoutMs: 60_000, stragglerGraceMs: 20 };
  const w = world({ sleds, releases: [[1, 2]], local: [0], policy: { collectLimits } });
  await w.activate();
  const { summary } = await w.activate();
  expect(w.sleds.slice(3).map(holds)).toEqual([2, 2, 2, 2]);
  expect(w.sleds.slice(0, 3).map(holds)).toEqual([0, 0, 0]);
  expect(w.dropped, 'three healthy sleds are enough').toEqual([uploadId(0)]);
  const codes = (summary.reasons as { code: string }[]).map(reason => reason.code);
  expect(codes).toEqual(
    expect.arrayContaining(['SLED_UNREACHABLE', 'SLED_BAD_ANSWER', 'RELEASE_REPLICATING']),
  );
});

test('another process at the address of a sled has a reason of its own, with what to check, and is sent nothing (G8)', async () => {
  const sleds = fleetOf(4);
  const error = 'it is spiffe://fleet/sled/other';
  sleds[0]!.fault.putConfig = async () => {
    throw new DepotError('PEER_IDENTITY', error);
  };
  const w = world({ sleds, releases: [[1]], local: [0] });
  await w.activate();
  const { summary } = await w.activate();
  expect(summary.reasons).toContainEqual(
    expect.objectContaining({
      code: 'SLED_OTHER_IDENTITY',
      message: expect.stringContaining(error),
      remedy: expect.stringContaining('tuf-depot identity show'),
    }),
  );
  expect(w.connection.log.filter(line => line.endsWith('sled-1'))).toEqual(['put_config sled-1']);
});

test('a sled that does not answer is left alone until its back-off ends (B8)', async () => {
  const sleds = fleetOf(2);
  sleds[0]!.fault.putConfig = unreachable;
  const w = world({ sleds, releases: [[1]], local: [0] });
  await w.activate();
  await w.activate();
  expect(w.connection.log.filter(line => line.endsWith('sled-1'))).toEqual(['put_config sled-1']);
  w.replication.sledReturned(sleds[0]!.target.id);
  sleds[0]!.fault = {};
  await w.activate();
  expect(holds(sleds[0]!)).toBe(1);
});

test('a sled whose put failed is no source; the others copy from one whose put succeeded (B8)', async () => {
  const sleds = fleetOf(6);
  sleds[1]!.fault.put = async () => {
    throw new DepotError('IO', 'disk error');
  };
  const w = world({ sleds, releases: [[1, 2, 3, 4]], local: [0] });
  await w.activate();
  expect(w.connection.log.filter(line => line.includes('from sled-2'))).toEqual([]);
  expect(w.requests.lifetime().copy_err).toBe(0);
  expect(w.requests.lifetime().put_err).toBeGreaterThan(0);
});

test('a copy in flight is not requested again, and its failure reaches the status and backs off (B7)', async () => {
  const sleds = fleetOf(4);
  const last = sleds[3]!;
  for (const sled of sleds.slice(0, 3)) sled.files.set(hashOf(1), contentOf(1));
  last.fault.copy = async () => true;
  const w = world({ sleds, releases: [[1]] });
  await w.activate();
  await w.activate();
  expect(w.requests.lifetime().copy_ok).toBe(1);
  last.copiesInFlight.clear();
  last.copiesFailed.push({
    sha256: hashOf(1),
    message: 'the source closed the connection',
    timeMs: 0,
  });
  const { summary, againInMs } = await w.activate();
  expect(w.requests.lifetime()).toMatchObject({ copy_ok: 1, copy_failed: 1 });
  expect(summary.reasons).toContainEqual(
    expect.objectContaining({
      details: expect.objectContaining({
        error: expect.stringContaining('the source closed the connection'),
      }),
    }),
  );
  expect(againInMs, 'the back-off is waited for').toBeLessThanOrEqual(2_000);
});

test('a busy sled is paused for as long as it asked, which is no error (B14)', async () => {
  const sleds = fleetOf(1);
  sleds[0]!.fault.put = async () => {
    throw new DepotError('SLED_BUSY', '4 transfers are running', { detail: { retry_after_s: 7 } });
  };
  const w = world({ sleds, releases: [[1]], local: [0], policy: { minSledReplication: 1 } });
  await w.activate();
  const { summary, againInMs } = await w.activate();
  expect(w.requests.lifetime()).toMatchObject({ put_busy: 1, put_err: 0 });
  expect(againInMs).toBeGreaterThan(5_000);
  expect(summary.reasons).toContainEqual(expect.objectContaining({ code: 'SLED_WRITES_PAUSED' }));
});

test('a sled ahead of the config is only outdated if a later read of the database agrees with it (P7)', async () => {
  const sleds = fleetOf(4);
  sleds[0]!.config = { generation: generation(3), artifacts: new Map([[hashOf(9), 1000]]) };
  const w = world({ sleds, releases: [[1]], local: [0] });
  w.state.database = { generation: generation(3), digest: digestOf([hashOf(9)]) };
  const outdated = await w.activate();
  expect(outdated.summary.reasons).toContainEqual(expect.objectContaining({ code: 'SLED_AHEAD' }));
  expect(outdated.againInMs, 'a newer view is read at once').toBeLessThan(100);
  w.state.database = undefined; // it has lost that commit
  w.state.recorded = [];
  const diverged = await w.activate();
  expect(diverged.summary.reasons).toContainEqual(expect.objectContaining({ code: 'SLED_DIVERGED' }));
  expect(w.sleds.slice(1).map(holds), 'the others go on').toEqual([1, 1, 1]);
});

test('a sled that waits for the word of a person does not make round follow round at once (C5)', async () => {
  const sleds = fleetOf(4);
  const [held, digest] = [generation(1), digestOf([hashOf(9)])];
  sleds[0]!.config = { generation: held, artifacts: new Map([[hashOf(9), 1000]]) };
  sleds[0]!.fault.putConfig = async () => {
    throw new DepotError('CONFIG_GENERATION', 'no statement of an admin key accepts it', {
      detail: { reason: 'not_accepted', held, held_digest: digest, held_lineage: true },
    });
  };
  const w = world({ sleds, releases: [[1]], local: [0] });
  w.state.recorded = [{ generation: held, digest }];
  await w.activate();
  for (let round = 1; round <= 3; round += 1) {
    const { summary, againInMs } = await w.activate();
    const remedy = expect.stringContaining(`statement sign accept-points ${held}:${digest}`);
    expect(summary.reasons).toContainEqual(expect.objectContaining({ code: 'SLED_NEEDS_STATEMENT', remedy }));
    expect(againInMs ?? Number.POSITIVE_INFINITY).toBeGreaterThan(100);
  }
});

test('an equal generation with another set of artifacts is diverged (P7)', async () => {
  const sleds = fleetOf(1);
  sleds[0]!.config = { generation: generation(2), artifacts: new Map([[hashOf(9), 1000]]) };
  const w = world({ sleds, releases: [[1]], local: [0] });
  expect((await w.activate()).summary.reasons).toContainEqual(
    expect.objectContaining({ code: 'SLED_DIVERGED' }),
  );
});

test('after a failover that lost only numbers the generation rises by itself, and the sleds follow (P13)', async () => {
  const sleds = fleetOf(3);
  const ahead = { generation: generation(7), artifacts: new Map([[hashOf(1), 1000]]) };
  for (const sled of sleds) sled.config = ahead;
  const w = world({ sleds, releases: [[1], [2]], local: [0, 1] });
  const first = await w.activate();
  expect(w.state.mended).toEqual([8]);
  expect(first.againInMs, 'a newer config is there').toBeLessThan(100);
  await w.activate();
  expect(w.sleds.map(sled => sled.config!.generation)).toEqual([8, 8, 8]);
  expect(w.sleds.map(holds)).toEqual([2, 2, 2]);
});

test('an artifact of a sled’s config that the database no longer lists is never given up automatically (P13)', async () => {
  const sleds = fleetOf(3);
  const ahead = { generation: generation(7), artifacts: new Map([1, 9].map(n => [hashOf(n), 1000])) };
  sleds[0]!.config = ahead;
  sleds[0]!.files.set(hashOf(9), contentOf(9));
  const w = world({ sleds, releases: [[1]], local: [0], policy: { minSledReplication: 2 } });
  for (let round = 0; round < 3; round += 1) await w.activate();
  w.state.generation = generation(20);
  for (let round = 0; round < 3; round += 1) await w.activate();
  expect(w.state.mended).toEqual([]);
  expect(sleds[0]!.config).toBe(ahead);
  expect(sleds[0]!.files.has(hashOf(9))).toBe(true);
  expect(w.dropped, 'and the others are enough').toEqual([uploadId(0)]);
});

test('a local repo stays while fewer sleds than the minimum prove to have the bytes that they list (P9)', async () => {
  const sleds = fleetOf(3);
  for (const sled of sleds) sled.files.set(hashOf(1), contentOf(1));
  sleds[2]!.fault.readRange = async () => contentOf(7);
  const w = world({ sleds, releases: [[1]], local: [0] });
  await w.activate();
  expect((await w.activate()).againInMs, 'the drop is tried again before the period').toBeLessThanOrEqual(
    15_000,
  );
  expect(w.dropped).toEqual([]);
  expect((await w.activate()).summary.reasons).toContainEqual(
    expect.objectContaining({ code: 'SLED_BYTES_DIFFER' }),
  );
  sleds[2]!.fault = {};
  await w.activate();
  expect(w.dropped).toEqual([uploadId(0)]);
});

test('an upload that is recorded while the wanted set is read is not judged by that set (P1)', async () => {
  const w = world({ sleds: fleetOf(3), releases: [] });
  w.state.whileReading = () => {
    const artifacts = new Map([[hashOf(1), 1000]]);
    w.archives.set(uploadId(9), { uploadId: uploadId(9), repoId: repoId(9), artifacts });
  };
  await w.activate();
  expect(w.dropped).toEqual([]);
});

test('a sled that came back and a release that was pruned activate replication (B16)', async () => {
  const { task } = world({ sleds: [], releases: [] }).replication;
  const activated: string[] = [];
  const changing = (name: string) => ({
    name,
    description: 'has changed something',
    periodMs: 60_000,
    activate: async () => ({ summary: {}, changed: true }),
  });
  const watched = {
    ...task,
    disable: true,
    activate: async ({ reason }: { reason: string }) => {
      activated.push(reason);
      return { summary: {} };
    },
  };
  for (const other of [LIVENESS_TASK, PRUNER_TASK]) {
    const tasks = [watched, changing(other)];
    await using driver = createDriver({ tasks, clock: systemClock, rng: seededRng(1), log: silentLogger });
    await driver.idle();
  }
  expect(activated).toEqual(['dependency', 'dependency']);
});

test('a bogus hash in a list is skipped and harms nothing (S11)', async () => {
  const sleds = fleetOf(1);
  sleds[0]!.fault.list = async honest => ({ ...honest, bogusHashes: ['not a hash'] });
  const w = world({ sleds, releases: [[1]], local: [0], policy: { minSledReplication: 1 } });
  await w.activate();
  await w.activate();
  expect(w.dropped).toEqual([uploadId(0)]);
});

test('requests over the limits are counted as deferred and follow at once while there is progress (S6)', async () => {
  const transfers = { ...POLICY.transfers, limits: { ...POLICY.transfers.limits, maxTransfers: 4 } };
  const w = world({ sleds: fleetOf(4), releases: [[1, 2, 3, 4, 5]], local: [0], policy: { transfers } });
  const first = await w.activate();
  expect(first.summary).toMatchObject({ requests_deferred: 16 });
  expect(first.againInMs).toBeLessThan(100);
  for (let round = 0; round < 10; round += 1) await w.activate();
  expect(w.sleds.map(holds)).toEqual([5, 5, 5, 5]);
  expect(w.dropped).toEqual([uploadId(0)]);
});

test('after a new config another round collects the deletions of the sleds, and then it rests (S11)', async () => {
  const w = world({ sleds: fleetOf(3), releases: [[1]], local: [0] });
  for (let round = 0; round < 3; round += 1) await w.activate();
  expect((await w.activate()).againInMs).toBeUndefined();
  w.state.generation = generation(3);
  w.state.releases = [];
  expect((await w.activate()).againInMs).toBe(1_000);
  expect(w.sleds.map(holds)).toEqual([0, 0, 0]);
  expect((await w.activate()).againInMs).toBeUndefined();
});

test('a put that outlasts a round goes on, is not sent twice, and is counted when it ends (TRF1, TRF2)', async () => {
  const sleds = fleetOf(1);
  const gate = Promise.withResolvers<void>();
  sleds[0]!.fault.put = () => gate.promise;
  const w = world({ sleds, releases: [[1]], local: [0], policy: { minSledReplication: 1 } });
  await w.activate();
  await w.activate();
  expect(w.connection.log.filter(line => line.startsWith('put '))).toHaveLength(1);
  expect(w.requests.lifetime().put_ok).toBe(0);
  gate.resolve();
  await expect.poll(() => w.requests.lifetime().put_ok).toBe(1);
  expect(holds(sleds[0]!)).toBe(1);
});

test('the list of tasks has what the debugger of the original decodes, with the newest requests only (S10)', async () => {
  const w = world({ sleds: fleetOf(40), releases: [[1]], local: [0] });
  await w.activate();
  const { listed, details } = await w.activate();
  const { request_debug_ringbuf: newest } = ReplicationStatus.parse(JSON.parse(JSON.stringify(listed?.())));
  const ring = details?.().request_debug_ringbuf as readonly object[];
  expect(ring.length).toBeGreaterThan(64);
  expect(newest).toHaveLength(64);
  expect(ring.slice(-64)).toMatchObject(newest);
  expect(new Set(newest.map(({ operation }) => operation)).size).toBeGreaterThan(1);
});

test('the summary never carries the ring of requests; the details do (S10)', async () => {
  const w = world({ sleds: fleetOf(1), releases: [[1]], local: [0] });
  const result = await w.activate();
  expect(result.summary).not.toHaveProperty('request_debug_ringbuf');
  expect(result.details?.().request_debug_ringbuf).toMatchObject([
    { operation: 'put_config' },
    { operation: 'list' },
    { operation: 'put' },
  ]);
});

test('a release with no copy anywhere is failed with its remedy; with a silent sled it is blocked (P8)', async () => {
  const sleds = fleetOf(2);
  const w = world({ sleds, releases: [[1]] });
  expect((await w.activate()).summary.reasons).toContainEqual(
    expect.objectContaining({ code: 'RELEASE_FAILED', remedy: 'Upload the same archive again.' }),
  );
  expect((await w.activate()).summary).toMatchObject({
    releases: [{ state: 'failed' }],
    releases_failed_total: 1,
  });
  sleds[1]!.fault.putConfig = unreachable;
  expect((await w.activate()).summary).toMatchObject({ releases: [{ state: 'blocked' }] });
});

test.each([
  ['blocked', 'in_service', 1_000, { code: 'RELEASE_BLOCKED', holder: 'another_nexus' }],
  ['blocked', 'in_service', 3_600_000, { code: 'RELEASE_BLOCKED', holder: 'silent_nexus' }],
  ['failed', 'expunged', 1_000, { code: 'RELEASE_FAILED' }],
] as const)(
  'a release whose archive another Nexus holds is %s when that one is %s, heard of %i ms ago (P8, S23)',
  async (state, policy, heartbeatAgeMs, reason) => {
    const nexusId = NexusId.parse(uuid(4, 1));
    const nexus: NexusRecord = {
      id: nexusId,
      policy,
      timeExpungedMs: undefined,
      operatorAddress: '127.0.0.1:1',
      timeStartedMs: 0,
      timeHeartbeatMs: 0,
      heartbeatAgeMs,
      localRepos: 1,
    };
    const localRepo = { uploadId: uploadId(7), nexusId, repoId: repoId(0), timeCreatedMs: 0 };
    const elsewhere = { nexuses: [nexus], localRepos: [localRepo] };
    const w = world({ sleds: fleetOf(2), releases: [[1]], elsewhere });
    const { summary } = await w.activate();
    expect(summary).toMatchObject({ releases: [{ state }] });
    expect(summary.reasons).toContainEqual(
      expect.objectContaining({ details: expect.objectContaining(reason) }),
    );
  },
);
