import type { Command } from 'commander';
import { SledTransportName } from '../../api/operator-fleet-api.ts';
import { type RemoteOptions, withRemoteOptions } from '../connection/connection.ts';
import { withDepot } from '../connection/depot-client.ts';
import { findSledOrJoined } from '../connection/find-sled.ts';
import { usageError } from '../output/failure.ts';
import { present, type Session } from '../session/session.ts';

type TransportOptions = RemoteOptions & { readonly address?: string };

export const addSledSetTransport = (parent: Command, session: Session): void => {
  withRemoteOptions(
    parent
      .command('set-transport')
      .description(
        'approve a sled that has no identity to speak plain HTTP at one address, or end that; name a sled that has not registered by its id',
      )
      .argument('<sled>', 'id or serial number')
      .argument('<transport>', 'plain or tls')
      .option('--address <ip>', 'at which it is approved; by default the one with which it registered'),
    'tuf-depot sled set-transport BRM42220031 plain',
  ).action(async (name: string, text: string, options: TransportOptions) => {
    const transport = parseTransport(text, options);
    const set = await withDepot(session, options, async depot => {
      const { id } = await findSledOrJoined(depot, name);
      const body = { transport, ...(options.address !== undefined && { address: options.address }) };
      return await depot.fleet.sledSetTransport({ params: { sled_id: id }, body });
    });
    present(session, options, set, () =>
      set.address === undefined
        ? [`Sled ${name} has to identify itself.`]
        : [
            `Sled ${name} may register without an identity from ${set.address}, and is sent plain HTTP there.`,
            'Whoever reaches that network can read, change and order everything between it and a Nexus. A registration with an identity ends this.',
          ],
    );
  });
};

const parseTransport = (text: string, { address }: TransportOptions): SledTransportName => {
  const transport = SledTransportName.safeParse(text).data;
  if (transport === undefined) throw usageError(`${text} is not a transport`, 'use plain or tls');
  if (transport === 'tls' && address !== undefined)
    throw usageError('--address belongs to plain', 'leave it out');
  return transport;
};
