/** The addresses of the in-service sleds. */
import { endpoint, type Scheme, splitAddress } from '../../lib/endpoint.ts';
import type { SledConnection, SledTarget } from '../../sled-client/sled-connection.ts';
import { inServiceRecords } from '../datastore/in-service.ts';
import type { SledPort, SledRecord } from '../datastore/ports/sled-port.ts';

export const inServiceTargets = async (
  {
    datastore,
    connection,
  }: { datastore: Pick<SledPort, 'sledList'>; connection: Pick<SledConnection, 'scheme'> },
  signal: AbortSignal,
): Promise<readonly SledTarget[]> =>
  (await inServiceRecords(datastore, signal)).map(sled => sledTarget(sled, connection.scheme));

const sledTarget = (sled: SledRecord, scheme: Scheme): SledTarget => {
  const agent = splitAddress(sled.info.agentAddress);
  const expected = { kind: 'sled', id: sled.id } as const;
  return {
    id: sled.id,
    serial: sled.info.baseboard.serial,
    agent: endpoint(scheme, agent, expected),
    depot: endpoint(scheme, { host: agent.host, port: sled.info.depotPort }, expected),
    heads: sled.info.heads ?? null,
  };
};
