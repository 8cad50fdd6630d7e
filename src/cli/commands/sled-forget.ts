import type { Command } from 'commander';
import { type RemoteOptions, withRemoteOptions } from '../connection/connection.ts';
import { withDepot } from '../connection/depot-client.ts';
import { findSledOrJoined } from '../connection/find-sled.ts';
import { present, type Session } from '../session/session.ts';

export const addSledForget = (parent: Command, session: Session): void => {
  withRemoteOptions(
    parent
      .command('forget')
      .description(
        'remove an expunged sled from the list, once it can have no valid certificate; stop its agent before, or it asks to register again',
      )
      .argument('<sled>', 'id or serial number'),
    'tuf-depot sled forget BRM42220031',
  ).action(async (name: string, options: RemoteOptions) => {
    const sled = await withDepot(session, options, async depot => {
      const found = await findSledOrJoined(depot, name);
      await depot.fleet.sledForget({ params: { sled_id: found.id } });
      return found;
    });
    const { id, serial } = sled;
    const data = { sled_id: id, ...(serial !== undefined && { serial }), forgotten: true };
    present(session, options, data, () => [
      `Sled ${serial === undefined ? id : `${serial} (${id})`} is forgotten.`,
    ]);
  });
};
