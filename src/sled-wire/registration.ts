/** A registration on the wire, and back; its parts also as the row of a sled keeps them. */
import { z } from 'zod';
import { MAX_DATASET_MESSAGE_CHARS, MAX_HEADS, type SledAgentInfo, SledHead } from '../api/internal-api.ts';
import type { RegisteredHead } from '../core/lineage.ts';
import type { SledRegistration } from '../core/sled-registration.ts';
import type { DatasetHealth } from '../core/sled-report.ts';
import { datasetBody, datasetOf } from './dataset.ts';

export const registrationOf = (info: SledAgentInfo): SledRegistration => ({
  agentAddress: info.sa_address,
  depotPort: info.repo_depot_port,
  role: info.role,
  baseboard: info.baseboard,
  hardwareThreads: info.usable_hardware_threads,
  physicalRamBytes: info.usable_physical_ram,
  reservoirBytes: info.reservoir_size,
  cpuFamily: info.cpu_family,
  generation: info.generation,
  isDecommissioned: info.decommissioned,
  incarnationId: info.incarnation_id,
  datasets: info.datasets?.map(datasetOf),
  heads: info.heads?.map(headOf),
});

/** Unknown fields are omitted. */
export const registrationBody = (sled: SledRegistration): SledAgentInfo => ({
  sa_address: sled.agentAddress,
  repo_depot_port: sled.depotPort,
  role: sled.role,
  baseboard: sled.baseboard,
  usable_hardware_threads: sled.hardwareThreads,
  usable_physical_ram: sled.physicalRamBytes,
  reservoir_size: sled.reservoirBytes,
  cpu_family: sled.cpuFamily,
  generation: sled.generation,
  decommissioned: sled.isDecommissioned,
  ...(sled.incarnationId !== undefined && { incarnation_id: sled.incarnationId }),
  ...(sled.datasets !== undefined && { datasets: sled.datasets.map(registeredDataset) }),
  ...(sled.heads !== undefined && { heads: sled.heads.slice(0, MAX_HEADS).map(headBody) }),
});

/** A message is cut, and made one that a database stores, so that the registration is not refused for it. */
const registeredDataset = (dataset: DatasetHealth): NonNullable<SledAgentInfo['datasets']>[number] => {
  const { message, ...body } = datasetBody(dataset);
  if (message === undefined) return body;
  const whole = message.slice(0, MAX_DATASET_MESSAGE_CHARS).toWellFormed().replaceAll('\u0000', ' ');
  return { ...body, message: whole };
};

const headOf = ({ generation, config_digest: digest, lineage, kept }: SledHead): RegisteredHead => ({
  generation,
  digest,
  hasLineage: lineage,
  isKept: kept,
});

export const headBody = ({ generation, digest, hasLineage, isKept }: RegisteredHead): SledHead => ({
  generation,
  config_digest: digest,
  lineage: hasLineage,
  kept: isKept,
});

/** Of JSON that {@link headBody} made. */
export const StoredHeads = z.array(SledHead.transform(headOf));
