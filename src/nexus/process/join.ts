/** A machine joins the fleet as a Nexus (`tuf-depot nexus join`): src/join/join-fleet.ts. */
import { NexusId } from '../../core/ids.ts';
import { type Joined, type JoinOptions, joinFleet } from '../../join/join-fleet.ts';
import { DepotError } from '../../lib/errors.ts';
import { realDisk } from '../../lib/real-disk.ts';
import { presentNexusId } from '../releases/staging/directory.ts';
import { readNexusConfig } from './config.ts';

export type JoinedNexus = Joined & { readonly nexusId: NexusId };

/** @throws as `joinFleet`; `CONFIG_INVALID` for a configuration without `[identity]`, or without the address of a Nexus */
export const joinNexus = async (
  configPath: string,
  options: JoinOptions & { readonly by: string },
): Promise<JoinedNexus> => {
  const { identity: files, stagingDirectory, otherNexuses: nexuses } = await readNexusConfig(configPath);
  if (files === undefined)
    throw new DepotError(
      'CONFIG_INVALID',
      `${configPath} has no section [identity]: certificate_file, key_file and ca_file name the files that a join writes`,
    );
  if (nexuses.length === 0 && options.nexus === undefined)
    throw new DepotError(
      'CONFIG_INVALID',
      `${configPath}: identity.nexus: needed, with the internal address of a Nexus that has the key of the authority: this one joins there, and renews its certificate there`,
    );
  const presentId = await presentNexusId(realDisk, stagingDirectory);
  const joined = await joinFleet(
    { kind: 'nexus', files, nexuses, data: [stagingDirectory], presentId },
    options,
  );
  return { ...joined, nexusId: NexusId.parse(joined.identity.id) };
};
