/**
 * The machines that ask a Nexus to join by their key, and that no admin has approved.
 *
 *     asked(key, address) ─▶ listed, while it asks ─▶ list() ─▶ a person approves or denies
 *
 * PEJ1. The list has {@link MAX_PENDING_JOINS} places, and {@link MAX_PENDING_OF_NETWORK} for one network: a stranger who makes keys
 *       without end takes no more of them, and the others learn that there is no room. Each may be approved by its digest all the same.
 * PEJ2. Who is listed stays while it asks: nobody who asks later takes its place. Who has not asked for {@link PENDING_KEPT_MS} is gone.
 */
export const MAX_PENDING_JOINS = 256;
/** A person sets up that many machines behind one address at once. */
export const MAX_PENDING_OF_NETWORK = 8;
/** A machine asks every few seconds; this outlasts the restart of it or of its network. */
export const PENDING_KEPT_MS = 10 * 60_000;

type PendingJoin = {
  /** SHA-256 of the public key, in hex. */
  readonly key: string;
  /** From where it asked last. */
  readonly address: string;
  readonly firstAskedMs: number;
  readonly lastAskedMs: number;
};

type Asked = {
  readonly key: string;
  readonly address: string;
  /** Of the address: what one stranger can have many of counts as one. */
  readonly network: string;
};

export type PendingJoins = {
  /** False if there is no room for it. */
  readonly asked: (machine: Asked, nowMs: number) => boolean;
  /** It joined, or was denied. */
  readonly remove: (key: string) => void;
  /** Who asked first is first. */
  readonly list: (nowMs: number) => readonly PendingJoin[];
};

export const createPendingJoins = (): PendingJoins => {
  const pending = new Map<string, PendingJoin & { readonly network: string }>();
  const forget = (nowMs: number): void => {
    for (const [key, { lastAskedMs }] of pending)
      if (nowMs - lastAskedMs > PENDING_KEPT_MS) pending.delete(key);
  };
  const hasRoom = (network: string): boolean => {
    const ofNetwork = [...pending.values()].filter(each => each.network === network).length;
    return pending.size < MAX_PENDING_JOINS && ofNetwork < MAX_PENDING_OF_NETWORK;
  };
  return {
    asked({ key, address, network }, nowMs) {
      forget(nowMs);
      const before = pending.get(key);
      if (before === undefined && !hasRoom(network)) return false;
      // The network of the first time: a listed key that moves takes no place of another network.
      pending.set(key, {
        ...{ key, address, network: before?.network ?? network },
        firstAskedMs: before?.firstAskedMs ?? nowMs,
        lastAskedMs: nowMs,
      });
      return true;
    },
    remove: key => void pending.delete(key),
    list(nowMs) {
      forget(nowMs);
      return [...pending.values()].map(({ network: _, ...each }) => each);
    },
  };
};
