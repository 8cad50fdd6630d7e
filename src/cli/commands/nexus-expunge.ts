import type { Command } from 'commander';
import { parseNexusId } from '../arguments/id.ts';
import { type RemoteOptions, withRemoteOptions } from '../connection/connection.ts';
import { withDepot } from '../connection/depot-client.ts';
import { present, type Session } from '../session/session.ts';

export const addNexusExpunge = (parent: Command, session: Session): void => {
  withRemoteOptions(
    parent
      .command('expunge')
      .description(
        'expunge a Nexus that is gone for good: its archives no longer count as copies, and nothing puts it in service again',
      )
      .argument('<id>')
      .option(
        '--compromised',
        'somebody else has its key: revoke it at once, although it runs or the database does not know it; switch its machine off first',
      ),
    'tuf-depot nexus expunge 5f0c7c52-3a1e-4b44-9d0e-0a51b0a5a1c7',
  ).action(async (text: string, options: RemoteOptions & { readonly compromised?: boolean }) => {
    const id = parseNexusId(text);
    const params = { nexus_id: id };
    const query = options.compromised === true ? { compromised: 'true' as const } : {};
    await withDepot(session, options, depot => depot.fleet.nexusExpunge({ params, query }));
    present(session, options, { expunged: id }, () => [`Nexus ${id} is expunged.`]);
  });
};
