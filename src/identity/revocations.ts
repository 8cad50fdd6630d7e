/**
 * The revoked identities of a fleet, as each process remembers them in a file beside its certificate.
 *
 *     expunged in the database ─▶ each Nexus ─▶ its file
 *                                     └─▶ each sled ─▶ its file ─▶ every request and new connection is judged by it
 *
 * RVK1. A certificate that began no later than its identity was revoked does not count. A newer one counts: only the holder of
 *      the authority's key can issue it. So nobody has to take a revocation back, and a false one does not end a fleet.
 * RVK2. The file only grows, and the latest time of an identity counts: a database that was restored undoes nothing.
 * RVK3. A revocation counts at once, also when it cannot be written; then `add` fails, so that it is sent again.
 * RVK4. A time in the future is cut, so that a Nexus that lies cannot revoke the certificates of next year; `add` fails, since
 *      the clock of this process may be wrong, and the same revocation sent again is cut at a later time.
 * RVK5. A list that is full forgets nothing: `add` fails for what finds no room.
 * RVK6. A statement of an admin key undoes the revocations of an identity up to its own time, and no later one. The list keeps
 *      them: a Nexus that sends them again changes nothing.
 * RVK7. Of an identity that was ever revoked no certificate counts that begins in the future, beyond what clocks may differ by: the
 *      clock of who issued it is ahead, and no revocation of now would cover it.
 */
import { dirname, join } from 'node:path';
import { z } from 'zod';
import {
  addRevocations,
  MAX_REVOCATIONS,
  mergeRevocations,
  type Revocation,
  revocationKey,
} from '../core/revocation.ts';
import { isoTime } from '../lib/clock.ts';
import { readFileWhole, writeFileDurably } from '../lib/durable-file.ts';
import { DepotError } from '../lib/errors.ts';
import { realDisk } from '../lib/real-disk.ts';
import { CLOCK_TOLERANCE_MS } from './clock-tolerance.ts';
import { PEER_KINDS, type PeerIdentity } from './peer-identity.ts';
import { createListeners, createSaver } from './remembered.ts';

export type Revocations = {
  readonly list: () => readonly Revocation[];
  /** Undefined for an identity that was never revoked, or is restored (RVK6). */
  readonly timeOf: (identity: Pick<PeerIdentity, 'kind' | 'id'>) => number | undefined;
  /** Whether a statement undoes a revocation of that time (RVK6), also one that is not in the list yet. */
  readonly isUndone: (identity: Pick<PeerIdentity, 'kind' | 'id'>, timeMs: number) => boolean;
  /** Why a certificate that begins at `notBeforeMs` does not count; undefined if it does. */
  readonly fault: (identity: PeerIdentity, notBeforeMs: number) => string | undefined;
  /**
   * @throws DepotError `INVALID_REQUEST` (RVK4), `NO_SPACE`, `IO` (RVK3): what it adds counts all the same; and `INVALID_REQUEST`
   *   for those that find no room, which do not count (RVK5)
   */
  readonly add: (revocations: readonly Revocation[]) => Promise<void>;
  /** Until it is disposed, `listener` is called after each change. */
  readonly onChange: (listener: () => void) => Disposable;
};

/** Of a process without an identity: nobody has one there. */
export const NO_REVOCATIONS: Pick<Revocations, 'add'> = { add: async () => undefined };

type Options = {
  readonly known: readonly Revocation[];
  readonly save: (revocations: readonly Revocation[]) => Promise<void>;
  /** The later of the clock and the beginning of this process's own certificate: a machine may boot without the time. */
  readonly nowMs: () => number;
  /** By which a beginning is in the future (RVK7); infinite while the clock is known to be wrong. By default `nowMs`. */
  readonly latestMs?: () => number;
  /** Up to when the revocations of an identity are undone (RVK6). */
  readonly restoredMs?: (identity: Pick<PeerIdentity, 'kind' | 'id'>) => number | undefined;
};

