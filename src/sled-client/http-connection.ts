/** Sleds over HTTP. */
import { depotArtifactUrl } from '../api/depot-api.ts';
import { sledAgentApi } from '../api/sled-agent-api.ts';
import { pointText } from '../core/ids.ts';
import {
  type ClientTimeouts,
  createApiClient,
  createDispatcher,
  DEFAULT_CLIENT_TIMEOUTS,
} from '../http/client.ts';
import { rawGet } from '../http/raw-get.ts';
import { endpointUrl } from '../lib/endpoint.ts';
import { configBody, sledConfigOf } from './config-body.ts';
import { sledReportOf } from './report.ts';
import type { SledConnection, SledTarget } from './sled-connection.ts';

/** One pool of connections for all sleds; dispose it to close them. */
export const createHttpConnection = (
  options: { readonly timeouts?: Partial<ClientTimeouts> } = {},
): SledConnection & AsyncDisposable => {
  const timeouts = { ...DEFAULT_CLIENT_TIMEOUTS, ...options.timeouts };
  const dispatcher = createDispatcher(timeouts);
  const agent = (sled: SledTarget) =>
    createApiClient(sledAgentApi, { baseUrl: endpointUrl(sled.agent), timeouts, dispatcher });

  return {
    async putConfig(sled, config, wait) {
      await agent(sled).artifactConfigPut({ body: configBody(config) }, wait);
    },
    async config(sled, { point, ...wait }) {
      const query = point === undefined ? {} : { point: pointText(point) };
      return sledConfigOf(await agent(sled).artifactConfigGet({ query }, wait));
    },
    list: async (sled, wait) => sledReportOf(await agent(sled).artifactList({}, wait)),
    async put(sled, { sha256, generation, digest, sizeBytes, chunks }, wait) {
      const body = { sizeBytes, chunks };
      const query = { generation, config_digest: digest };
      const answer = await agent(sled).artifactPut({ params: { sha256 }, query, body }, wait);
      return { datasets: answer.datasets, successfulWrites: answer.successful_writes };
    },
    async copy(sled, { sha256, generation, digest, source }, wait) {
      const body = { depot_base_url: endpointUrl(source.depot) };
      const query = { generation, config_digest: digest };
      await agent(sled).artifactCopyFromDepot({ params: { sha256 }, query, body }, wait);
    },
    async readRange(sled, { sha256, offset, length }, { signal }) {
      using answer = await rawGet(depotArtifactUrl(endpointUrl(sled.depot), sha256), {
        range: { first: offset, last: offset + length - 1 },
        pageSizeBytes: 128 * 1024,
        pages: 2,
        signal,
      });
      const parts: Uint8Array[] = [];
      // The connection reuses the memory of a chunk after this, so it is copied.
      await answer.consume(async chunk => void parts.push(Uint8Array.from(chunk)));
      return Buffer.concat(parts);
    },
    [Symbol.asyncDispose]: () => dispatcher.close(),
  };
};
