/**
 * Whether every in-service sled has the config of the database, asked now: the check of the original's debugger, by the same rules.
 *
 *     sleds asked for their configs ─▶ a later read of the database ─▶ one finding a sled
 *
 * RCK1. The database is read after the answers: a sled that is ahead of it is ahead of everything that was recorded.
 * RCK2. Configs alone are compared, and nothing is put to a sled: whether it holds the files is the status of replication.
 */
import type { ArtifactHash, Generation, SledId } from '../../core/ids.ts';
import type { Clock } from '../../lib/clock.ts';
import { messageChain } from '../../lib/errors.ts';
import type { SledConfig, SledConnection, SledTarget } from '../../sled-client/sled-connection.ts';
import type { WantedSetPort } from '../datastore/ports/wanted-set-port.ts';
import { RECOVERY_ANSWER_TIMEOUT_MS } from './ask-sleds.ts';

export type ConfigFinding =
  /** `old`: below the database, and on its way. `newer`, `other_artifacts`: of another history. */
  | { readonly state: 'ok' | 'old' | 'newer' | 'other_artifacts'; readonly generation: Generation }
  | { readonly state: 'error'; readonly error: string };

type CheckedSled = {
  readonly sledId: SledId;
  readonly serial: string;
  readonly host: string;
  readonly finding: ConfigFinding;
};

export type ReplicationCheck = { readonly generation: Generation; readonly sleds: readonly CheckedSled[] };

type Deps = {
  readonly connection: Pick<SledConnection, 'config'>;
  readonly datastore: Pick<WantedSetPort, 'wantedSet'>;
  readonly clock: Clock;
};

export const checkReplication = async (
  { connection, datastore, clock }: Deps,
  targets: readonly SledTarget[],
  { signal }: { readonly signal: AbortSignal },
): Promise<ReplicationCheck> => {
  const timeout = clock.timeout(RECOVERY_ANSWER_TIMEOUT_MS);
  const wait = { signal: AbortSignal.any([signal, timeout]) };
  const answers = await Promise.all(
    targets.map(async target => ({
      target,
      answer: await connection
        .config(target, wait)
        .catch((error: unknown) => (timeout.aborted ? 'does not answer in time' : messageChain(error))),
    })),
  );
  signal.throwIfAborted();
  const { generation, artifacts } = await datastore.wantedSet({ signal });
  return {
    generation,
    sleds: answers.map(({ target, answer }) => ({
      ...{ sledId: target.id, serial: target.serial, host: target.agent.host },
      finding: findingOf(answer, generation, artifacts),
    })),
  };
};

const findingOf = (
  answer: SledConfig | string,
  generation: Generation,
  wanted: ReadonlyMap<ArtifactHash, number>,
): ConfigFinding => {
  if (typeof answer === 'string') return { state: 'error', error: answer };
  const { generation: held, artifacts } = answer;
  if (held !== generation) return { state: held < generation ? 'old' : 'newer', generation: held };
  const isSame = artifacts.size === wanted.size && artifacts.values().every(hash => wanted.has(hash));
  return { state: isSame ? 'ok' : 'other_artifacts', generation: held };
};

/** As the original's debugger words it. */
export const findingText = (finding: ConfigFinding, generation: Generation): string => {
  switch (finding.state) {
    case 'ok':
      return 'OK';
    case 'old':
      return `OLD: nexus's ${generation} > sled's ${finding.generation}`;
    case 'newer':
      return `BAD: nexus's ${generation} < sled's ${finding.generation}`;
    case 'other_artifacts':
      return `BAD: nexus's ${generation} = sled's ${finding.generation} with incorrect artifacts`;
    case 'error':
      return `ERROR: ${finding.error}`;
    default:
      return finding satisfies never;
  }
};
