import type { Command } from 'commander';
import type { Policy } from '../../core/facts/event.ts';
import { spaced } from '../../core/facts/phrase.ts';
import { type RemoteOptions, withRemoteOptions } from '../connection/connection.ts';
import { withDepot } from '../connection/depot-client.ts';
import { findSledOrJoined } from '../connection/find-sled.ts';
import { usageError } from '../output/failure.ts';
import { present, type Session } from '../session/session.ts';

export const addSledSetPolicy = (parent: Command, session: Session): void => {
  withRemoteOptions(
    parent
      .command('set-policy')
      .description(
        'put a sled in service, or expunge it: an expunged sled does not count, and one that only joined cannot register',
      )
      .argument('<sled>', 'id or serial number')
      .argument('<policy>', 'in-service or expunged'),
    'tuf-depot sled set-policy BRM42220031 expunged',
  ).action(async (name: string, policyText: string, options: RemoteOptions) => {
    const policy = parsePolicy(policyText);
    const sled = await withDepot(session, options, async depot => {
      const found = await findSledOrJoined(depot, name);
      await depot.fleet.sledSetPolicy({ params: { sled_id: found.id }, body: { policy } });
      return { ...found, wasExpunged: 'policy' in found && found.policy === 'expunged' };
    });
    const { id, serial, wasExpunged } = sled;
    const data = { sled_id: id, ...(serial !== undefined && { serial }), policy };
    present(session, options, data, () => [
      `Sled ${serial === undefined ? id : `${serial} (${id})`} is ${spaced(policy)}.`,
      ...(wasExpunged && policy === 'in_service' ? [certificateHint(serial ?? id)] : []),
    ]);
  });
};

const certificateHint = (serial: string): string =>
  `If it identifies itself, it needs a new certificate, since expunging revoked its old one: tuf-depot sled invite --sled ${serial}`;

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
