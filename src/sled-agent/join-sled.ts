/** A machine joins the fleet as a sled (`tuf-depot sled-agent join`): src/join/join-fleet.ts. */
import { SledId } from '../core/ids.ts';
import { type Joined, type JoinOptions, joinFleet } from '../join/join-fleet.ts';
import { readJoiningConfig } from './config.ts';

export type JoinedSled = Joined & { readonly sledId: SledId };

/** @throws as `joinFleet` */
export const joinSled = async (configPath: string, options: JoinOptions): Promise<JoinedSled> => {
  const { identity: files, nexuses, store } = await readJoiningConfig(configPath);
  const joined = await joinFleet({ kind: 'sled', files, nexuses, data: store.directories }, options);
  return { ...joined, sledId: SledId.parse(joined.identity.id) };
};
