/** The sleds that count: in service by policy, whether they answer or not (S23). */
import type { SledPort } from '../datastore/ports/sled-port.ts';
import { sledTarget } from './http-connection.ts';
import type { SledTarget } from './sled-connection.ts';

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
