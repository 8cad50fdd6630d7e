/** A fleet in memory for the tests of collect, transfers and the task: obedient sleds, and faults for each operation. */
import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type ArtifactConfig,
  adoption,
  digestInput,
  type OfferedConfig,
} from '../../core/artifact-config.ts';
import { type KeptHead, keepHeads } from '../../core/audit-heads.ts';
import {
  type ArtifactHash,
  asGeneration,
  type Generation,
  IncarnationId,
  type Point,
  pointText,
  SledId,
} from '../../core/ids.ts';
import type { Predecessor } from '../../core/lineage.ts';
import { sledReport } from '../../core/sled-report.fixture.ts';
import type { CopyFailure, SledReport } from '../../core/sled-report.ts';
import { endpoint } from '../../lib/endpoint.ts';
import { DepotError } from '../../lib/errors.ts';
import type { SledConnection, SledTarget } from '../../sled-client/sled-connection.ts';
import { listTag } from '../../sled-wire/list-tag.ts';
import { listBody } from '../../sled-wire/report.ts';

export const digestOf = (hashes: Iterable<ArtifactHash>): string =>
  createHash('sha256').update(digestInput(hashes)).digest('hex');

/** The digest of a config, as a sled and a database compute it. */
export const pointOf = ({ generation: at, artifacts }: ArtifactConfig): Point => ({
  generation: at,
  digest: digestOf(artifacts.keys()),
});

/** The bytes of a test artifact: its number, repeated. */
export const contentOf = (n: number, sizeBytes = 1000): Uint8Array => new Uint8Array(sizeBytes).fill(n);
export const hashOf = (n: number, sizeBytes = 1000): ArtifactHash =>
  createHash('sha256').update(contentOf(n, sizeBytes)).digest('hex') as ArtifactHash;

export type FakeSled = {
  target: SledTarget;
  config: OfferedConfig | undefined;
  hasLineage: boolean;
  /** The `succeeds` of each offered config. */
  readonly offers: (Predecessor | undefined)[];
  /** Of those that are `unknown`: of which point. */
  readonly calledUnknown: Point[];
  readonly files: Map<ArtifactHash, Uint8Array>;
  datasets: number;
  copiesInFlight: Set<ArtifactHash>;
  copiesFailed: { sha256: ArtifactHash; message: string; timeMs: number }[];
  copiesDone: number;
  incarnation: IncarnationId;
  auditHeads: readonly KeptHead[];
  /** That it was sent. */
  readonly bundles: Set<string>;
  /** Replaces the answer of one operation: throw, wait, or answer something else. */
  fault: Partial<{
    putConfig: () => Promise<void>;
    /** Before the answer. */
    config: () => Promise<void>;
    list: (honest: SledReport) => Promise<SledReport>;
    put: () => Promise<void>;
    putBundle: () => Promise<void>;
    /** True: accept, and never finish. */
    copy: () => Promise<boolean>;
    readRange: (offset: number, length: number) => Promise<Uint8Array>;
    /** Before either answer. */
    auditHeads: () => Promise<void>;
  }>;
};

const uuid = (n: number) => `00000001-0000-4000-8000-${n.toString(16).padStart(12, '0')}`;

export const fakeSled = (n: number, datasets = 2): FakeSled => ({
  target: {
    id: SledId.parse(uuid(n)),
    serial: `sled-${n}`,
    agent: endpoint('http', { host: `sled-${n}`, port: 80 }, { kind: 'sled', id: uuid(n) }),
    depot: endpoint('http', { host: `depot-${n}`, port: 80 }, { kind: 'sled', id: uuid(n) }),
    heads: [],
  },
  config: undefined,
  hasLineage: true,
  offers: [],
  calledUnknown: [],
  files: new Map(),
  datasets,
  copiesInFlight: new Set(),
  copiesFailed: [],
  copiesDone: 0,
  incarnation: IncarnationId.parse(uuid(1000 + n)),
  auditHeads: [],
  bundles: new Set(),
  fault: {},
});

