/** What a process remembers: written to its file, and told to whoever judges by it. */
/**
 * One write at a time, and the last one has all.
 *
 * @param value what counts; `save` is called for one that is not written yet
 * @param version differs for what is written differently
 * @returns resolves when what counted at the call is written, and rejects if it cannot be; the next call tries again
 */
export const createSaver = <T>(
  value: () => T,
  save: (value: T) => Promise<void>,
  version: (value: T) => unknown = each => each,
): (() => Promise<void>) => {
  let saved = version(value());
  let saving: Promise<void> = Promise.resolve();
  return () => {
    saving = saving
      .catch(() => undefined)
      .then(async () => {
        const next = value();
        const coming = version(next);
        if (coming === saved) return;
        await save(next);
        saved = coming;
      });
    return saving;
  };
};

/** Called in turn, until each of them has left. */
export type Listeners = {
  /** Until it is disposed, `listener` is called after each change. */
  readonly onChange: (listener: () => void) => Disposable;
  readonly tell: () => void;
};

export const createListeners = (): Listeners => {
  const listeners = new Set<() => void>();
  return {
    onChange(listener) {
      listeners.add(listener);
      return { [Symbol.dispose]: () => void listeners.delete(listener) };
    },
    tell() {
      for (const listener of [...listeners]) listener(); // one that comes meanwhile is not called
    },
  };
};
