import type { Command } from 'commander';
import type { GenerationRecovery, RecoverGeneration } from '../../api/operator-recovery-api.ts';
import { ArtifactHash, isArtifactHash, pointsNamed, type SledId, SystemVersion } from '../../core/ids.ts';
import { DepotError } from '../../lib/errors.ts';
import { type RemoteOptions, withRemoteOptions } from '../connection.ts';
import { type Depot, withDepot } from '../depot-client.ts';
import { recoveryLines } from '../output/recovery.ts';
import { present, type Session } from '../session.ts';
import { findSled } from './sled-show.ts';

type RecoverOptions = RemoteOptions & {
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
        'the database was restored or failed over without some of its commits, and sleds hold configs that it does not know: explain what there is to decide, and with --apply do it; changes nothing otherwise, and nothing when run again',
      )
      .option(
        '--apply',
        'record these configs as known, so that the sleds that hold them follow the database',
      )
      .option(
        '--exclude <sled>',
        'id or serial number of a sled whose config does not count; may be repeated',
        collected,
        [],
      )
      .option(
        '--give-up <name>',
        'with --apply: what may be deleted: a SHA-256, the version of a deleted release, or GENERATION:DIGEST for all of a config; may be repeated',
        collected,
        [],
      ),
    'tuf-depot recover generation\ntuf-depot recover generation --apply --exclude BRM42220031',
  ).action(async (options: RecoverOptions) => {
    const recovery = await withDepot(session, options, depot => recover(depot, options));
    present(session, options, recovery, () => recoveryLines(session.terminal, recovery));
  });
};

const recover = async (depot: Depot, options: RecoverOptions): Promise<GenerationRecovery> => {
  const excluded: SledId[] = [];
  for (const name of options.exclude) excluded.push((await findSled(depot, name)).id);
  const query = excluded.length === 0 ? {} : { exclude_sleds: excluded.join(',') };
  const found = await depot.recovery.generationRecoveryView({ query });
  // What was given up the first time is not there any more when the same command is run again.
  if (found.state === 'not_needed') return found;
  const giveUp = options.giveUp.map(name => parseGivenUp(name, found));
  if (options.apply !== true) return found;
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

/** A point may be named by the beginning of its digest. */
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
  const among = texts.length === 0 ? '' : ` (there are: ${texts.join(', ')})`;
  throw new DepotError(
    'INVALID_REQUEST',
    `--give-up ${name}: this is no SHA-256, no version, and ${matching.length === 0 ? 'no' : 'more than one'} config of another history${among}`,
  );
};
