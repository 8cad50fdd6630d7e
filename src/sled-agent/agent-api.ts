/** The artifact API, for Nexus: the store and the copies behind the published contract. */
import type { ArtifactConfigBody, sledAgentApi } from '../api/sled-agent-api.ts';
import type { ArtifactConfig } from '../core/artifact-config.ts';
import { type ArtifactHash, type Generation, type Point, pointText } from '../core/ids.ts';
import type { Caller } from '../http/caller.ts';
import { type Handlers, NOT_MODIFIED } from '../http/handlers.ts';
import { strangerOf } from '../http/places.ts';
import { readWholeBody } from '../http/raw-body.ts';
import { spiffeId } from '../identity/peer-identity.ts';
import type { Revocations } from '../identity/revocations.ts';
import type { Statements } from '../identity/statements.ts';
import type { Clock } from '../lib/clock.ts';
import { DepotError } from '../lib/errors.ts';
import { keptHeadsBody } from '../sled-wire/audit-heads.ts';
import { configBody, configOf } from '../sled-wire/config.ts';
import { copyOutcomeBody } from '../sled-wire/copy-outcome.ts';
import { listTag } from '../sled-wire/list-tag.ts';
import { prefixesOf } from '../sled-wire/prefix-digests.ts';
import { putResultBody } from '../sled-wire/put-result.ts';
import { listBody } from '../sled-wire/report.ts';
import { leaseBody } from '../sled-wire/report-items.ts';
import { revocationsOf } from '../sled-wire/revocations.ts';
import type { Copies } from './copy.ts';
import type { ReadRunningVersion } from './running-version.ts';
import { reportOf } from './sled-report.ts';
import type { Slots } from './slots.ts';
import { takeStatements } from './statements.ts';
import { awaitingFloor } from './store/config/config-keeper.ts';
import type { ArtifactStore, ArtifactWriter } from './store/store.ts';
import type { SledTrust } from './trust/trust.ts';

export type AgentStore = Pick<
  ArtifactStore,
  | 'config'
  | 'configAt'
  | 'state'
  | 'offerConfig'
  | 'list'
  | 'beginWrite'
  | 'tellPrefixes'
  | 'putBundle'
  | 'auditHeads'
  | 'leases'
  | 'takeLease'
  | 'returnLease'
>;

export type AgentDependencies = {
  readonly store: AgentStore;
  readonly copies: Copies;
  /** How many puts may be in flight. */
  readonly puts: Slots;
  readonly revocations: Pick<Revocations, 'add'>;
  readonly statements: Statements;
  /** How many bundles may be received at once. */
  readonly bundles: Slots;
  /** Undefined without an identity: then nothing is pinned here. */
  readonly trust: Pick<SledTrust, 'chains' | 'addChains'> | undefined;
  readonly runningVersion: ReadRunningVersion;
  /** A Nexus asks for the list: it has this sled in its database. */
  readonly onListed: () => void;
  readonly clock: Pick<Clock, 'timeout'>;
};

