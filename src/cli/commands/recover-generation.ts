import type { Command } from 'commander';
import type { GenerationRecovery } from '../../api/operator-recovery-api.ts';
import type { SledId } from '../../core/ids.ts';
import { DepotError } from '../../lib/errors.ts';
import { type RemoteOptions, withRemoteOptions } from '../connection.ts';
import { type Depot, withDepot } from '../depot-client.ts';
import { recoveryLines } from '../output/recovery.ts';
import { present, type Session } from '../session.ts';
import { findSled } from './sled-show.ts';

type RecoverOptions = RemoteOptions & {
  readonly apply?: true;
  readonly exclude: readonly string[];
  readonly letGoOfUnknownArtifacts?: true;
};

export const addRecoverGeneration = (parent: Command, session: Session): void => {
  withRemoteOptions(
    parent
      .command('generation')
      .description(
        'sleds are ahead of the database, since it was restored or reset: explain what there is to do, and with --apply do it; changes nothing otherwise, and nothing when run again',
      )
      .option('--apply', 'raise the generation above what the sleds claim, so that they follow the database')
      .option(
        '--exclude <sled>',
        'id or serial number of a sled whose claim is not counted; may be repeated',
        (name: string, before: readonly string[]) => [...before, name],
        [],
      )
      .option(
        '--let-go-of-unknown-artifacts',
        'with --apply: sleds may remove artifacts that no release in the database lists',
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
  if (options.apply !== true || found.state === 'not_needed') return found;
  if (found.to === null) throw noGenerationLeft(found);
  return await depot.recovery.generationRecover({
    body: {
      expected_generation: found.generation,
      to: found.to,
      exclude_sleds: excluded,
      confirm_unknown_artifacts: options.letGoOfUnknownArtifacts === true,
    },
  });
};

const noGenerationLeft = ({ obstacles }: GenerationRecovery): DepotError =>
  new DepotError(
    'RECOVERY_NO_GENERATION_LEFT',
    obstacles.map(({ message }) => message).join('; ') || 'there is no generation above what sleds claim',
  );
