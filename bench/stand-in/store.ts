/**
 * The store of a stand-in: which artifacts it holds, in memory. It decides on configs as a sled does, and its bytes are those of the
 * fleet of stand-ins, which has each artifact once.
 */
import { createHash } from 'node:crypto';
import { type ArtifactConfig, adoption, type OfferedConfig } from '../../src/core/artifact-config.ts';
import { type ArtifactHash, DatasetId, type Generation, IncarnationId } from '../../src/core/ids.ts';
import { samePoint } from '../../src/core/lineage.ts';
import type { OfferedRelease } from '../../src/core/release-trust.ts';
import { DepotError } from '../../src/lib/errors.ts';
import type { AgentStore } from '../../src/sled-agent/agent-api.ts';
import type { Copies } from '../../src/sled-agent/copy.ts';
import type { DepotDependencies } from '../../src/sled-agent/depot-api.ts';
import { pointOf } from '../../src/sled-agent/store/point.ts';
import type { DatasetHealth, Floor, StoreListing } from '../../src/sled-agent/store/store.ts';
import { refusedClaimDetail } from '../../src/sled-wire/refused-claim.ts';

/** Of all stand-ins of a process: an artifact that one of them has received needs no second copy. */
export type SharedContents = Map<ArtifactHash, Uint8Array>;

export type StandInStore = {
  readonly store: AgentStore & DepotDependencies['store'];
  readonly copies: Copies;
  readonly incarnationId: IncarnationId;
  readonly datasetHealth: () => readonly DatasetHealth[];
  readonly acceptFloor: (floor: Floor) => Promise<void>;
};

const QUOTA_BYTES = 2 ** 40;
const KEPT_FOR_NONE = { artifacts: 0, sizeBytes: 0, first: [] };

