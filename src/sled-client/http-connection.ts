/** Sleds over HTTP. */
import { depotArtifactUrl } from '../api/depot-api.ts';
import { sledAgentApi } from '../api/sled-agent-api.ts';
import { pointText } from '../core/ids.ts';
import {
  type ApiClient,
  type ClientTimeouts,
  createApiClient,
  DEFAULT_CLIENT_TIMEOUTS,
} from '../http/client.ts';
import { type Peers, plainPeers } from '../http/peers.ts';
import { rawGet } from '../http/raw-get.ts';
import { type Endpoint, endpointUrl } from '../lib/endpoint.ts';
import { auditHeadsBody, keptHeadsOf } from '../sled-wire/audit-heads.ts';
import { configBody, configOf } from '../sled-wire/config.ts';
import { copyOutcomeOf } from '../sled-wire/copy-outcome.ts';
import { prefixesBody } from '../sled-wire/prefix-digests.ts';
import { putResultOf } from '../sled-wire/put-result.ts';
import { rootChainsBody, rootChainsOf } from '../sled-wire/release-trust.ts';
import { sledReportOf } from '../sled-wire/report.ts';
import { revocationsBody } from '../sled-wire/revocations.ts';
import { refusalsOf, statementsBody } from '../sled-wire/statements.ts';
import { sledConfigOf } from './sled-config.ts';
import { MAX_SKIPPED_BYTES, type SledConnection, type SledTarget } from './sled-connection.ts';

/** Of a body that is in memory already. */
const PIECE_BYTES = 256 * 1024;
const piecesOf = async function* (bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let from = 0; from < bytes.length; from += PIECE_BYTES) yield bytes.subarray(from, from + PIECE_BYTES);
};

const report = (list: Parameters<typeof sledReportOf>[0] | undefined) => list && sledReportOf(list);

/** Disposing closes the connections, but not those of `peers`, if they are given. */
export const createHttpConnection = (
  options: { readonly timeouts?: Partial<ClientTimeouts>; readonly peers?: Peers } = {},
): SledConnection & AsyncDisposable => {
  const timeouts = { ...DEFAULT_CLIENT_TIMEOUTS, ...options.timeouts };
  const plain = plainPeers(timeouts);
  const peers = options.peers ?? plain;
  const peersOf = ({ scheme }: Endpoint): Peers => (scheme === 'http' ? plain : peers);
  const agent: AgentOf = ({ agent: endpoint }) =>
    createApiClient(sledAgentApi, {
      baseUrl: endpointUrl(endpoint),
      dispatcher: peersOf(endpoint).dispatcher(endpoint.expected),
      timeouts,
    });

  return {
    scheme: peers.scheme,
    async putConfig(sled, config, wait) {
      await agent(sled).artifactConfigPut({ body: configBody(config) }, wait);
    },
    async config(sled, { point, ...wait }) {
      const query = point === undefined ? {} : { point: pointText(point) };
      return sledConfigOf(configOf(await agent(sled).artifactConfigGet({ query }, wait)));
    },
    list: async (sled, wait) => sledReportOf(await agent(sled).artifactList({}, wait)),
    listUnless: async (sled, tag, wait) => report(await agent(sled).artifactList({ ifNoneMatch: tag }, wait)),
    ...artifactMoves(agent),
    async putBundle(sled, { sha256, bytes }, wait) {
      const body = { sizeBytes: bytes.length, chunks: piecesOf(bytes) };
      await agent(sled).releaseMetadataPut({ params: { sha256 }, body }, wait);
    },
    tellRoots: async (sled, chains, wait) =>
      agent(sled).trustRootsPut({ body: rootChainsBody(chains) }, wait),
    roots: async (sled, wait) => rootChainsOf(await agent(sled).trustRootsGet({}, wait)),
    revoke: async (sled, revocations, wait) =>
      agent(sled).revokedIdentitiesPut({ body: revocationsBody(revocations) }, wait),
    tellStatements: async (sled, statements, wait) =>
      refusalsOf(await agent(sled).statementsPut({ body: statementsBody(statements) }, wait)),
    auditHeads: async (sled, wait) => keptHeadsOf(await agent(sled).auditHeadsGet({}, wait)),
    async tellAuditHeads(sled, heads, wait) {
      await agent(sled).auditHeadsPut({ body: auditHeadsBody(heads) }, wait);
    },
    async readRange(sled, { sha256, offset, length }, { signal }) {
      using answer = await rawGet(depotArtifactUrl(endpointUrl(sled.depot), sha256), {
        tls: peersOf(sled.depot).tls(sled.depot.expected),
        range: { first: offset, last: offset + length - 1 },
        maxSkippedBytes: MAX_SKIPPED_BYTES,
        pageSizeBytes: 128 * 1024,
        pages: 2,
        signal,
      });
      const parts: Uint8Array[] = [];
      // The connection reuses the memory of a chunk after this, so it is copied.
      await answer.consume(async chunk => void parts.push(Uint8Array.from(chunk)));
      return Buffer.concat(parts);
    },
    async [Symbol.asyncDispose]() {
      await plain[Symbol.asyncDispose]();
    },
  };
};

type AgentOf = (sled: SledTarget) => ApiClient<typeof sledAgentApi>;

/** Puts from this process, and copies from another sled. */
const artifactMoves = (
  agent: AgentOf,
): Pick<SledConnection, 'put' | 'tellPrefixes' | 'copy' | 'copyOutcome'> => ({
  async put(sled, { sha256, generation, digest, sizeBytes, chunks }, wait) {
    const body = { sizeBytes, chunks };
    const query = { generation, config_digest: digest };
    return putResultOf(await agent(sled).artifactPut({ params: { sha256 }, query, body }, wait));
  },
  async tellPrefixes(sled, { sha256, ...told }, wait) {
    await agent(sled).artifactPrefixesPut({ params: { sha256 }, body: prefixesBody(told) }, wait);
  },
  async copy(sled, { sha256, generation, digest, source, isArriving }, wait) {
    const body = {
      depot_base_url: endpointUrl(source.depot),
      source_sled_id: source.id,
      ...(source.isPlain === true && { source_transport: 'plain' as const }),
      ...(isArriving === true && { arriving: true }),
    };
    const query = { generation, config_digest: digest };
    await agent(sled).artifactCopyFromDepot({ params: { sha256 }, query, body }, wait);
  },
  async copyOutcome(sled, { sha256, waitMs }, wait) {
    const query = { wait_s: Math.floor(waitMs / 1_000) };
    return copyOutcomeOf(await agent(sled).artifactCopyOutcome({ params: { sha256 }, query }, wait));
  },
});
