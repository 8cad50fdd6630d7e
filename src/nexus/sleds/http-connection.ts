/** Sleds over HTTP. */
import { depotArtifactUrl } from '../../api/depot-api.ts';
import { sledAgentApi } from '../../api/sled-agent-api.ts';
import { pointText } from '../../core/ids.ts';
import {
  type ClientTimeouts,
  createApiClient,
  createDispatcher,
  DEFAULT_CLIENT_TIMEOUTS,
} from '../../http/client.ts';
import { rawGet } from '../../http/raw-get.ts';
import type { SledRecord } from '../datastore/ports/sled-port.ts';
import { configBody, sledConfigOf } from './config-body.ts';
import type { SledConnection, SledTarget } from './sled-connection.ts';

/** A socket address as registered, split; IPv6 hosts are in brackets on the wire and bare here. */
const parseSocketAddress = (text: string): { host: string; port: number } => {
  const at = text.lastIndexOf(':');
  return { host: text.slice(0, at).replace(/^\[|\]$/g, ''), port: Number(text.slice(at + 1)) };
};

const httpUrl = (host: string, port: number): string =>
  `http://${host.includes(':') ? `[${host}]` : host}:${port}`;

export const sledTarget = (sled: SledRecord): SledTarget => {
  const { host, port } = parseSocketAddress(sled.info.sa_address);
  return {
    id: sled.id,
    serial: sled.info.baseboard.serial,
    agentBaseUrl: httpUrl(host, port),
    depotBaseUrl: httpUrl(host, sled.info.repo_depot_port),
    heads: sled.heads,
  };
};

/** One pool of connections for all sleds; dispose it to close them. */
export const createHttpConnection = (
  options: { readonly timeouts?: Partial<ClientTimeouts> } = {},
): SledConnection & AsyncDisposable => {
  const timeouts = { ...DEFAULT_CLIENT_TIMEOUTS, ...options.timeouts };
  const dispatcher = createDispatcher(timeouts);
  const agent = (sled: SledTarget) =>
    createApiClient(sledAgentApi, { baseUrl: sled.agentBaseUrl, timeouts, dispatcher });

  return {
    async putConfig(sled, config, wait) {
      await agent(sled).artifactConfigPut({ body: configBody(config) }, wait);
    },
    async config(sled, { point, ...wait }) {
      const query = point === undefined ? {} : { point: pointText(point) };
      return sledConfigOf(await agent(sled).artifactConfigGet({ query }, wait));
    },
    list: (sled, wait) => agent(sled).artifactList({}, wait),
    async put(sled, { sha256, generation, digest, sizeBytes, chunks }, wait) {
      const body = { sizeBytes, chunks };
      const query = { generation, config_digest: digest };
      const answer = await agent(sled).artifactPut({ params: { sha256 }, query, body }, wait);
      return { datasets: answer.datasets, successfulWrites: answer.successful_writes };
    },
    async copy(sled, { sha256, generation, digest, source }, wait) {
      const body = { depot_base_url: source.depotBaseUrl };
      const query = { generation, config_digest: digest };
      await agent(sled).artifactCopyFromDepot({ params: { sha256 }, query, body }, wait);
    },
    async readRange(sled, { sha256, offset, length }, { signal }) {
      using answer = await rawGet(depotArtifactUrl(sled.depotBaseUrl, sha256), {
        range: { first: offset, last: offset + length - 1 },
        pageSizeBytes: 128 * 1024,
        pages: 2,
        signal,
      });
      const parts: Uint8Array[] = [];
      // A chunk's memory is the connection's again after this: it is copied.
      await answer.consume(async chunk => void parts.push(Uint8Array.from(chunk)));
      return Buffer.concat(parts);
    },
    [Symbol.asyncDispose]: () => dispatcher.close(),
  };
};