const uuidOf = (text: string): string => {
  const hex = createHash('sha256').update(text).digest('hex');
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `4${hex.slice(13, 16)}`,
    `8${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ].join('-');
};

/** @param options.holdsAll it has every artifact of each config at once, as if it had been in the fleet for long */
export const createStandInStore = (
  name: string,
  options: { readonly contents: SharedContents; readonly datasets: number; readonly holdsAll: boolean },
): StandInStore => {
  const incarnationId = IncarnationId.parse(uuidOf(name));
  const own = createHoldings(options);
  const datasetHealth = () => healthOf(name, options.datasets, own.usedBytes());
  const auditHeads = createHeads();
  const list = async (): Promise<StoreListing> => ({
    incarnationId,
    generation: own.config()?.generation,
    configDigest: own.digest(),
    hasLineage: own.hasLineage(),
    pointsKept: [],
    hold: undefined,
    artifacts: own.artifacts(),
    datasets: options.datasets,
    datasetHealth: datasetHealth(),
    deletionsTotal: 0,
    deletions: [],
    deletionsDeferred: [],
    deletionsWaiting: KEPT_FOR_NONE,
    deletionsLimited: KEPT_FOR_NONE,
    leasesTotal: 0,
    quarantined: [],
    scrub: undefined,
    releases: own.releases(),
  });
  return {
    incarnationId,
    datasetHealth,
    acceptFloor: async () => undefined,
    copies: own.copies,
    store: {
      ...own.store,
      list,
      auditHeads,
      leases: () => [],
      takeLease: async () => noLeases(),
      returnLease: async () => noLeases(),
      suspect: () => undefined,
      tellPrefixes: () => undefined,
    },
  };
};

const noLeases = (): never => {
  throw new DepotError('NOT_FOUND', 'a stand-in has no leases');
};

const createHeads = (): AgentStore['auditHeads'] => {
  let kept: ReturnType<AgentStore['auditHeads']['list']> = [];
  return {
    list: () => kept,
    async keep(told) {
      kept = told.slice(-1).map(head => ({ ...head, timeMs: Date.now() }));
    },
  };
};

const healthOf = (name: string, datasets: number, usedBytes: number): DatasetHealth[] =>
  Array.from({ length: datasets }, (_, n) => ({
    id: DatasetId.parse(uuidOf(`${name}/${n}`)),
    path: `/stand-in/${name}/${n}`,
    state: 'ok',
    usedBytes,
    quotaBytes: QUOTA_BYTES,
    // As on a disk that others use too.
    freeBytes: QUOTA_BYTES - usedBytes - Math.floor(Math.random() * 2 ** 20),
    reclaimableBytes: 0,
    retainedBytes: 0,
    unknownFiles: [],
  }));

type Holdings = {
  readonly store: Pick<
    AgentStore & DepotDependencies['store'],
    'config' | 'configAt' | 'state' | 'offerConfig' | 'beginWrite' | 'putBundle' | 'open'
  >;
  readonly copies: Copies;
  readonly config: () => ArtifactConfig | undefined;
  readonly digest: () => string | undefined;
  readonly hasLineage: () => boolean;
  readonly artifacts: () => ReadonlyMap<ArtifactHash, number>;
  readonly releases: () => StoreListing['releases'];
  readonly usedBytes: () => number;
};

const createHoldings = ({
  contents,
  datasets,
  holdsAll,
}: Parameters<typeof createStandInStore>[1]): Holdings => {
  let config: ArtifactConfig | undefined;
  let offered: readonly OfferedRelease[] = [];
  let hasLineage = false;
  let copied = 0;
  const held = new Map<ArtifactHash, number>();
  const bundles = new Set<string>();

  const decide = (offer: OfferedConfig): 'adopted' | 'same' => {
    const verdict = adoption({ config, pointOf, hasLineage }, offer, undefined);
    if (verdict.kind === 'refuse')
      throw new DepotError('CONFIG_GENERATION', `a stand-in refuses this config: ${verdict.reason}`, {
        detail: { reason: verdict.reason, ...refusedClaimDetail(config && pointOf(config), hasLineage) },
      });
    offered = offer.releases ?? offered;
    if (verdict.kind === 'same') return 'same';
    const { generation, artifacts } = offer;
    config = { generation, artifacts };
    hasLineage ||= offer.succeeds !== undefined;
    for (const sha256 of held.keys()) if (!artifacts.has(sha256)) held.delete(sha256);
    if (holdsAll) for (const sha256 of artifacts.keys()) held.set(sha256, datasets);
    return 'adopted';
  };
  const requireListed = (sha256: ArtifactHash, generation: Generation): void => {
    if (config?.generation !== generation)
      throw new DepotError(
        'ARTIFACT_GENERATION',
        `a stand-in is at ${config?.generation}, not ${generation}`,
      );
    if (!config.artifacts.has(sha256))
      throw new DepotError('ARTIFACT_NOT_IN_CONFIG', `the config of this stand-in does not list ${sha256}`);
  };
  return {
    ...{ config: () => config, hasLineage: () => hasLineage, artifacts: () => held },
    digest: () => config && pointOf(config).digest,
    usedBytes: () => [...held.keys()].reduce((sum, each) => sum + (contents.get(each)?.length ?? 0), 0),
    releases: () => ({
      requiresSigned: true,
      bundles: offered.map(({ bundle: sha256 }) => ({
        sha256,
        state: bundles.has(sha256) ? ('admitted' as const) : ('missing' as const),
      })),
      withheld: new Set(),
      trust: { chains: [], adminKeys: [] },
    }),
    copies: {
      async start({ sha256, generation }) {
        requireListed(sha256, generation);
        held.set(sha256, datasets);
        copied += 1;
      },
      outcome: async sha256 =>
        held.has(sha256) ? { kind: 'stored', datasets, successfulWrites: datasets } : { kind: 'unknown' },
      wasPut: () => undefined,
      report: () => ({ inFlight: [], completedTotal: copied, failedTotal: 0, failed: [] }),
      [Symbol.asyncDispose]: async () => undefined,
    },
    store: {
      config: () => config,
      configAt: point => (config !== undefined && samePoint(pointOf(config), point) ? config : undefined),
      state: () => ({ kind: 'ready' }),
      offerConfig: async offer => decide(offer),
      async putBundle(sha256) {
        bundles.add(sha256);
      },
      async beginWrite(sha256, generation) {
        requireListed(sha256, generation);
        const parts: Uint8Array[] = [];
        return {
          write: async chunk => void parts.push(Uint8Array.from(chunk)),
          async commit() {
            contents.set(sha256, Buffer.concat(parts));
            held.set(sha256, datasets);
            return { datasets, successfulWrites: datasets };
          },
          ...{ abort: async () => undefined, [Symbol.asyncDispose]: async () => undefined },
        };
      },
      async open(sha256) {
        const bytes = held.has(sha256) ? contents.get(sha256) : undefined;
        if (bytes === undefined) throw new DepotError('ARTIFACT_NOT_HELD', `this stand-in has no ${sha256}`);
        return {
          ...{ sha256, sizeBytes: bytes.length, isFresh: true, foundRight: () => undefined },
          datasetId: DatasetId.parse(uuidOf(sha256)),
          async read(target, position) {
            const part = bytes.subarray(position, position + target.length);
            target.set(part);
            return part.length;
          },
          [Symbol.asyncDispose]: async () => undefined,
        };
      },
    },
  };
};
