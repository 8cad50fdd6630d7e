/**
 * The callers of the requests that a process runs: a revocation ends those of its identity at once.
 *
 *     request ─▶ add ─▶ … ─▶ remove            revoked ─▶ abort
 */
import type { Peer } from '../identity/judged-peer.ts';
import type { Revocations } from '../identity/revocations.ts';
import { DepotError } from '../lib/errors.ts';

export type RunningCallers = Disposable & {
  readonly add: (controller: AbortController, peer: Peer) => void;
  readonly remove: (controller: AbortController) => void;
};

/** @param revocations undefined for a process without an identity, which cannot tell its callers apart */
export const createRunningCallers = (
  revocations: Pick<Revocations, 'fault' | 'onChange'> | undefined,
): RunningCallers => {
  const callers = new Map<AbortController, Peer>();
  const change = revocations?.onChange(() => endRevoked(callers, revocations));
  return {
    add: (controller, peer) => void callers.set(controller, peer),
    remove: controller => void callers.delete(controller),
    [Symbol.dispose]: () => change?.[Symbol.dispose](),
  };
};

const endRevoked = (
  callers: ReadonlyMap<AbortController, Peer>,
  revocations: Pick<Revocations, 'fault'>,
): void => {
  for (const [controller, peer] of callers) {
    const because = peer.kind === 'identified' && revocations.fault(peer.identity, peer.notBeforeMs);
    if (because)
      controller.abort(
        new DepotError('FORBIDDEN', `the certificate of the caller does not count any more: ${because}`),
      );
  }
};
