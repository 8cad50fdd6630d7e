/** SIGHUP: for a server a request to read its files again, for every other command the end of its terminal. */
import type { OnHangUp } from '../../lib/hang-up.ts';

/** @param end what ends a command that does not listen */
export const createHangUps = (
  end: () => void,
): { readonly arrived: () => void; readonly onHangUp: OnHangUp } => {
  const listeners = new Set<() => void>();
  return {
    arrived() {
      if (listeners.size === 0) end();
      for (const listener of listeners) listener();
    },
    onHangUp(listener) {
      listeners.add(listener);
      return { [Symbol.dispose]: () => void listeners.delete(listener) };
    },
  };
};
