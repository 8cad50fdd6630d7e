import { expect, test } from 'vitest';
import {
  type ArtifactHash,
  asGeneration,
  NexusId,
  pointText,
  RepoId,
  SledId,
  SystemVersion,
} from '../../core/ids.ts';
import { planReplication } from '../../core/plan/plan.ts';
import { seededRng } from '../../core/rng.ts';
import { foldObservation, type Observation } from '../replication/observation.ts';
import { digestOf, fakeSled, hashOf } from '../sleds/fleet.fixture.ts';
import type { CollectedSled } from '../sleds/sled-draft.ts';
import { nothingRead } from './database-reading.ts';
import { fleetStatus, type StatusFacts } from './fleet-status.ts';

const SLEDS = 10_000;
const RELEASES = 8;

const uuid = (kind: number, n: number) => `0000000${kind}-0000-4000-8000-${n.toString(16).padStart(12, '0')}`;
const releases = Array.from({ length: RELEASES }, (_, n) => ({
  repoId: RepoId.parse(uuid(2, n)),
  systemVersion: SystemVersion.parse(`${n + 1}.0.0`),
  artifacts: new Set([hashOf(n)]),
  ...{ timeCreatedMs: 0, bundle: undefined },
}));
const hashes = releases.flatMap(({ artifacts }) => [...artifacts]);
const point = { generation: asGeneration(5), digest: digestOf(hashes) };
const wanted = {
  ...point,
  artifacts: new Map(hashes.map(hash => [hash, 1000])),
  releases,
  lineage: { first: asGeneration(1), recorded: new Set([pointText(point)]) },
};

/** Every tenth sled answers, with what it holds. */
const sledOf = (n: number, held: readonly ArtifactHash[] = []): CollectedSled => {
  const target = { ...fakeSled(1).target, id: SledId.parse(uuid(1, n)), serial: `BRM42220${n}` };
  const { id, serial } = target;
  const listing = {
    ...{
      kind: 'ok' as const,
      held: new Map(held.map(hash => [hash, 2])),
      datasets: 2,
      copiesInFlight: new Set<never>(),
    },
    incarnationId: undefined,
  };
  const silence = {
    ...{ kind: 'unreachable' as const, sinceMs: 0, code: 'PEER_UNREACHABLE' },
    error: `the sled at 192.0.2.1:12345 cannot be reached: connect ECONNREFUSED 192.0.2.1:12345`,
  };
  return { id, serial, target, report: undefined, answer: n % 10 === 0 ? listing : silence };
};

const observed = (
  sleds = Array.from({ length: SLEDS }, (_, n) => sledOf(n)),
  { monotonicMs = 0, before }: { readonly monotonicMs?: number; readonly before?: Observation } = {},
): Observation => {
  const limits = {
    maxTransfers: 1,
    maxTransfersToSled: 1,
    maxCopiesFromSource: 1,
    maxPuts: 1,
    smallBytes: 0,
  };
  const plan = planReplication(
    {
      ...{
        wanted,
        sleds,
        local: [],
        underWay: [],
        idleSinceMs: new Map(),
        backoff: new Map(),
        routes: new Map(),
        nowMs: 0,
      },
      policy: { minSledReplication: 3, limits },
    },
    seededRng(1),
  );
  const seen = {
    ...{ timeMs: 0, wanted, minSledReplication: 3, sleds, lost: [], plan, begun: 0, monotonicMs },
    ...{ elsewhere: new Map(), dropped: new Set<never>(), kept: [], distrusted: [] },
  };
  return foldObservation(seen, before);
};

const statusOf = (observation: Observation) =>
  fleetStatus({
    nexusId: NexusId.parse(uuid(3, 1)),
    database: nothingRead(undefined),
    ...{ minSledReplication: 3, observation, replicationError: undefined, replicationPaused: false },
    ...{ plainListen: undefined, debugListen: undefined, uploadsInProgress: 0, localRepos: 0, notices: [] },
  } satisfies StatusFacts);

test('the status of ten thousand sleds of which most are unreachable is less than 100 kB: it counts them all, and names some', () => {
  const status = statusOf(observed());
  expect(JSON.stringify(status).length).toBeLessThan(100_000);
  expect(status.sleds).toMatchObject({ in_service: SLEDS, answering: SLEDS / 10 });
  const total = (code: string) => status.reason_totals?.find(each => each.code === code)?.total;
  expect(total('SLED_UNREACHABLE')).toBe((SLEDS * 9) / 10);
  const named = status.reasons.filter(({ code }) => code === 'SLED_UNREACHABLE');
  expect(named).toHaveLength(20);
  expect(named[0]).toMatchObject({ sled_id: uuid(1, 1), remedy: expect.any(String) });
});

test('a release in the status has its own reasons, and neither its sleds nor theirs', () => {
  const { releases: shown } = statusOf(observed());
  expect(shown).toHaveLength(RELEASES);
  for (const release of shown) {
    expect(release).not.toHaveProperty('sleds');
    expect(release.reasons.map(({ code }) => code)).toEqual(['RELEASE_BLOCKED']);
  }
});

test('a release that arrives has its rate and the time that is left, by what the rounds have found', () => {
  const answering = [0, 10, 20, 30];
  const holding = (count: number) => answering.map((n, at) => sledOf(n, at < count ? hashes : []));
  const first = observed(holding(0));
  const second = observed(holding(1), { monotonicMs: 10_000, before: first });
  const third = observed(holding(2), { monotonicMs: 20_000, before: second });
  const [release] = statusOf(third).releases;
  expect(release).toMatchObject({
    bytes_held: 2_000,
    bytes_wanted: 4_000,
    bytes_per_s: 100,
    remaining_s: 20,
  });
  const [unknown] = statusOf(first).releases;
  expect([unknown?.bytes_per_s, unknown?.remaining_s]).toEqual([undefined, undefined]);
});