export const unreachable = async (): Promise<never> => {
  throw new DepotError('PEER_UNREACHABLE', 'connection refused');
};
export const never = (): Promise<never> => new Promise(() => undefined);

const reportOf = (sled: FakeSled): SledReport => {
  const { config } = sled;
  if (config === undefined) throw new DepotError('NO_ARTIFACT_CONFIG', 'no config yet');
  const held = [...sled.files.keys()].filter(hash => config.artifacts.has(hash));
  return sledReport({
    generation: config.generation,
    copies: new Map(held.map(hash => [hash, sled.datasets])),
    digest: digestOf(config.artifacts.keys()),
    hasLineage: sled.hasLineage,
    incarnationId: sled.incarnation,
    datasets: sled.datasets,
    copiesInFlight: [...sled.copiesInFlight].map(sha256 => ({
      sha256,
      depotBaseUrl: 'http://depot',
      receivedBytes: 0,
      timeStartedMs: 0,
    })),
    copiesDoneTotal: sled.copiesDone,
    copiesFailedTotal: sled.copiesFailed.length,
    copiesFailed: sled.copiesFailed.map(failureOf),
  });
};

/** As the codec of the real connection. */
const withTag = (report: SledReport): SledReport => {
  const tag = listTag(listBody(report));
  return tag === undefined ? report : { ...report, tag };
};

const failureOf = (failure: FakeSled['copiesFailed'][number]): CopyFailure => ({
  ...failure,
  depotBaseUrl: 'http://depot',
  errorCode: 'COPY_SOURCE',
});

const requireGeneration = (sled: FakeSled, generation: Generation): void => {
  if (sled.config?.generation !== generation) {
    throw new DepotError(
      'ARTIFACT_GENERATION',
      `at generation ${sled.config?.generation}, not ${generation}`,
    );
  }
};

/** Races a request with its signal, as a transport does; a signal may have aborted already. */
const within = <T>(signal: AbortSignal, work: Promise<T>): Promise<T> => {
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(signal.reason);
  if (signal.aborted) abort();
  else signal.addEventListener('abort', abort, { once: true });
  return Promise.race([work, aborted.promise]);
};

