/** The Repo Depot API over the artifacts of archives, without a sled. It asks nobody who they are. */
import { createHash } from 'node:crypto';
import { depotApi, REPO_DEPOT_PORT } from '../api/depot-api.ts';
import type { ArtifactHash } from '../core/ids.ts';
import type { FileAnswer } from '../http/file-body.ts';
import { bindApi, type Handlers } from '../http/handlers.ts';
import { type ApiServer, serveApi } from '../http/server.ts';
import type { SocketAddress } from '../lib/endpoint.ts';
import { DepotError } from '../lib/errors.ts';
import type { Logger } from '../lib/log.ts';
import type { ServedArtifact } from './served-artifacts.ts';

/** The port at which a client expects a depot. */
export const DEPOT_PORT = REPO_DEPOT_PORT;

/** @throws DepotError `LISTEN_NOT_LOOPBACK`, `ADDRESS_IN_USE`, `IO` */
export const serveDepot = (
  artifacts: ReadonlyMap<ArtifactHash, ServedArtifact>,
  options: { readonly listen: SocketAddress; readonly servesNetworkInPlain: boolean; readonly log: Logger },
): Promise<ApiServer> => serveApi({ ...options, apis: [bindApi(depotApi, handlersOf(artifacts))] });

const handlersOf = (artifacts: ReadonlyMap<ArtifactHash, ServedArtifact>): Handlers<typeof depotApi> => ({
  async artifactGetBySha256({ params: { sha256 } }): Promise<FileAnswer> {
    const artifact = artifacts.get(sha256);
    if (artifact === undefined)
      throw new DepotError('ARTIFACT_NOT_HELD', `none of the archives has the artifact ${sha256}`);
    const { sizeBytes } = artifact;
    return {
      ...{ sizeBytes, etag: sha256, read: hashedRead(sha256, artifact) },
      async [Symbol.asyncDispose]() {},
    };
  },
});

/** An archive that changes while it is served: the answer is cut before its last bytes, so that no client gets a wrong file whole. */
const hashedRead = (sha256: ArtifactHash, { sizeBytes, read }: ServedArtifact): FileAnswer['read'] => {
  const hash = createHash('sha256');
  let hashedBytes = 0;
  return async (target, position) => {
    const count = await read(target, position);
    if (position !== hashedBytes || position === sizeBytes) return count;
    hash.update(target.subarray(0, count));
    hashedBytes += count;
    if (hashedBytes === sizeBytes && hash.digest('hex') !== sha256)
      throw new DepotError(
        'IO',
        `the archive of ${sha256} changed after it was verified; start again with it`,
      );
    return count;
  };
};
