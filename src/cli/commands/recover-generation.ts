import type { Command } from 'commander';
import type { GenerationRecovery, RecoverGeneration } from '../../api/operator-recovery-api.ts';
import { ArtifactHash, isArtifactHash, pointsNamed, type SledId, SystemVersion } from '../../core/ids.ts';
import { MAX_ACCEPTED_POINTS } from '../../core/statement.ts';
import { DepotError } from '../../lib/errors.ts';
import { ADMIN_KEY_OPTION, type AdminKeyOptions } from '../connection/admin-key-file.ts';
import { withRemoteOptions } from '../connection/connection.ts';
import { type Depot, withDepot } from '../connection/depot-client.ts';
import { findSled } from '../connection/find-sled.ts';
import { sendStatement, signerIfNeeded } from '../connection/statements.ts';
import { recoveryLines } from '../output/recovery.ts';
import { present, type Session } from '../session/session.ts';

type RecoverOptions = AdminKeyOptions & {
  readonly apply?: true;
  readonly exclude: readonly string[];
  readonly giveUp: readonly string[];
};

const collected = (name: string, before: readonly string[]): string[] => [...before, name];

export const addRecoverGeneration = (parent: Command, session: Session): void => {
  withRemoteOptions(
    parent
      .command('generation')
      .description(
        'for a database that was restored or lost commits in a failover, while sleds hold configs that it does not know: show what is undecided, and with --apply recover; changes nothing without --apply, and is idempotent',
      )
      .option(
        '--apply',
        'record these configs as known, so that the sleds that hold them follow the database again',
      )
      .option(
        '--exclude <sled>',
        'id or serial number of a sled whose config does not count; may be repeated',
        collected,
        [],
      )
      .option(
        '--give-up <name>',
        'with --apply: let sleds delete this: a SHA-256, the version of a deleted release, or GENERATION:DIGEST for all of a config; may be repeated',
        collected,
        [],
      )
      .option(...ADMIN_KEY_OPTION),
    'tuf-depot recover generation\ntuf-depot recover generation --apply --exclude BRM42220031',
  ).action(async (options: RecoverOptions) => {
    const recovery = await withDepot(session, options, depot => recover(session, depot, options));
    present(session, options, recovery, () => recoveryLines(session.terminal, recovery));
  });
};

const recover = async (
  session: Session,
  depot: Depot,
  options: RecoverOptions,
): Promise<GenerationRecovery> => {
  const excluded: SledId[] = [];
  for (const name of options.exclude) excluded.push((await findSled(depot, name)).id);
  const query = excluded.length === 0 ? {} : { exclude_sleds: excluded.join(',') };
  const found = await depot.recovery.generationRecoveryView({ query });
  // When the same command runs again, the names that it gave up the first time no longer exist.
  const names = found.state === 'not_needed' ? [] : options.giveUp;
  const giveUp = names.map(name => parseGivenUp(name, found));
  if (options.apply !== true) return found;
  await acceptPoints(session, depot, options, found);
  const body = {
    expected_generation: found.generation,
    to: found.to ?? found.generation,
    exclude_sleds: excluded,
    give_up: {
      artifacts: giveUp.flatMap(each => each.artifacts ?? []),
      points: giveUp.flatMap(each => each.points ?? []),
      releases: giveUp.flatMap(each => each.releases ?? []),
    },
  };
  return await depot.recovery.generationRecover({ body });
};

/**
 * Sleds that believe an admin key adopt what is recovered only if it accepts their points. They are signed first, so that a failure
 * leaves the recovery to be repeated: a statement about points that no recovery has decided on changes nothing by itself.
 */
const acceptPoints = async (
  session: Session,
  depot: Depot,
  options: RecoverOptions,
  { points }: GenerationRecovery,
): Promise<void> => {
  if (points.length === 0) return;
  const signer = await signerIfNeeded(session, options, depot);
  if (signer === undefined) return;
  const all = points.map(({ generation, config_digest: digest }) => ({ generation, digest }));
  for (let from = 0; from < all.length; from += MAX_ACCEPTED_POINTS) {
    const content = { kind: 'accept_points', points: all.slice(from, from + MAX_ACCEPTED_POINTS) } as const;
    await sendStatement(depot, signer, content, session.clock.nowMs());
  }
};

/** A point may be named by a prefix of its digest. */
const parseGivenUp = (
  name: string,
  { points }: GenerationRecovery,
): NonNullable<RecoverGeneration['give_up']> => {
  if (isArtifactHash(name)) return { artifacts: [ArtifactHash.parse(name)] };
  const version = SystemVersion.safeParse(name);
  if (version.success) return { releases: [version.data] };
  const texts = points.map(({ generation, config_digest: digest }) => `${generation}:${digest}`);
  const matching = pointsNamed(texts, name);
  if (matching.length === 1) return { points: matching };
  const among = texts.length === 0 ? '' : ` (known: ${texts.join(', ')})`;
  throw new DepotError(
    'INVALID_REQUEST',
    `--give-up ${name}: neither a SHA-256 nor a version, and ${matching.length === 0 ? 'no' : 'more than one'} config of another history has this name${among}`,
  );
};
