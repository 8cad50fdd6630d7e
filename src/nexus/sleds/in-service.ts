/** The addresses of the in-service sleds. */
import { httpEndpoint, splitAddress } from '../../lib/endpoint.ts';
import type { SledTarget } from '../../sled-client/sled-connection.ts';
import { inServiceRecords } from '../datastore/in-service.ts';
import type { SledPort, SledRecord } from '../datastore/ports/sled-port.ts';

export const inServiceTargets = async (
  datastore: Pick<SledPort, 'sledList'>,
  signal: AbortSignal,
): Promise<readonly SledTarget[]> => (await inServiceRecords(datastore, signal)).map(sledTarget);

const sledTarget = (sled: SledRecord): SledTarget => {
  const agent = splitAddress(sled.info.agentAddress);
  return {
    id: sled.id,
    serial: sled.info.baseboard.serial,
    agent: httpEndpoint(agent, sled.id),
    depot: httpEndpoint({ host: agent.host, port: sled.info.depotPort }, sled.id),
    heads: sled.heads,
  };
};
