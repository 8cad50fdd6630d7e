import type { Command } from 'commander';
import { NexusId } from '../../core/ids.ts';
import { type RemoteOptions, withRemoteOptions } from '../connection/connection.ts';
import { withDepot } from '../connection/depot-client.ts';
import { usageError } from '../output/failure.ts';
import { present, type Session } from '../session/session.ts';

export const addNexusExpunge = (parent: Command, session: Session): void => {
  withRemoteOptions(
    parent
      .command('expunge')
      .description(
        'expunge a Nexus that is gone for good: its archives no longer count as copies, and nothing puts it in service again',
      )
      .argument('<id>'),
    'tuf-depot nexus expunge 5f0c7c52-3a1e-4b44-9d0e-0a51b0a5a1c7',
  ).action(async (text: string, options: RemoteOptions) => {
    const id = NexusId.safeParse(text);
    if (!id.success)
      throw usageError(`${text} is not the id of a Nexus`, 'tuf-depot nexus list shows the ids');
    await withDepot(session, options, depot => depot.fleet.nexusExpunge({ params: { nexus_id: id.data } }));
    present(session, options, { expunged: id.data }, () => [`Nexus ${id.data} is expunged.`]);
  });
};
