/**
 * What every in-service sled claims, asked now: each for itself, and never for longer than a bounded time (G8).
 * Nothing is put to a sled, so that looking changes nothing.
 */

import { isArtifactHash } from '../../core/ids.ts';
import type { AskedSled } from '../../core/recovery.ts';
import type { Clock } from '../../lib/clock.ts';
import { errorCodeOf, messageChain } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import type { SledConnection, SledTarget } from '../fleet-client/sled-connection.ts';

/** Enough for a sled to list a full config from slow disks; somebody waits for the answer. */
export const RECOVERY_ANSWER_TIMEOUT_MS = 20_000;

type AskDeps = { readonly connection: Pick<SledConnection, 'list'>; readonly clock: Clock };

export const askSleds = async (
  deps: AskDeps,
  targets: readonly SledTarget[],
  { log, signal }: { readonly log: Logger; readonly signal: AbortSignal },
): Promise<readonly AskedSled[]> => {
  const timeout = deps.clock.timeout(RECOVERY_ANSWER_TIMEOUT_MS);
  const answers = await Promise.all(
    targets.map(async target => {
      const answer = await askSled(deps.connection, target, { log, timeout, signal });
      return { id: target.id, serial: target.serial, answer };
    }),
  );
  signal.throwIfAborted();
  return answers;
};

const askSled = async (
  connection: AskDeps['connection'],
  target: SledTarget,
  { log, timeout, signal }: { log: Logger; timeout: AbortSignal; signal: AbortSignal },
): Promise<AskedSled['answer']> => {
  try {
    const list = await connection.list(target, { signal: AbortSignal.any([signal, timeout]) });
    const held = Object.entries(list.list).flatMap(([hash, copies]) => {
      if (isArtifactHash(hash)) return copies > 0 ? [hash] : [];
      log.error({ sled_id: target.id, hash }, 'sled listed a bogus hash, skipped');
      return [];
    });
    return { kind: 'claim', generation: list.generation, digest: list.config_digest, held };
  } catch (error) {
    const code = errorCodeOf(error);
    if (code === 'NO_ARTIFACT_CONFIG') return { kind: 'no_config' };
    const message = timeout.aborted ? 'does not answer in time' : messageChain(error);
    return { kind: code === 'PEER_BAD_ANSWER' ? 'bad_answer' : 'silent', message };
  }
};
