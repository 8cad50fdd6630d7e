/** The sleds that count: in service by policy, whether they answer or not (S23). */
import { readAllPages } from './paging.ts';
import type { SledPort, SledRecord } from './ports/sled-port.ts';

const PAGE = 500;

export const inServiceRecords = (
  datastore: Pick<SledPort, 'sledList'>,
  signal: AbortSignal,
): Promise<readonly SledRecord[]> =>
  readAllPages(PAGE, page => datastore.sledList({ ...page, policy: 'in_service' }, { signal }));
