import { asGeneration } from '../core/ids.ts';
import type { SledAgentInfo } from './internal-api.ts';

/** The registration of one sled agent of another control plane, with the given fields. */
export const sledAgentInfo = (differing: Partial<SledAgentInfo> = {}): SledAgentInfo => ({
  sa_address: '[::1]:12345',
  repo_depot_port: 12_348,
  role: 'gimlet',
  baseboard: { serial: 'BRM42', part: '913-0000019', revision: 6 },
  usable_hardware_threads: 128,
  usable_physical_ram: 1024 ** 4,
  reservoir_size: 0,
  cpu_family: 'amd_milan',
  generation: asGeneration(1),
  decommissioned: false,
  ...differing,
});
