import { type Insertable, sql } from 'kysely';
import type { SledRegistration } from '../../../../core/sled-registration.ts';
import { datasetBody } from '../../../../sled-wire/dataset.ts';
import { headBody } from '../../../../sled-wire/registration.ts';
import { databaseNow } from '../../database-time.ts';
import {
  admitRegistration,
  isChange,
  joinedOnly,
  requireKeyOfOne,
  requireKnown,
  requireSerialOfKey,
} from '../../decisions/registration.ts';
import { judgeTransport } from '../../decisions/sled-transport.ts';
import type { SledPort } from '../../ports/sled-port.ts';
import { toSledRecord } from '../../records.ts';
import type { Tables } from '../../tables.ts';
import type { Transactions } from '../../transactions.ts';
import { readRecordedPoints } from '../wanted-set/point-rows.ts';
import { readGeneration } from '../wanted-set/wanted-set-rows.ts';
import { readKeyHolders, readSerialOfKey } from './key-rows.ts';
import { deletePlainApproval, readPlainAddress } from './plain-rows.ts';
import { readJoinedPolicy } from './policy-rows.ts';

export const sledUpsert =
  (transactions: Transactions): SledPort['sledUpsert'] =>
  (id, info, { plainFrom, publicKeySha256, signal }) =>
    transactions.write(
      'sled_upsert',
      async (db, { repeated }) => {
        const approved = await readPlainAddress(db, id);
        const endedPlainAddress = judgeTransport(id, { approved, plainFrom }, info);
        const floor = await readGeneration(db);
        const lineage = await readRecordedPoints(db, info.heads ?? []);
        const row = await db
          .selectFrom('sled')
          .selectAll()
          .select(databaseNow.as('now_ms'))
          .where('id', '=', id)
          .executeTakeFirst();
        const registered = row && {
          policy: row.policy,
          generation: row.registration_generation,
          registeredAgoMs: row.now_ms - row.time_last_registered,
        };
        const known = registered ?? joinedOnly(await readJoinedPolicy(db, id));
        requireKnown(id, known, publicKeySha256, info);
        if (admitRegistration(id, known, info) === 'stale')
          return { changed: false, stale: true, floor, lineage };
        if (publicKeySha256 !== undefined && publicKeySha256 !== row?.public_key_sha256)
          requireKeyOfOne(id, await readKeyHolders(db, publicKeySha256));
        requireSerialOfKey(id, await readSerialOfKey(db, publicKeySha256), info);
        const columns = columnsOf(info, publicKeySha256);
        if (endedPlainAddress !== undefined) await deletePlainApproval(db, id);
        await (row === undefined
          ? db
              .insertInto('sled')
              .values({ id, ...columns })
              .execute()
          : db
              .updateTable('sled')
              .set({ ...columns, time_last_registered: sql<Date>`now()` })
              .where('id', '=', id)
              .execute());
        return {
          changed: isChange(row && toSledRecord(row), info, { repeated }) || endedPlainAddress !== undefined,
          stale: false,
          floor,
          lineage,
          ...(endedPlainAddress !== undefined && { endedPlainAddress }),
        };
      },
      { signal },
    );

/** @param publicKeySha256 undefined for a registration without a key, which changes nothing of it */
const columnsOf = (
  info: SledRegistration,
  publicKeySha256: string | undefined,
): Omit<Insertable<Tables['sled']>, 'id'> => ({
  ...(publicKeySha256 !== undefined && { public_key_sha256: publicKeySha256 }),
  sled_agent_address: info.agentAddress,
  repo_depot_port: info.depotPort,
  role: info.role,
  serial: info.baseboard.serial,
  part: info.baseboard.part,
  revision: info.baseboard.revision,
  usable_hardware_threads: info.hardwareThreads,
  usable_physical_ram_bytes: info.physicalRamBytes,
  reservoir_size_bytes: info.reservoirBytes,
  cpu_family: info.cpuFamily,
  registration_generation: info.generation,
  decommissioned: info.isDecommissioned,
  incarnation_id: info.incarnationId ?? null,
  datasets: info.datasets === undefined ? null : JSON.stringify(info.datasets.map(datasetBody)),
  heads: info.heads === undefined ? null : JSON.stringify(info.heads.map(headBody)),
});