export const agentHandlers = ({
  store,
  copies,
  puts,
  bundles,
  revocations,
  statements,
  trust,
  runningVersion,
  onListed,
  clock,
}: AgentDependencies): Handlers<typeof sledAgentApi> => ({
  async artifactConfigGet({ query: { point } }) {
    if (point !== undefined) return sorted(requireConfigAt(store, point));
    const config = store.config();
    if (config === undefined) throw noConfig();
    requireCertainty(store);
    return sorted(config);
  },

  async artifactConfigPut({ body, log, signal }) {
    const outcome = await store.offerConfig(configOf(body), { signal });
    if (outcome === 'adopted')
      log.info({ generation: body.generation, artifacts: body.artifacts.length }, 'artifact config adopted');
  },

  async artifactList({ headers, setHeader }) {
    onListed();
    if (store.config() === undefined) throw noConfig();
    requireCertainty(store);
    const listing = await store.list();
    // A disk that returned meanwhile may have brought doubt.
    requireCertainty(store);
    if (listing.generation === undefined) throw noConfig();
    const report = reportOf(listing, listing.generation, copies.report());
    const list = listBody({ ...report, runningVersion: await runningVersion() });
    const tag = listTag(list);
    if (tag === undefined) return list;
    setHeader('etag', tag);
    return headers['if-none-match'] === tag ? NOT_MODIFIED : { ...list, tag };
  },

  async artifactPut({ params: { sha256 }, query: { generation, config_digest: digest }, body, caller, log }) {
    // One that finds none now sends no byte, and one that sends none takes none, nor any space.
    puts.take(caller.claimant)[Symbol.dispose]();
    await using received = isWanted(store, sha256, generation) ? await begun(body.chunks) : undefined;
    using _slot = puts.take(caller.claimant);
    await using writer = await store.beginWrite(sha256, generation, {
      expectedSizeBytes: body.contentLength,
      digest,
      sender: nameOf(caller),
    });
    const sizeBytes = await writeAll(writer, received?.chunks ?? body.chunks);
    const stored = await writer.commit();
    copies.wasPut(sha256, stored);
    const result = putResultBody(stored);
    log.info({ sha256, generation, size_bytes: sizeBytes, ...result }, 'artifact stored');
    return result;
  },

  async artifactPrefixesPut({ params: { sha256 }, body }) {
    store.tellPrefixes(sha256, prefixesOf(body));
  },

  async artifactCopyFromDepot({ params: { sha256 }, query, body, caller }) {
    const { generation, config_digest: digest } = query;
    const source = {
      depotBaseUrl: body.depot_base_url,
      sourceId: body.source_sled_id,
      isPlainSource: body.source_transport === 'plain',
      isArriving: body.arriving === true,
    };
    await copies.start({ sha256, generation, digest, ...source }, caller.claimant);
    return {};
  },

  async artifactCopyOutcome({ params: { sha256 }, query: { wait_s }, signal }) {
    const wait = AbortSignal.any([signal, clock.timeout(wait_s * 1_000)]);
    return copyOutcomeBody(await copies.outcome(sha256, { signal: wait }));
  },

  async revokedIdentitiesPut({ body }) {
    await revocations.add(revocationsOf(body));
  },

  async statementsGet() {
    return { statements: [...statements.list()] };
  },

  async statementsPut({ body, log }) {
    return takeStatements(statements, body, { generation: store.config()?.generation, log });
  },

  async releaseMetadataPut({ params: { sha256 }, body, caller, log }) {
    using _slot = bundles.take(caller.claimant);
    await store.putBundle(sha256, await readWholeBody(body));
    log.info({ bundle: sha256 }, 'metadata of a release stored');
  },

  async trustRootsGet() {
    return { chains: (trust?.chains() ?? []).map(({ roots }) => roots.map(({ text }) => text)) };
  },

  async trustRootsPut({ body: { chains } }) {
    await trust?.addChains(chains);
  },

  async auditHeadsGet() {
    return keptHeadsBody(store.auditHeads.list());
  },

  async auditHeadsPut({ body: { heads } }) {
    await store.auditHeads.keep(heads);
  },

  async artifactLeaseList({ params: { sha256 } }) {
    return { leases: store.leases(sha256).map(leaseBody) };
  },

  async artifactLeasePut({ params: { sha256, id }, body: { term_s, holder }, caller, log }) {
    const lease = await store.takeLease(
      { sha256, id, holder, termMs: term_s * 1_000 },
      caller.isLocal ? undefined : strangerOf(caller.address ?? ''),
    );
    log.info({ sha256, lease_id: id, holder, term_s }, 'lease taken');
    return leaseBody(lease);
  },

  async artifactLeaseDelete({ params: { sha256, id }, log }) {
    await store.returnLease(sha256, id);
    log.info({ sha256, lease_id: id }, 'lease returned');
  },
});

/** Otherwise the store refuses the artifact, and needs no byte of it. */
const isWanted = (
  store: Pick<ArtifactStore, 'config'>,
  sha256: ArtifactHash,
  generation: Generation,
): boolean => {
  const config = store.config();
  return config?.generation === generation && config.artifacts.has(sha256);
};

const nameOf = ({ peer, address }: Caller): string =>
  peer.kind === 'identified' ? spiffeId(peer.identity) : (address ?? 'the sender');

type Received = AsyncDisposable & { readonly chunks: AsyncIterable<Uint8Array> };

/** The same chunks, once the first one is there; the deadline on progress holds until then too. Dispose it in any case. */
const begun = async (chunks: AsyncIterable<Uint8Array>): Promise<Received> => {
  const iterator = chunks[Symbol.asyncIterator]();
  const first = await iterator.next();
  return {
    chunks: (async function* () {
      for (let next = first; !next.done; next = await iterator.next()) yield next.value;
    })(),
    async [Symbol.asyncDispose]() {
      await iterator.return?.();
    },
  };
};

/** Receives the next chunk while one is being written. Resolves with the number of bytes. */
const writeAll = async (writer: ArtifactWriter, chunks: AsyncIterable<Uint8Array>): Promise<number> => {
  let sizeBytes = 0;
  let before: Promise<void> = Promise.resolve();
  for await (const chunk of chunks) {
    await before;
    sizeBytes += chunk.byteLength;
    before = writer.write(chunk);
    // Awaited in the next turn; until then its rejection must not count as unhandled.
    before.catch(() => undefined);
  }
  await before;
  return sizeBytes;
};

/** G6: its ledger may be older than one that it acknowledged, so it lists nothing until it knows. */
const requireCertainty = (store: Pick<ArtifactStore, 'state'>): void => {
  const now = store.state();
  if (now.kind !== 'ready') throw awaitingFloor(now.reason);
};

const noConfig = (): DepotError =>
  new DepotError('NO_ARTIFACT_CONFIG', 'this sled has no config yet; Nexus sends one in its next round');

/** In doubt too: a recovery reads the artifacts of each head. */
const requireConfigAt = (store: Pick<ArtifactStore, 'configAt'>, point: Point): ArtifactConfig => {
  const config = store.configAt(point);
  if (config !== undefined) return config;
  throw new DepotError('NOT_FOUND', `this sled has no config of point ${pointText(point)}`);
};

/** The hashes are sorted, so that equal configs have equal answers. */
const sorted = ({ generation, artifacts }: ArtifactConfig): ArtifactConfigBody =>
  configBody({
    generation,
    artifacts: new Map([...artifacts].sort(([a], [b]) => (a < b ? -1 : 1))),
    succeeds: undefined,
  });
