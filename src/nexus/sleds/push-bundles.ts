/**
 * Bundles for the sleds that lack them.
 *
 *     list: missing ─▶ the bytes, from the database ─▶ PUT, one after the other ─▶ the sled lists again
 *
 * PBU1. Only bundles that the offered config names are sent, and only to a sled that asks for them by its list.
 * PBU2. A bundle that cannot be read or sent costs the releases of that sled only; the next round tries again.
 * PBU3. The memory is bounded: few bundles are sent at a time, and few bytes are kept for the next sled.
 */
import { createLimiter } from '../../lib/limiter.ts';
import type { Logger } from '../../lib/log.ts';
import type { SledConnection, SledTarget } from '../../sled-client/sled-connection.ts';
import type { ReleasePort } from '../datastore/ports/release-port.ts';

/** To all sleds together. */
const SENT_AT_ONCE = 8;
/** A fleet of a thousand sleds asks for the same few bundles at once. */
const KEPT_BYTES = 64 * 1024 * 1024;

export type PushBundles = (
  target: SledTarget,
  /** SHA-256 of each. */
  missing: readonly string[],
  options: { readonly log: Logger; readonly signal: AbortSignal },
) => Promise<{ readonly sent: number }>;

type Deps = {
  readonly datastore: Pick<ReleasePort, 'bundleGet'>;
  readonly connection: Pick<SledConnection, 'putBundle'>;
};

export const createPushBundles = ({ datastore, connection }: Deps): PushBundles => {
  const limiter = createLimiter(SENT_AT_ONCE);
  const kept = new Map<string, Uint8Array>();
  const bytesOf = async (sha256: string, signal: AbortSignal): Promise<Uint8Array | undefined> => {
    const bytes = kept.get(sha256) ?? (await datastore.bundleGet(sha256, { signal }));
    if (bytes !== undefined) keep(kept, sha256, bytes);
    return bytes;
  };
  return async (target, missing, { log, signal }) => {
    let sent = 0;
    for (const sha256 of missing) {
      try {
        await limiter.run(
          async () => {
            const bytes = await bytesOf(sha256, signal);
            if (bytes === undefined) return; // its release was deleted a moment ago
            await connection.putBundle(target, { sha256, bytes }, { signal });
            sent += 1;
          },
          { signal },
        );
      } catch (err) {
        log.warn({ err, sled_id: target.id, bundle: sha256 }, 'a bundle of release metadata was not sent');
        if (signal.aborted) break;
      }
    }
    return { sent };
  };
};

/** PBU3: the latest ones. */
const keep = (kept: Map<string, Uint8Array>, sha256: string, bytes: Uint8Array): void => {
  kept.delete(sha256);
  kept.set(sha256, bytes);
  let total = kept.values().reduce((sum, each) => sum + each.length, 0);
  for (const [oldest, { length }] of kept) {
    if (total <= KEPT_BYTES) break;
    kept.delete(oldest);
    total -= length;
  }
};
