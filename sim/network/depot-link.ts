/** The connection of a copy: from another sled's Repo Depot, chunk by chunk, over the simulated network. */
import { ArtifactHash } from '../../src/core/ids.ts';
import type { FileAnswer } from '../../src/http/file-body.ts';
import { DepotError } from '../../src/lib/errors.ts';
import type { FetchArtifact } from '../../src/sled-agent/copy.ts';
import { CHUNK_BYTES, STALL_MS } from './body.ts';
import { type Caller, call, type Incoming, stalled, unreachable } from './call.ts';
import type { Network } from './network.ts';
import { requestContext } from './request-context.ts';
import type { FindSled } from './sled-link.ts';

export const createDepotLink =
  (network: Network, from: Caller, findSled: FindSled): FetchArtifact =>
  async (url, { sourceId, signal, answerTimeoutMs, progress }) => {
    if (sourceId === undefined)
      throw new DepotError('INVALID_REQUEST', 'an order to copy has to name its source: source_sled_id');
    const { hostname, pathname } = new URL(url);
    const sha256 = ArtifactHash.parse(pathname.split('/').at(-1));
    const sled = findSled(hostname);
    if (sled === undefined) throw unreachable(hostname, 'no such host');
    const within = (ms: number) => ({
      signal: AbortSignal.any([signal, from.process.clock.timeout(ms)]),
      isOnce: true,
      expected: { kind: 'sled', id: sourceId } as const,
    });
    const orStalled = (error: unknown): never => {
      if (signal.aborted || (error as Error).name !== 'TimeoutError') throw error;
      throw stalled(hostname);
    };

    const answer = await call(network, from, sled, within(answerTimeoutMs), async incoming => {
      const { depot, arriving } = incoming.endpoint;
      const request = { ...requestContext(incoming), params: { sha256 }, query: {}, body: undefined };
      const file = await (pathname.startsWith('/arriving/')
        ? arriving.arrivingGetBySha256(request)
        : depot.artifactGetBySha256(request));
      return serveFile(file, incoming);
    }).catch(orStalled);
    const forget = from.process.onEnd(answer.close);

    const readChunk = (position: number): Promise<Uint8Array> =>
      call(network, from, sled, within(progress.intervalMs), async incoming => {
        if (incoming.process !== answer.process) throw unreachable(hostname, 'the connection was cut');
        return answer.read(position);
      }).catch(orStalled);

    return {
      sizeBytes: answer.sizeBytes,
      async consume(onChunk) {
        for (let position = 0; position < answer.sizeBytes; ) {
          const chunk = network.carry(await readChunk(position));
          if (chunk.length === 0) throw unreachable(hostname, 'the connection was cut');
          position += chunk.length;
          await onChunk(chunk);
        }
      },
      [Symbol.dispose]() {
        forget();
        answer.close();
      },
    };
  };

/** The server's end: it closes together with the client's, when the client reads nothing, and when it is revoked. */
const serveFile = (file: FileAnswer, { process, member, presented }: Incoming<unknown>) => {
  let isClosed = false;
  const revoked = new AbortController();
  const close = (): void => {
    if (isClosed) return;
    isClosed = true;
    member.running.remove(revoked);
    cancel();
    process.deliver(() => void file[Symbol.asyncDispose]());
  };
  let cancel = process.after(STALL_MS, close);
  member.running.add(revoked, presented.peer);
  const end = (): void => {
    member.ended();
    close();
  };
  revoked.signal.addEventListener('abort', end, { once: true });
  return {
    sizeBytes: file.sizeBytes,
    process,
    close,
    async read(position: number): Promise<Uint8Array> {
      if (isClosed) throw new DepotError('BODY_STALLED', 'the connection was closed');
      cancel();
      cancel = process.after(STALL_MS, close);
      member.heard({ from: presented.passport, operationId: undefined, params: undefined });
      const chunk = new Uint8Array(Math.min(CHUNK_BYTES, file.sizeBytes - position));
      return chunk.subarray(0, await file.read(chunk, position));
    },
  };
};
