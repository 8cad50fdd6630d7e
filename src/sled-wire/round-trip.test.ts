/** Whatever one side says, the other hears: each shape survives its way over the wire, as JSON that the contract accepts. */
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { z } from 'zod';
import { MAX_HEADS, SledAgentInfo } from '../api/internal-api.ts';
import { TrustRootChains } from '../api/release-trust-api.ts';
import {
  ArtifactConfigBody,
  ArtifactLease,
  ArtifactListResponse,
  AuditHeadsBody,
  KeptAuditHeads,
  MAX_LISTED_EVENTS,
  MAX_LISTED_LEASES,
  MAX_POINTS_KEPT,
} from '../api/sled-agent-api.ts';
import { ArtifactPutResponse } from '../api/transfer-api.ts';
import {
  ArtifactHash,
  asGeneration,
  DatasetId,
  IncarnationId,
  LeaseId,
  pointText,
  SystemVersion,
} from '../core/ids.ts';
import { BUNDLE_STATES, REFUSAL_CAUSES } from '../core/release-trust.ts';
import type { DatasetHealth, SledReport } from '../core/sled-report.ts';
import { auditHeadsBody, keptHeadsBody, keptHeadsOf } from './audit-heads.ts';
import { configBody, configOf } from './config.ts';
import { listTag } from './list-tag.ts';
import { putResultBody, putResultOf } from './put-result.ts';
import { refusedClaimDetail, refusedClaimOf } from './refused-claim.ts';
import { registrationBody, registrationOf } from './registration.ts';
import { readAnswer, writeAnswer } from './registration-answer.ts';
import { rootChainsBody, rootChainsOf } from './release-trust.ts';
import { listBody, sledReportOf } from './report.ts';
import { leaseBody, leaseOf } from './report-items.ts';

const hex = (length: number) =>
  fc
    .array(fc.constantFrom(...'0123456789abcdef'), { minLength: length, maxLength: length })
    .map(a => a.join(''));
const hash = hex(64).map(text => ArtifactHash.parse(text));
const generation = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }).map(asGeneration);
const point = fc.record({ generation, digest: hex(64) });
const count = fc.nat();
const bytes = fc.nat({ max: Number.MAX_SAFE_INTEGER });
const timeMs = fc.integer({ min: 0, max: Date.UTC(9999, 11, 31) });
const text = fc.string({ maxLength: 20 });
/** As printed on a machine. */
const visible = fc.stringMatching(/^[!-~]{1,20}$/);
const optional = <T>(arb: fc.Arbitrary<T>) => fc.option(arb, { nil: undefined });
const some = <T>(arb: fc.Arbitrary<T>, maxLength = 3) => fc.array(arb, { maxLength });
const datasetId = fc.uuid().map(id => DatasetId.parse(id));

const dataset: fc.Arbitrary<DatasetHealth> = fc.record({
  id: fc.option(datasetId),
  path: text,
  state: fc.constantFrom('ok', 'full', 'read_only', 'missing', 'failed'),
  message: optional(text),
  usedBytes: optional(bytes),
  quotaBytes: optional(bytes),
  freeBytes: optional(bytes),
  reclaimableBytes: optional(bytes),
  retainedBytes: optional(bytes),
  quarantined: optional(count),
  timeLastQuarantinedMs: optional(timeMs),
});

const lease = fc.record({
  sha256: hash,
  id: fc.uuid().map(id => LeaseId.parse(id)),
  holder: optional(text),
  termMs: fc.integer({ min: 1, max: 86_400 }).map(seconds => seconds * 1_000),
  timeExpiresMs: timeMs,
  remainingMs: fc.nat({ max: 86_400_000 }),
});

const waitingDeletion = fc.record({
  sha256: hash,
  sizeBytes: bytes,
  remainingMs: fc.nat({ max: 604_800_000 }),
});

const waiting = fc.record({ artifacts: count, sizeBytes: bytes, first: some(waitingDeletion) });

const bundleReport = fc
  .tuple(
    hex(64),
    fc.constantFrom(...BUNDLE_STATES),
    fc.option(text),
    fc.option(fc.constantFrom(...REFUSAL_CAUSES)),
  )
  .map(([sha256, state, reason, cause]) => ({
    ...{ sha256, state },
    ...(reason !== null && { reason }),
    ...(cause !== null && { cause }),
  }));

/** Of sled agents that judge releases; absent for the others. */
const ofReleases = fc.record(
  {
    requiresSigned: fc.boolean(),
    bundles: some(bundleReport),
    withheld: some(hash).map(hashes => new Set(hashes)),
    trust: fc.record({
      chains: some(
        fc.record({ rootSha256: hex(64), version: fc.integer({ min: 1 }), newestSha256: hex(64) }),
      ),
      adminKeys: some(hex(64)),
    }),
  },
  { requiredKeys: [] },
);