export const createRevocations = ({
  known,
  save,
  nowMs,
  latestMs = nowMs,
  restoredMs,
}: Options): Revocations => {
  let current = mergeRevocations(known);
  let times = timesOf(current);
  const { onChange, tell } = createListeners();
  const saveAll = createSaver(() => current, save, JSON.stringify);
  const isUndone = (identity: Pick<PeerIdentity, 'kind' | 'id'>, timeMs: number): boolean =>
    timeMs <= (restoredMs?.(identity) ?? Number.NEGATIVE_INFINITY);
  const timeOf = (identity: Pick<PeerIdentity, 'kind' | 'id'>): number | undefined => {
    const timeMs = times.get(revocationKey(identity));
    return timeMs === undefined || isUndone(identity, timeMs) ? undefined : timeMs;
  };

  return {
    list: () => current,
    timeOf,
    isUndone,
    fault(identity, notBeforeMs) {
      const timeMs = timeOf(identity);
      if (timeMs === undefined) return undefined;
      if (notBeforeMs > Math.max(latestMs(), timeMs) + CLOCK_TOLERANCE_MS)
        return `it begins at ${isoTime(notBeforeMs)}, in the future here, and ${revocationKey(identity)} was revoked before: compare the clocks of both machines`;
      if (notBeforeMs > timeMs) return undefined;
      return `it is from before ${isoTime(timeMs)}, when ${revocationKey(identity)} was revoked`;
    },
    async add(revocations) {
      const latestAddedMs = nowMs() + CLOCK_TOLERANCE_MS;
      const ahead = revocations.find(({ timeMs }) => timeMs > latestAddedMs);
      const cut = revocations.map(each => ({ ...each, timeMs: Math.min(each.timeMs, latestAddedMs) }));
      const { list, refused } = addRevocations(current, cut);
      if (JSON.stringify(list) !== JSON.stringify(current)) {
        current = list;
        times = timesOf(current);
        tell();
      }
      await saveAll();
      if (refused > 0)
        throw new DepotError(
          'INVALID_REQUEST',
          `${refused} revoked identities find no room: ${MAX_REVOCATIONS} are known here, the most that there may be; compare revoked.json with the sleds and Nexuses that were expunged, and move it away if it has others`,
        );
      if (ahead !== undefined)
        throw new DepotError(
          'INVALID_REQUEST',
          `${revocationKey(ahead)} is said to be revoked at ${isoTime(ahead.timeMs)}, which is in the future here; it counts for certificates from before ${isoTime(latestAddedMs)}: compare the clocks of both machines`,
        );
    },
    onChange,
  };
};

const timesOf = (revocations: readonly Revocation[]): ReadonlyMap<string, number> =>
  new Map(revocations.map(each => [revocationKey(each), each.timeMs]));

const RevocationsFile = z.strictObject({
  revoked: z
    .array(z.strictObject({ kind: z.enum(PEER_KINDS), id: z.guid().toLowerCase(), time: z.iso.datetime() }))
    .max(MAX_REVOCATIONS),
});
const MAX_FILE_BYTES = 4 * 1024 * 1024;

/** @throws DepotError `CONFIG_INVALID` for a file that cannot be read */
export const openRevocations = async (
  certificateFile: string,
  options: Pick<Options, 'nowMs' | 'latestMs' | 'restoredMs'>,
): Promise<Revocations> => {
  const file = join(dirname(certificateFile), 'revoked.json');
  return createRevocations({
    known: await readRevocations(file),
    ...options,
    save: revocations =>
      writeFileDurably(
        file,
        `${JSON.stringify({ revoked: revocations.map(({ timeMs, ...each }) => ({ ...each, time: isoTime(timeMs) })) }, null, 1)}\n`,
      ),
  });
};

const readRevocations = async (file: string): Promise<readonly Revocation[]> => {
  try {
    const text = await readFileWhole(file, { disk: realDisk, maxBytes: MAX_FILE_BYTES });
    if (text === undefined) return [];
    const { revoked } = RevocationsFile.parse(JSON.parse(text));
    return revoked.map(({ time, ...each }) => ({ ...each, timeMs: Date.parse(time) }));
  } catch (cause) {
    throw new DepotError(
      'CONFIG_INVALID',
      `identity: ${file} is not a list of revoked identities; move it away: a Nexus sends the list again within ten minutes, and until then no revocation is known here`,
      { cause },
    );
  }
};
