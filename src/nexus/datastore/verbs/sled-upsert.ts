import { type Insertable, type Selectable, sql } from 'kysely';
import type { SledAgentInfo } from '../../../api/internal-api.ts';
import { DepotError } from '../../../lib/errors.ts';
import type { Datastore, SledRecord } from '../datastore.ts';
import { toSledRecord } from '../records.ts';
import type { Tables } from '../tables.ts';
import type { Transactions } from '../transactions.ts';
import { readGeneration } from '../wanted-set.ts';

type SledRow = Selectable<Tables['sled']>;

export const sledUpsert =
  (transactions: Transactions): Datastore['sledUpsert'] =>
  (id, info, wait) =>
    transactions.write(
      'sled_upsert',
      async (db, { repeated }) => {
        const { generation: floor } = await readGeneration(db);
        const row = await db.selectFrom('sled').selectAll().where('id', '=', id).executeTakeFirst();
        if (row?.policy === 'expunged') {
          throw new DepotError(
            'SLED_DECOMMISSIONED',
            `sled ${id} is expunged: set its policy to in_service before it registers again`,
          );
        }
        if (row !== undefined && info.generation < row.registration_generation) {
          return { changed: false, stale: true, floor };
        }
        await (row === undefined
          ? db
              .insertInto('sled')
              .values({ id, ...columnsOf(info) })
              .execute()
          : db
              .updateTable('sled')
              .set({ ...columnsOf(info), time_last_registered: sql<Date>`now()` })
              .where('id', '=', id)
              .execute());
        // After an uncertain commit the row says nothing of what it was before: one activation too many is harmless.
        const changed = repeated || row === undefined || hasMoved(row, info);
        return { changed, stale: false, floor };
      },
      wait,
    );

const columnsOf = (info: SledAgentInfo): Omit<Insertable<Tables['sled']>, 'id'> => ({
  sled_agent_address: info.sa_address,
  repo_depot_port: info.repo_depot_port,
  role: info.role,
  serial: info.baseboard.serial,
  part: info.baseboard.part,
  revision: info.baseboard.revision,
  usable_hardware_threads: info.usable_hardware_threads,
  usable_physical_ram_bytes: info.usable_physical_ram,
  reservoir_size_bytes: info.reservoir_size,
  cpu_family: info.cpu_family,
  registration_generation: info.generation,
  decommissioned: info.decommissioned,
  incarnation_id: info.incarnation_id ?? null,
  datasets: info.datasets === undefined ? null : JSON.stringify(info.datasets),
});

/** What replication sees of a sled: where it is, its life, which datasets are usable, and which copies went bad. */
const hasMoved = (row: SledRow, info: SledAgentInfo): boolean => {
  const before = toSledRecord(row);
  return (
    before.info.sa_address !== info.sa_address ||
    before.info.repo_depot_port !== info.repo_depot_port ||
    before.incarnationId !== (info.incarnation_id ?? null) ||
    before.info.decommissioned !== info.decommissioned ||
    datasetStates(before.datasets) !== datasetStates(info.datasets ?? [])
  );
};

const datasetStates = (datasets: SledRecord['datasets']): string =>
  JSON.stringify(
    datasets.map(({ id, path, state, quota_bytes, quarantined, time_last_quarantined }) => [
      id,
      path,
      state,
      quota_bytes ?? null,
      quarantined ?? 0,
      time_last_quarantined ?? null,
    ]),
  );
