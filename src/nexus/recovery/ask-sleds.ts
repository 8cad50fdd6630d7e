/**
 * The points that every in-service sled has, asked now: each sled for itself, and never for longer than a bounded time
 * (G8). Nothing is put to a sled, so that looking changes nothing.
 */
import type { AskedSled } from '../../core/recovery.ts';
import type { SledReport } from '../../core/sled-report.ts';
import type { Clock } from '../../lib/clock.ts';
import { errorCodeOf, messageChain } from '../../lib/errors.ts';
import type { SledConnection, SledTarget } from '../../sled-client/sled-connection.ts';

/** Enough for a sled to list a full config from slow disks; an operator waits for the answer. */
export const RECOVERY_ANSWER_TIMEOUT_MS = 20_000;

type AskDeps = { readonly connection: Pick<SledConnection, 'list' | 'config'>; readonly clock: Clock };

export const askSleds = async (
  deps: AskDeps,
  targets: readonly SledTarget[],
  { signal }: { readonly signal: AbortSignal },
): Promise<readonly AskedSled[]> => {
  const timeout = deps.clock.timeout(RECOVERY_ANSWER_TIMEOUT_MS);
  const answers = await Promise.all(
    targets.map(async target => {
      const answer = await askForPoints(deps.connection, target, { timeout, signal });
      return { id: target.id, serial: target.serial, answer };
    }),
  );
  signal.throwIfAborted();
  return answers;
};

const askForPoints = async (
  connection: AskDeps['connection'],
  target: SledTarget,
  { timeout, signal }: { timeout: AbortSignal; signal: AbortSignal },
): Promise<AskedSled['answer']> => {
  const wait = { signal: AbortSignal.any([signal, timeout]) };
  try {
    if (target.heads === null) {
      const { generation, digest } = await connection.config(target, wait);
      return { kind: 'points', own: { generation, digest, hasLineage: false }, kept: [] };
    }
    return pointsOf(await connection.list(target, wait));
  } catch (error) {
    const code = errorCodeOf(error);
    // A sled without a config, or in doubt about it, lists nothing, but has registered its heads.
    if (code === 'NO_ARTIFACT_CONFIG' || code === 'AWAITING_FLOOR') return fromHeads(target);
    const message = timeout.aborted ? 'does not answer in time' : messageChain(error);
    return { kind: code === 'PEER_BAD_ANSWER' ? 'bad_answer' : 'silent', message };
  }
};

const pointsOf = ({ generation, digest, hasLineage, pointsKept = [] }: SledReport): AskedSled['answer'] => {
  if (digest === undefined) return { kind: 'bad_answer', message: 'it names no digest' };
  return {
    kind: 'points',
    own: { generation, digest, hasLineage },
    kept: pointsKept.map(point => ({ ...point, hasLineage: true })),
  };
};

/** As registered: the highest point on its datasets, and every other one. */
const fromHeads = ({ heads }: SledTarget): AskedSled['answer'] => {
  const all = (heads ?? []).toSorted((a, b) => b.generation - a.generation);
  const [own, ...others] = all.filter(({ isKept }) => !isKept);
  return { kind: 'points', own, kept: [...others, ...all.filter(({ isKept }) => isKept)] };
};
