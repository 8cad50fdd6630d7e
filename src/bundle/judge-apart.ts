/**
 * A large bundle is judged in a thread of its own: its metadata takes seconds.
 *
 *     caller ─▶ { bytes, trustRoots } ─▶ worker ─▶ judged | error
 *
 * BA1. A small bundle is judged in the calling thread, within some milliseconds, since a thread takes longer to start.
 */
import { DepotError } from '../lib/errors.ts';
import { decodeError, type WireError } from '../lib/wire-error.ts';
import { outcomeOf, startThread } from '../lib/worker-thread.ts';
import type { SignaturePolicy } from '../tuf/signature-policy.ts';
import type { TrustRoot } from '../tuf/workflow.ts';
import { type JudgedBundle, judgeBundle } from './judge.ts';

export type JudgeInput = {
  readonly bytes: Uint8Array;
  readonly trustRoots: readonly TrustRoot[];
  readonly signatures: SignaturePolicy;
};
export type JudgeMessage =
  | { readonly kind: 'judged'; readonly judged: JudgedBundle }
  | { readonly kind: 'failed'; readonly error: WireError };

/** A hundred targets have 30 KiB. */
const MAX_BYTES_HERE = 128 * 1024;

export type JudgeBundle = (
  bytes: Uint8Array,
  trustRoots: readonly TrustRoot[],
  options: { readonly signatures: SignaturePolicy; readonly signal: AbortSignal },
) => Promise<JudgedBundle>;

/** @throws DepotError `BUNDLE_INVALID`, `VERIFIER_DIED`; the signal's reason */
export const judgeApart: JudgeBundle = (bytes, trustRoots, { signatures, signal }) => {
  signal.throwIfAborted();
  if (bytes.length <= MAX_BYTES_HERE) return judgeBundle(bytes, trustRoots, { signatures });
  const input: JudgeInput = { bytes, trustRoots, signatures };
  return outcomeOf<JudgeMessage, JudgedBundle>(startThread(import.meta.url, 'worker', input), {
    signal,
    died: cause =>
      new DepotError('VERIFIER_DIED', 'the thread that verified a bundle of release metadata ended early', {
        cause,
      }),
    onMessage(message, { resolve, reject }) {
      if (message.kind === 'judged') resolve(message.judged);
      else reject(decodeError(message.error));
    },
  });
};
