import type { Command } from 'commander';
import { TrustRootId } from '../../core/ids.ts';
import { parseId } from '../arguments/id.ts';
import { type RemoteOptions, withRemoteOptions } from '../connection/connection.ts';
import { withDepot } from '../connection/depot-client.ts';
import { factLines } from '../output/table.ts';
import { present, type Session } from '../session/session.ts';
import { describeRoot, rootLines } from '../trust/root-description.ts';

export const parseTrustRootId = (text: string): TrustRootId =>
  parseId(TrustRootId, text, 'a trust root', 'tuf-depot trust-root list');

export const addTrustRootShow = (parent: Command, session: Session): void => {
  withRemoteOptions(
    parent.command('show').description('one trust root: its keys and thresholds').argument('<id>'),
    'tuf-depot trust-root show 5f0c7c52-3a1e-4b44-9d0e-0a51b0a5a1c7',
  ).action(async (id: string, options: RemoteOptions) => {
    const params = { trust_root_id: parseTrustRootId(id) };
    const root = await withDepot(session, options, depot => depot.updates.trustRootView({ params }));
    const style = session.terminal.outStyle;
    const described = describeRoot(root.root_role);
    present(session, options, { ...root, root_sha256: described.digest }, () => [
      ...factLines(
        [
          ['trust root', style.bold(root.id)],
          ['added', root.time_created],
        ],
        style,
      ),
      ...rootLines(described, style),
    ]);
  });
};
