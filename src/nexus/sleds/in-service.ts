/** The sleds that count: in service by policy, whether they answer or not (S23). */

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
  const { host, port } = parseSocketAddress(sled.info.agentAddress);
  return {
    id: sled.id,
    serial: sled.info.baseboard.serial,
    agentBaseUrl: httpUrl(host, port),
    depotBaseUrl: httpUrl(host, sled.info.depotPort),
    heads: sled.heads,
  };
};

/** A socket address as registered, split; IPv6 hosts are in brackets on the wire and bare here. */
const parseSocketAddress = (text: string): { host: string; port: number } => {
  const at = text.lastIndexOf(':');
  return { host: text.slice(0, at).replace(/^\[|\]$/g, ''), port: Number(text.slice(at + 1)) };
};

const httpUrl = (host: string, port: number): string =>
  `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
