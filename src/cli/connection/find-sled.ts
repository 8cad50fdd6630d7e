import type { SledView } from '../../api/operator-fleet-api.ts';
import { SledId } from '../../core/ids.ts';
import { DepotError } from '../../lib/errors.ts';
import type { Depot } from './depot-client.ts';

/** By id, or by serial number if only one sled has it. */
export const findSled = async (depot: Depot, name: string): Promise<SledView> => {
  const id = SledId.safeParse(name);
  if (id.success) return depot.fleet.sledView({ params: { sled_id: id.data } });
  const named = (await depot.allSleds()).filter(sled => sled.serial === name);
  const [only] = named;
  if (only !== undefined && named.length === 1) return only;
  const problem = named.length === 0 ? 'there is no sled with' : `${named.length} sleds have`;
  throw new DepotError('NOT_FOUND', `${problem} the id or serial number ${name}`, {
    detail: { remedy: 'tuf-depot sled list shows the ids' },
  });
};