const report: fc.Arbitrary<SledReport> = fc
  .tuple(
    ofReleases,
    fc.record({
      generation,
      digest: optional(hex(64)),
      hasLineage: fc.boolean(),
      copies: fc.array(fc.tuple(hash, count), { maxLength: 3 }).map(entries => new Map(entries)),
      bogusHashes: fc.constant([]),
      datasets: optional(count),
      datasetHealth: optional(some(dataset)),
      incarnationId: optional(fc.uuid().map(id => IncarnationId.parse(id))),
      pointsKept: optional(some(point, MAX_POINTS_KEPT)),
      deletionsHeld: optional(fc.record({ reason: text, timeMs })),
      copiesInFlight: some(
        fc.record({
          sha256: hash,
          depotBaseUrl: text,
          receivedBytes: bytes,
          sizeBytes: optional(bytes),
          timeStartedMs: timeMs,
        }),
      ),
      copiesDoneTotal: count,
      copiesFailedTotal: count,
      copiesFailed: some(
        fc.record({ sha256: hash, depotBaseUrl: text, errorCode: text, message: text, timeMs }),
      ),
      deletionsTotal: count,
      deletions: some(fc.record({ sha256: hash, generation, reason: text, timeMs })),
      deletionsDeferred: some(
        fc.record({ sha256: hash, reason: text, leases: optional(some(lease, MAX_LISTED_LEASES)) }),
      ),
      deletionsWaiting: optional(waiting),
      deletionsLimited: optional(waiting),
      leasesTotal: count,
      quarantined: some(fc.record({ sha256: hash, datasetId, reason: text, timeMs })),
      scrub: optional(
        fc.record({
          cycleStartedMs: timeMs,
          cyclesCompleted: count,
          filesDone: count,
          filesTotal: count,
          bytesDone: bytes,
          lastCompletedMs: optional(timeMs),
          lastBad: optional(fc.record({ sha256: hash, reason: text, timeMs })),
        }),
      ),
    }),
  )
  .map(([releases, all]) => ({ ...all, ...releases }));

const registration = fc.record({
  agentAddress: fc
    .tuple(fc.ipV4(), fc.integer({ min: 1, max: 65_535 }))
    .map(([host, port]) => `${host}:${port}`),
  depotPort: fc.integer({ min: 1, max: 65_535 }),
  role: fc.constantFrom('gimlet' as const, 'scrimlet' as const),
  baseboard: fc.record({ serial: visible, part: text, revision: fc.nat() }),
  hardwareThreads: count,
  physicalRamBytes: bytes,
  reservoirBytes: bytes,
  cpuFamily: fc.constantFrom('unknown' as const, 'amd_milan' as const, 'amd_turin' as const),
  generation,
  isDecommissioned: fc.boolean(),
  incarnationId: optional(fc.uuid().map(id => IncarnationId.parse(id))),
  datasets: optional(some(dataset)),
  heads: optional(
    some(fc.record({ generation, digest: hex(64), hasLineage: fc.boolean(), isKept: fc.boolean() })),
  ),
});

const systemVersion = fc.tuple(fc.nat(), fc.nat()).map(([a, b]) => SystemVersion.parse(`${a}.${b}.0`));
const config = fc.record({
  generation,
  artifacts: fc.array(fc.tuple(hash, optional(bytes)), { maxLength: 4 }).map(entries => new Map(entries)),
  succeeds: fc.oneof(fc.constant(undefined), fc.constant('unknown' as const), point),
  unknownPoint: optional(point),
  releases: optional(some(fc.record({ systemVersion, bundle: hex(64), isExempt: fc.boolean() }))),
});

/** As the other side reads it: JSON, checked by the contract. */
const over = <S extends z.ZodType>(schema: S, body: unknown): z.output<S> =>
  schema.parse(JSON.parse(JSON.stringify(body)));

test('a report is the same after it was listed', () => {
  fc.assert(
    fc.property(report, told => {
      expect(sledReportOf(over(ArtifactListResponse, listBody(told)))).toEqual(told);
    }),
  );
});

test('both sides compute one tag of a list (LT3)', () => {
  fc.assert(
    fc.property(report, told => {
      const list = listBody(told);
      expect(listTag(over(ArtifactListResponse, list))).toBe(listTag(list));
    }),
  );
});

test('a registration is the same after it was sent', () => {
  fc.assert(
    fc.property(registration, told => {
      expect(registrationOf(over(SledAgentInfo, registrationBody(told)))).toEqual(told);
    }),
  );
});

test('a config is the same after it was sent', () => {
  fc.assert(
    fc.property(config, told => {
      expect(configOf(over(ArtifactConfigBody, configBody(told)))).toEqual(told);
    }),
  );
});

