/** The sleds that count: in service by policy, whether they answer or not (S23). */

import { httpEndpoint, splitAddress } from '../../lib/endpoint.ts';
import type { SledTarget } from '../../sled-client/sled-connection.ts';
import type { SledPort, SledRecord } from '../datastore/ports/sled-port.ts';

const PAGE = 500;

export const inServiceTargets = async (
  datastore: Pick<SledPort, 'sledList'>,
  signal: AbortSignal,
): Promise<SledTarget[]> => {
  const targets: SledTarget[] = [];
  let pageToken: string | undefined;
  do {
    const page = await datastore.sledList({ limit: PAGE, pageToken, policy: 'in_service' }, { signal });
    targets.push(...page.items.map(sledTarget));
    pageToken = page.nextPage;
  } while (pageToken !== undefined);
  return targets;
};

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
