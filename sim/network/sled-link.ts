/** The connection of a Nexus to the sleds, over the simulated network: the agent's handlers without their server. */
import type { arrivingApi } from '../../src/api/arriving-api.ts';
import type { depotApi } from '../../src/api/depot-api.ts';
import type { ArtifactConfigBody, ArtifactListResponse, sledAgentApi } from '../../src/api/sled-agent-api.ts';
import type { ArtifactCopyOutcome } from '../../src/api/transfer-api.ts';
import { type Handlers, NOT_MODIFIED } from '../../src/http/handlers.ts';
import { endpointUrl } from '../../src/lib/endpoint.ts';
import { DepotError } from '../../src/lib/errors.ts';
import { sledConfigOf } from '../../src/sled-client/sled-config.ts';
import type { SledConnection, SledTarget } from '../../src/sled-client/sled-connection.ts';
import { configBody, configOf } from '../../src/sled-wire/config.ts';
import { copyOutcomeOf } from '../../src/sled-wire/copy-outcome.ts';
import { prefixesBody } from '../../src/sled-wire/prefix-digests.ts';
import { putResultOf } from '../../src/sled-wire/put-result.ts';
import { rootChainsBody, rootChainsOf } from '../../src/sled-wire/release-trust.ts';
import { sledReportOf } from '../../src/sled-wire/report.ts';
import { revocationsBody } from '../../src/sled-wire/revocations.ts';
import { refusalsOf, statementsBody } from '../../src/sled-wire/statements.ts';
import { chunksOf, collect, receive } from './body.ts';
import { type Callee, type Caller, call, type Incoming, unreachable } from './call.ts';
import type { Network } from './network.ts';
import { requestContext } from './request-context.ts';

/** The APIs of a sled. */
export type SledEndpoint = {
  readonly agent: Handlers<typeof sledAgentApi>;
  readonly depot: Handlers<typeof depotApi>;
  readonly arriving: Handlers<typeof arrivingApi>;
};

export type FindSled = (host: string) => Callee<SledEndpoint> | undefined;

type Ask = <T>(
  target: SledTarget,
  wait: { readonly signal: AbortSignal },
  handle: (incoming: Incoming<SledEndpoint>) => Promise<T>,
) => Promise<T>;

export const createSledLink = (
  network: Network,
  from: Caller,
  { findSled, speaksOfLineage }: { readonly findSled: FindSled; readonly speaksOfLineage: () => boolean },
): SledConnection & AsyncDisposable => {
  const ask: Ask = ({ agent: { host, expected } }, wait, handle) => {
    const sled = findSled(host);
    return sled === undefined
      ? Promise.reject(unreachable(host, 'no such host'))
      : call(network, from, sled, { ...wait, expected }, handle);
  };
  return {
    scheme: 'https',
    ...configRequests(ask, speaksOfLineage),
    ...artifactMoves(network, ask),
    ...depotReads(network, ask),
    ...tellings(network, ask),
    // The tasks of a simulated Nexus do not tell heads.
    auditHeads: async () => [],
    tellAuditHeads: async () => undefined,
    [Symbol.asyncDispose]: async () => undefined,
  };
};

/** What a Nexus tells each sled: revocations, metadata of releases, trust roots, statements. */
const tellings = (
  network: Network,
  ask: Ask,
): Pick<SledConnection, 'revoke' | 'putBundle' | 'roots' | 'tellRoots' | 'tellStatements'> => ({
  async revoke(target, revocations, wait) {
    const body = revocationsBody(revocations);
    await ask(target, wait, incoming =>
      incoming.endpoint.agent.revokedIdentitiesPut({
        ...requestContext(incoming),
        params: {},
        query: {},
        body,
      }),
    );
  },
  async putBundle(target, { sha256, bytes }, wait) {
    const sent = chunksOf(bytes);
    await ask(target, wait, incoming =>
      incoming.endpoint.agent.releaseMetadataPut({
        ...requestContext(incoming),
        params: { sha256 },
        query: {},
        body: { contentLength: bytes.length, chunks: receive(network, sent, incoming) },
      }),
    );
  },
  roots: async (target, wait) =>
    rootChainsOf(
      await ask(target, wait, incoming =>
        incoming.endpoint.agent.trustRootsGet({
          ...requestContext(incoming),
          params: {},
          query: {},
          body: undefined,
        }),
      ),
    ),
  async tellRoots(target, chains, wait) {
    const body = rootChainsBody(chains);
    await ask(target, wait, incoming =>
      incoming.endpoint.agent.trustRootsPut({
        ...requestContext(incoming),
        params: {},
        query: {},
        body,
      }),
    );
  },
  tellStatements: async (target, statements, wait) => {
    const body = statementsBody(statements);
    const answer = await ask(target, wait, incoming =>
      incoming.endpoint.agent.statementsPut({
        ...requestContext(incoming),
        params: {},
        query: {},
        body,
      }),
    );
    return refusalsOf(answer);
  },
});

