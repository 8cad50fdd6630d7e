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

/** A plain sled is reached at the approved address alone, whatever its row says (STR1). */
const sledTarget = (sled: SledRecord, others: Scheme): SledTarget => {
  const { plainAddress } = sled;
  const registered = splitAddress(sled.info.agentAddress);
  const agent = plainAddress === undefined ? registered : { ...registered, host: plainAddress };
  const scheme = plainAddress === undefined ? others : 'http';
  const expected = { kind: 'sled', id: sled.id } as const;
  return {
    id: sled.id,
    serial: sled.info.baseboard.serial,
    agent: endpoint(scheme, agent, expected),
    depot: endpoint(scheme, { host: agent.host, port: sled.info.depotPort }, expected),
    ...(plainAddress !== undefined && { isPlain: true }),
    heads: sled.info.heads ?? null,
  };
};
