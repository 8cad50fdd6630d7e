/** A sled whose last listing is kept is asked whether that is still right; then it is sent nothing, and sends nothing. */
import { errorCodeOf } from '../../lib/errors.ts';
import type { SledTarget } from '../../sled-client/sled-connection.ts';
import { isUnreachable } from './failure.ts';
import { affirmedDraft, type CollectDeps, type Draft, failed, listUnless, orStalled } from './sled-draft.ts';

/**
 * Resolves with undefined where the sled has to be offered the config: nothing is kept for this offer, or the sled answers something
 * else than before, an error too.
 */
export const askWhetherUnchanged = async (
  deps: CollectDeps,
  offer: string,
  target: SledTarget,
  options: { readonly signal: AbortSignal },
): Promise<Draft | undefined> => {
  const kept = deps.listings.kept(target.id, offer);
  if (kept === undefined) return undefined;
  try {
    const other = await listUnless(deps, target, kept.tag, options);
    if (other === undefined) return affirmedDraft(deps, target, kept); // LM3
  } catch (error) {
    const stalled = orStalled(error, options.signal);
    if (isUnreachable(errorCodeOf(stalled))) return failed(deps, target, stalled);
  }
  deps.listings.forget(target.id);
  return undefined;
};
