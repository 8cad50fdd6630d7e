/** A machine joins the fleet as a Nexus (`tuf-depot nexus join`): src/join/join-fleet.ts. */
import { NexusId } from '../../core/ids.ts';
import { type Joined, type JoinOptions, joinFleet } from '../../join/join-fleet.ts';
import { DepotError } from '../../lib/errors.ts';
import { realDisk } from '../../lib/real-disk.ts';
import { presentNexusId } from '../releases/staging/directory.ts';
import { readNexusConfig } from './config.ts';

export type JoinedNexus = Joined & { readonly nexusId: NexusId };

/** @throws as `joinFleet` and `readNexusConfig`; `CONFIG_INVALID` for a configuration without the address of a Nexus */
export const joinNexus = async (
  configPath: string,
  options: JoinOptions & { readonly by: string },
): Promise<JoinedNexus> => {
  const { identity: files, stagingDirectory, otherNexuses: nexuses } = await readNexusConfig(configPath);
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