export const fakeConnection = (sleds: readonly FakeSled[]): SledConnection & { readonly log: string[] } => {
  const byId = new Map(sleds.map(sled => [sled.target.id, sled]));
  const of = (target: SledTarget) => byId.get(target.id)!;
  const log: string[] = [];
  const listOf = async (target: SledTarget, { signal }: { readonly signal: AbortSignal }) => {
    const sled = of(target);
    if (sled.fault.putConfig === unreachable) return unreachable();
    const honest = reportOf(sled);
    return withTag(sled.fault.list === undefined ? honest : await within(signal, sled.fault.list(honest)));
  };
  return {
    scheme: 'http',
    log,
    revoke: async () => undefined,
    tellStatements: async () => [],
    async putBundle(target, { sha256 }, { signal }) {
      const sled = of(target);
      log.push(`put_bundle ${sha256.slice(0, 4)} ${target.serial}`);
      if (sled.fault.putBundle !== undefined) await within(signal, sled.fault.putBundle());
      sled.bundles.add(sha256);
    },
    tellRoots: async () => undefined,
    roots: async () => [],
    async auditHeads(target, { signal }) {
      const sled = of(target);
      await within(signal, sled.fault.auditHeads?.() ?? Promise.resolve());
      return sled.auditHeads;
    },
    async tellAuditHeads(target, heads, { signal }) {
      const sled = of(target);
      log.push(`tell_audit_heads ${target.serial}`);
      await within(signal, sled.fault.auditHeads?.() ?? Promise.resolve());
      sled.auditHeads = keepHeads(sled.auditHeads, heads, 0);
    },
    async putConfig(target, offered, { signal }) {
      const sled = of(target);
      log.push(`put_config ${target.serial}`);
      if (sled.fault.putConfig !== undefined) return within(signal, sled.fault.putConfig());
      sled.offers.push(offered.succeeds);
      if (offered.unknownPoint !== undefined) sled.calledUnknown.push(offered.unknownPoint);
      const { config, hasLineage } = sled;
      const outcome = adoption({ config, hasLineage, pointOf }, offered, undefined);
      if (outcome.kind === 'refuse') {
        const held = config && pointOf(config);
        throw new DepotError('CONFIG_GENERATION', `at generation ${held?.generation}: ${outcome.reason}`, {
          detail: {
            held: held?.generation ?? null,
            held_digest: held?.digest ?? null,
            held_lineage: hasLineage,
          },
        });
      }
      if (outcome.kind === 'adopt') sled.config = offered;
      for (const hash of sled.files.keys()) if (!sled.config!.artifacts.has(hash)) sled.files.delete(hash);
    },
    async config(target, { point, signal }) {
      const { fault } = of(target);
      log.push(`config ${target.serial}`);
      if (fault.putConfig === unreachable) return unreachable();
      if (fault.config !== undefined) await within(signal, fault.config());
      const { config } = of(target);
      if (config === undefined) throw new DepotError('NO_ARTIFACT_CONFIG', 'no config yet');
      const held = pointOf(config);
      if (point !== undefined && pointText(point) !== pointText(held))
        throw new DepotError('NOT_FOUND', 'no such point');
      return { ...held, artifacts: new Set(config.artifacts.keys()) };
    },
    async list(target, wait) {
      log.push(`list ${target.serial}`);
      return listOf(target, wait);
    },
    async listUnless(target, tag, wait) {
      log.push(`list unless tagged ${target.serial}`);
      const report = await listOf(target, wait);
      return report.tag === tag ? undefined : report;
    },
    async put(target, { sha256, generation, chunks }, { signal }) {
      const sled = of(target);
      log.push(`put ${sha256.slice(0, 4)} ${target.serial}`);
      if (sled.fault.put !== undefined) await within(signal, sled.fault.put());
      requireGeneration(sled, generation);
      const parts: Uint8Array[] = [];
      for await (const chunk of chunks) parts.push(Uint8Array.from(chunk));
      sled.files.set(sha256, Buffer.concat(parts));
      return { datasets: sled.datasets, successfulWrites: sled.datasets };
    },
    async tellPrefixes(target, { sha256 }) {
      log.push(`tell_prefixes ${sha256.slice(0, 4)} ${target.serial}`);
    },
    async copy(target, { sha256, generation, source }, { signal }) {
      const sled = of(target);
      log.push(`copy ${sha256.slice(0, 4)} ${target.serial} from ${source.serial}`);
      requireGeneration(sled, generation);
      const bytes = of(source).files.get(sha256);
      if (bytes === undefined) throw new DepotError('COPY_SOURCE', `${source.serial} lacks ${sha256}`);
      if (sled.fault.copy !== undefined && (await within(signal, sled.fault.copy())))
        return void sled.copiesInFlight.add(sha256);
      sled.copiesInFlight.add(sha256);
      void delay(1).then(() => {
        sled.copiesInFlight.delete(sha256);
        sled.files.set(sha256, bytes);
        sled.copiesDone += 1;
      });
    },
    async copyOutcome(target, { sha256 }, { signal }) {
      const sled = of(target);
      await within(signal, delay(1));
      if (sled.copiesInFlight.has(sha256)) return { kind: 'in_flight' };
      const failure = sled.copiesFailed.findLast(each => each.sha256 === sha256);
      if (sled.files.has(sha256))
        return { kind: 'stored', datasets: sled.datasets, successfulWrites: sled.datasets };
      return failure === undefined ? { kind: 'unknown' } : { kind: 'failed', ...failureOf(failure) };
    },
    async readRange(target, { sha256, offset, length }, { signal }) {
      const sled = of(target);
      log.push(`read ${sha256.slice(0, 4)} ${target.serial}`);
      if (sled.fault.readRange !== undefined) return within(signal, sled.fault.readRange(offset, length));
      const bytes = sled.files.get(sha256);
      if (bytes === undefined) throw new DepotError('ARTIFACT_NOT_HELD', `${target.serial} lacks ${sha256}`);
      return bytes.subarray(offset, offset + length);
    },
  };
};

export const generation = (n: number): Generation => asGeneration(n);
