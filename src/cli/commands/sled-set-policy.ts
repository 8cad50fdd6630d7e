import type { Command } from 'commander';
import type { Policy } from '../../core/facts/event.ts';
import { spaced } from '../../core/facts/phrase.ts';
import { type RemoteOptions, withRemoteOptions } from '../connection/connection.ts';
import { withDepot } from '../connection/depot-client.ts';
import { findSled } from '../connection/find-sled.ts';
import { usageError } from '../output/failure.ts';
import { present, type Session } from '../session/session.ts';

export const addSledSetPolicy = (parent: Command, session: Session): void => {
  withRemoteOptions(
    parent
      .command('set-policy')
      .description('put a sled in service, or expunge it: an expunged sled does not count')
      .argument('<sled>', 'id or serial number')
      .argument('<policy>', 'in-service or expunged'),
    'tuf-depot sled set-policy BRM42220031 expunged',
  ).action(async (name: string, policyText: string, options: RemoteOptions) => {
    const policy = parsePolicy(policyText);
    const sled = await withDepot(session, options, async depot => {
      const found = await findSled(depot, name);
      await depot.fleet.sledSetPolicy({ params: { sled_id: found.id }, body: { policy } });
      return found;
    });
    present(session, options, { sled_id: sled.id, serial: sled.serial, policy }, () => [
      `Sled ${sled.serial} (${sled.id}) is ${spaced(policy)}.`,
    ]);
  });
};

const parsePolicy = (text: string): Policy => {
  switch (text) {
    case 'in-service':
    case 'in_service':
      return 'in_service';
    case 'expunged':
      return 'expunged';
    default:
      throw usageError(`${text} is not a policy`, 'use in-service or expunged');
  }
};
