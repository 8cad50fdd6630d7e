/**
 * The sleds that a Nexus does not register, because the database does not know them although they have a config (RI4).
 *
 *     asked(sled) ─▶ listed, while it asks ─▶ list() ─▶ a person approves
 *
 * PES1. Each has a certificate of this fleet, so the fleet bounds their number; {@link MAX_PENDING_SLEDS} bounds what a thief of the
 *       authority's key can list. Who is listed stays while it asks.
 * PES2. Who has not asked for {@link PENDING_KEPT_MS} is gone: it is off, or was approved at another Nexus.
 */
import type { Generation, SledId } from './ids.ts';
import { PENDING_KEPT_MS } from './pending-joins.ts';

/** More sleds than a fleet has. */
export const MAX_PENDING_SLEDS = 256;

type AskingSled = {
  readonly sledId: SledId;
  readonly serial: string;
  readonly address: string;
  /** Of the certificate that it presents. */
  readonly publicKeySha256: string;
  /** The highest one that it claims. */
  readonly generation: Generation;
};
type PendingSled = AskingSled & { readonly firstAskedMs: number; readonly lastAskedMs: number };

export type PendingSleds = {
  readonly asked: (sled: AskingSled, nowMs: number) => void;
  /** It registered. */
  readonly remove: (sledId: SledId) => void;
  /** Who asked first is first. */
  readonly list: (nowMs: number) => readonly PendingSled[];
};

export const createPendingSleds = (): PendingSleds => {
  const pending = new Map<SledId, PendingSled>();
  const forget = (nowMs: number): void => {
    for (const [id, { lastAskedMs }] of pending)
      if (nowMs - lastAskedMs > PENDING_KEPT_MS) pending.delete(id);
  };
  return {
    asked(sled, nowMs) {
      forget(nowMs);
      const before = pending.get(sled.sledId);
      if (before === undefined && pending.size >= MAX_PENDING_SLEDS) return;
      const firstAskedMs = before?.firstAskedMs ?? nowMs;
      pending.set(sled.sledId, { ...sled, firstAskedMs, lastAskedMs: nowMs });
    },
    remove: id => void pending.delete(id),
    list(nowMs) {
      forget(nowMs);
      return [...pending.values()];
    },
  };
};