test('chains of trust roots are the same after they were sent, byte for byte', () => {
  const root = fc.string({ unit: 'grapheme' }).map(text => new TextEncoder().encode(text));
  const chains = some(fc.array(root, { minLength: 1, maxLength: 3 }));
  fc.assert(
    fc.property(chains, told => {
      const heard = rootChainsOf(over(TrustRootChains, rootChainsBody(told)));
      expect(heard.map(roots => roots.map(bytes => Buffer.from(bytes)))).toEqual(
        told.map(roots => roots.map(bytes => Buffer.from(bytes))),
      );
    }),
  );
});

test('a lease is the same after it was answered', () => {
  fc.assert(
    fc.property(lease, told => {
      expect(leaseOf(over(ArtifactLease, leaseBody(told)))).toEqual(told);
    }),
  );
});

test('heads of the audit log are the same after they were sent, and so are those that a sled keeps', () => {
  const head = fc.record({ seq: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }), hash: hex(64) });
  const keptHead = fc.tuple(head, timeMs).map(([told, at]) => ({ ...told, timeMs: at }));
  fc.assert(
    fc.property(some(head), some(keptHead), (told, kept) => {
      expect(over(AuditHeadsBody, auditHeadsBody(told)).heads).toEqual(told);
      expect(keptHeadsOf(over(KeptAuditHeads, keptHeadsBody(kept)))).toEqual(kept);
    }),
  );
});

test('what is longer than the contract allows is cut, so that an answer is never refused for its length', () => {
  const many = <T>(arb: fc.Arbitrary<T>, length: number) =>
    fc.array(arb, { minLength: length, maxLength: length });
  const [kept] = fc.sample(many(point, MAX_POINTS_KEPT + 1), { seed: 1, numRuns: 1 });
  const [leases] = fc.sample(many(lease, MAX_LISTED_LEASES + 1), { seed: 1, numRuns: 1 });
  const [told] = fc.sample(report, { seed: 1, numRuns: 1 });
  const [one] = fc.sample(hash, { seed: 1, numRuns: 1 });
  const deferred = { sha256: one!, reason: 'in use', leases: leases! };
  const [first] = fc.sample(many(waitingDeletion, MAX_LISTED_EVENTS + 1), { seed: 1, numRuns: 1 });
  const deletionsWaiting = { artifacts: first!.length, sizeBytes: 1, first: first! };
  const body = listBody({
    ...told!,
    pointsKept: kept!,
    deletionsDeferred: [deferred],
    deletionsWaiting,
  });
  const heard = sledReportOf(over(ArtifactListResponse, body));
  expect(heard.pointsKept).toEqual(kept!.slice(0, MAX_POINTS_KEPT));
  expect(heard.deletionsDeferred[0]?.leases).toEqual(leases!.slice(0, MAX_LISTED_LEASES));
  expect(heard.deletionsWaiting?.first).toEqual(first!.slice(0, MAX_LISTED_EVENTS));
  const [sled] = fc.sample(registration, { seed: 1, numRuns: 1 });
  const heads = kept!.map(each => ({ ...each, hasLineage: true, isKept: true }));
  const tooMany = Array.from({ length: MAX_HEADS + 1 }, () => heads[0]!);
  const info = over(SledAgentInfo, registrationBody({ ...sled!, heads: tooMany }));
  expect(info.heads).toHaveLength(MAX_HEADS);
});

test('the answer to a registration is the same after it was sent in headers', () => {
  const answer = fc.record({
    floor: fc.record({ generation, digest: optional(hex(64)) }),
    verdicts: optional(
      fc.array(fc.tuple(point.map(pointText), fc.boolean()), { maxLength: 3 }).map(all => new Map(all)),
    ),
  });
  fc.assert(
    fc.property(answer, told => {
      const headers: Record<string, string> = {};
      writeAnswer(told, (name, value) => {
        headers[name] = value;
      });
      expect(readAnswer(headers, 'http://nexus')).toEqual(told);
    }),
  );
});

test('the point that a refusal names is the same after it was answered; without one there is none', () => {
  fc.assert(
    fc.property(optional(point), fc.boolean(), (held, hasLineage) => {
      const detail = JSON.parse(JSON.stringify(refusedClaimDetail(held, hasLineage)));
      expect(refusedClaimOf(detail)).toEqual(held && { ...held, hasLineage });
    }),
  );
});

test('the result of a put is the same after it was answered', () => {
  fc.assert(
    fc.property(fc.record({ datasets: count, successfulWrites: count }), told => {
      expect(putResultOf(over(ArtifactPutResponse, putResultBody(told)))).toEqual(told);
    }),
  );
});