/** Requests for the config and for the list of a sled. */
const configRequests = (
  ask: Ask,
  speaksOfLineage: () => boolean,
): Pick<SledConnection, 'putConfig' | 'config' | 'list' | 'listUnless'> => ({
  async putConfig(target, config, wait) {
    const body = configBody(speaksOfLineage() ? config : { ...config, succeeds: undefined });
    await ask(target, wait, incoming =>
      incoming.endpoint.agent.artifactConfigPut({
        ...requestContext(incoming),
        params: {},
        query: {},
        body,
      }),
    );
  },
  async config(target, { point, ...wait }) {
    const body = await ask(target, wait, incoming =>
      incoming.endpoint.agent.artifactConfigGet({
        ...requestContext(incoming),
        params: {},
        query: { point },
        body: undefined,
      }),
    );
    return sledConfigOf(configOf(body as ArtifactConfigBody));
  },
  list: async (target, wait) =>
    sledReportOf((await askForList(ask, target, {}, wait)) as ArtifactListResponse),
  async listUnless(target, tag, wait) {
    const list = await askForList(ask, target, { 'if-none-match': tag }, wait);
    return list === NOT_MODIFIED ? undefined : sledReportOf(list as ArtifactListResponse);
  },
});

const askForList = (
  ask: Ask,
  target: SledTarget,
  headers: Readonly<Record<string, string>>,
  wait: { readonly signal: AbortSignal },
) =>
  ask(target, wait, incoming =>
    incoming.endpoint.agent.artifactList({
      ...requestContext(incoming, headers),
      params: {},
      query: {},
      body: undefined,
    }),
  );

/** Puts from the Nexus, and copies from another sled. */
const artifactMoves = (
  network: Network,
  ask: Ask,
): Pick<SledConnection, 'put' | 'tellPrefixes' | 'copy' | 'copyOutcome'> => ({
  async put(target, { sha256, generation, digest, sizeBytes, chunks }, wait) {
    const sent = chunksOf(await collect(chunks));
    const answer = await ask(target, wait, incoming =>
      incoming.endpoint.agent.artifactPut({
        ...requestContext(incoming),
        params: { sha256 },
        query: { generation, config_digest: digest },
        body: { contentLength: sizeBytes, chunks: receive(network, sent, incoming) },
      }),
    );
    return putResultOf(answer);
  },
  async tellPrefixes(target, { sha256, ...told }, wait) {
    const body = prefixesBody(told);
    await ask(target, wait, incoming =>
      incoming.endpoint.agent.artifactPrefixesPut({
        ...requestContext(incoming),
        params: { sha256 },
        query: {},
        body,
      }),
    );
  },
  async copy(target, { sha256, generation, digest, source, isArriving }, wait) {
    await ask(target, wait, incoming =>
      incoming.endpoint.agent.artifactCopyFromDepot({
        ...requestContext(incoming),
        params: { sha256 },
        query: { generation, config_digest: digest },
        body: {
          depot_base_url: endpointUrl(source.depot),
          source_sled_id: source.id,
          ...(isArriving === true && { arriving: true }),
        },
      }),
    );
  },
  async copyOutcome(target, { sha256, waitMs }, wait) {
    const answer = await ask(target, wait, incoming =>
      incoming.endpoint.agent.artifactCopyOutcome({
        ...requestContext(incoming),
        params: { sha256 },
        query: { wait_s: Math.floor(waitMs / 1_000) },
        body: undefined,
      }),
    );
    return copyOutcomeOf(answer as ArtifactCopyOutcome);
  },
});

/** Ranges of artifacts that the Nexus itself reads from sleds. */
const depotReads = (network: Network, ask: Ask): Pick<SledConnection, 'readRange'> => ({
  async readRange(target, { sha256, offset, length }, wait) {
    const bytes = await ask(target, wait, async incoming => {
      await using file = await incoming.endpoint.depot.artifactGetBySha256({
        ...requestContext(incoming),
        params: { sha256 },
        query: {},
        body: undefined,
      });
      if (offset + length > file.sizeBytes)
        throw new DepotError('RANGE_NOT_SATISFIABLE', `there are ${file.sizeBytes} bytes`);
      const range = new Uint8Array(length);
      const filled = await file.read(range, offset);
      return range.subarray(0, filled);
    });
    return network.carry(bytes);
  },
});
