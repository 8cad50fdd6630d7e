import type { SledView } from '../../api/operator-fleet-api.ts';
import { SledId } from '../../core/ids.ts';
import { DepotError, errorCodeOf } from '../../lib/errors.ts';
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

/** A sled that joined and has not registered has an id alone; Nexus knows whether there is such a one. */
export const findSledOrJoined = async (
  depot: Depot,
  name: string,
): Promise<SledView | { readonly id: SledId; readonly serial?: string }> => {
  const id = SledId.safeParse(name);
  return await findSled(depot, name).catch((error: unknown) => {
    if (id.success && errorCodeOf(error) === 'NOT_FOUND') return { id: id.data };
    throw error;
  });
};
