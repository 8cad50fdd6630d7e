/** What a sled agent says of itself when it registers, and what a Nexus answers. */
import type { Generation, IncarnationId } from './ids.ts';
import type { RegisteredHead } from './lineage.ts';
import type { DatasetHealth } from './sled-report.ts';

export type SledRegistration = {
  /** The agent API's address, `ip:port` or `[ip6]:port`. */
  readonly agentAddress: string;
  readonly depotPort: number;
  readonly role: 'gimlet' | 'scrimlet';
  readonly baseboard: { readonly serial: string; readonly part: string; readonly revision: number };
  readonly hardwareThreads: number;
  readonly physicalRamBytes: number;
  readonly reservoirBytes: number;
  readonly cpuFamily: 'unknown' | 'amd_milan' | 'amd_turin' | 'amd_turin_dense';
  /** Of the registration, not of the artifact config: an older one than recorded is ignored (S14). */
  readonly generation: Generation;
  readonly isDecommissioned: boolean;
  // Absent for a sled agent that is not ours.
  readonly incarnationId?: IncarnationId | undefined;
  readonly datasets?: readonly DatasetHealth[] | undefined;
  /** Present for a sled agent that compares the points of configs (P13). */
  readonly heads?: readonly RegisteredHead[] | undefined;
};

export type RegistrationAnswer = {
  /** The point of the database in that request; without a digest from a Nexus that does not compare points (P5). */
  readonly floor: { readonly generation: Generation; readonly digest: string | undefined };
  /** By the text of a point: whether the database recorded it. Undefined from a Nexus that does not report it. */
  readonly verdicts: ReadonlyMap<string, boolean> | undefined;
};
