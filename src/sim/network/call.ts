/**
 * One request between two processes, and its answer: what HTTP over a real network gives the product, without either.
 *
 *     caller ─▶ request ─▶ process of the other machine ─▶ handler ─▶ answer ─▶ caller
 *
 * CA1. The caller gets an answer, the other side's error, or an error of the connection with the code that the real
 *      client has for it; never nothing at all.
 * CA2. A handler learns that its caller went away, by its signal; a caller learns that the other process ended.
 * CA3. A doubled request is handled twice, and its second answer goes nowhere.
 */
import { DepotError, findDepotError, messageChain } from '../../lib/errors.ts';
import type { SimProcess } from '../time/process.ts';
import type { Network } from './network.ts';

/** As the real clients have them. */
const CONNECT_TIMEOUT_MS = 5_000;
const ANSWER_TIMEOUT_MS = 60_000;

/** A machine that can be called, and what answers on it now; undefined while nothing does. */
export type Callee<E> = {
  readonly name: string;
  readonly serving: () => { readonly process: SimProcess; readonly endpoint: E } | undefined;
};

export type Caller = { readonly machine: string; readonly process: SimProcess };

/** What a handler is called with. */
export type Incoming<E> = {
  readonly endpoint: E;
  readonly process: SimProcess;
  /** Aborts when the caller goes away. */
  readonly signal: AbortSignal;
  /** Whether bytes of the caller can still arrive. */
  readonly isConnected: () => boolean;
};

export const call = <E, T>(
  network: Network,
  from: Caller,
  to: Callee<E>,
  { signal, isOnce = false }: { readonly signal: AbortSignal; readonly isOnce?: boolean },
  handle: (incoming: Incoming<E>) => Promise<T>,
): Promise<T> =>
  new Promise<T>((resolve, reject) => {
    if (signal.aborted) {
      reject(signal.reason);
      return;
    }
    const gone = new AbortController();
    let isOver = false;
    const leave: (() => void)[] = [];
    const finish = (settle: () => void): void => {
      if (isOver) return;
      isOver = true;
      for (const each of leave) each();
      settle();
    };
    /** For what the caller learns from outside of itself. */
    const tell = (settle: () => void): void => from.process.deliver(() => finish(settle));
    const hangUp = () => network.send(from.machine, to.name, () => gone.abort(callerGone()));

    const abandon = () => {
      finish(() => reject(signal.reason));
      hangUp();
    };
    signal.addEventListener('abort', abandon, { once: true });
    leave.push(() => signal.removeEventListener('abort', abandon));
    leave.push(
      from.process.onEnd(() => {
        isOver = true;
        hangUp();
      }),
    );
    let hasArrived = false;
    const giveUp = () => {
      finish(() => reject(stalled(to.name)));
      hangUp();
    };
    let disarm = from.process.after(CONNECT_TIMEOUT_MS, () => {
      if (hasArrived) disarm = from.process.after(ANSWER_TIMEOUT_MS - CONNECT_TIMEOUT_MS, giveUp);
      else finish(() => reject(unreachable(to.name, 'the connection timed out')));
    });
    leave.push(() => disarm());

    const arrive = (isFirst: boolean) => {
      const serving = to.serving();
      if (serving === undefined) {
        const refuse = () => tell(() => reject(unreachable(to.name, 'connection refused')));
        if (isFirst) network.send(to.name, from.machine, refuse);
        return;
      }
      if (isFirst) hasArrived = true;
      serving.process.deliver(() => {
        const cut = () =>
          network.send(to.name, from.machine, () =>
            tell(() => reject(unreachable(to.name, 'the connection was cut'))),
          );
        const forget = isFirst ? serving.process.onEnd(cut) : () => undefined;
        const incoming: Incoming<E> = {
          ...serving,
          signal: gone.signal,
          isConnected: () => !gone.signal.aborted && network.isOpen(from.machine, to.name),
        };
        const answer = (settle: () => void) => {
          forget();
          if (isFirst) network.send(to.name, from.machine, () => tell(settle));
        };
        handle(incoming).then(
          value => answer(() => resolve(value)),
          error => answer(() => reject(answered(to.name, error))),
        );
      });
    };
    network.send(from.machine, to.name, () => arrive(true));
    if (!isOnce && network.isDoubled()) network.send(from.machine, to.name, () => arrive(false));
  });

const callerGone = (): DepotError => new DepotError('BODY_INCOMPLETE', 'the client went away');

export const unreachable = (peer: string, why: string): DepotError =>
  new DepotError('PEER_UNREACHABLE', `${peer} cannot be reached: ${why}`);

export const stalled = (peer: string): DepotError =>
  new DepotError('PEER_STALLED', `${peer} does not answer`);

/** As an error looks after it went through an answer. */
const answered = (peer: string, error: unknown): DepotError => {
  const known = findDepotError(error);
  if (known === undefined)
    return new DepotError('INTERNAL', `${peer} answered 500: internal error`, { cause: error });
  return new DepotError(known.code, `${peer} answered ${known.status}: ${messageChain(error)}`, {
    detail: known.detail,
  });
};
