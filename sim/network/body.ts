/** Bodies in flight: chunks that arrive one by one, late, damaged, or not at all. */
import { DepotError } from '../../src/lib/errors.ts';
import type { Incoming } from './call.ts';
import type { Network } from './network.ts';

/** Small, so that small artifacts have several. */
export const CHUNK_BYTES = 1024;

/** The deadline on progress of the real servers. */
export const STALL_MS = 10_000;

export const chunksOf = (bytes: Uint8Array): Uint8Array[] => {
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) chunks.push(bytes.subarray(at, at + CHUNK_BYTES));
  return chunks;
};

/**
 * The body of a request, as its server receives it.
 *
 * @param carry delays, damages or loses a chunk
 */
export async function* receive(
  network: Network,
  chunks: readonly Uint8Array[],
  { process, member, presented, isConnected, signal }: Incoming<unknown>,
  carry: (chunk: Uint8Array) => Uint8Array = network.carry,
): AsyncGenerator<Uint8Array, void, undefined> {
  for (const chunk of chunks) {
    await process.clock.sleep(network.delayMs(), { signal });
    if (!isConnected()) {
      await process.clock.sleep(STALL_MS, { signal });
      throw new DepotError('BODY_STALLED', `the client sent nothing for ${STALL_MS / 1000} s`);
    }
    member.heard({ from: presented.passport, operationId: undefined, params: undefined });
    yield carry(chunk);
  }
}

export const collect = async (chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> => {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(Uint8Array.from(chunk));
  return Buffer.concat(parts);
};
