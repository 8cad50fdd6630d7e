/** A machine joins the fleet as a sled (`tuf-depot sled-agent join`): src/join/join-fleet.ts. */
import { SledId } from '../core/ids.ts';
import { type Joined, type JoinOptions, joinFleet } from '../join/join-fleet.ts';
import { readJoiningConfig } from './config.ts';
import { type JoinedPins, pinAtJoin } from './trust/pin-at-join.ts';

export type JoinedSled = Joined & {
  readonly sledId: SledId;
  /** Undefined if the invitation named nothing to pin: it is of the version before, or of a key. */
  readonly pinned: JoinedPins | undefined;
};

/** @throws as `joinFleet` */
export const joinSled = async (configPath: string, options: JoinOptions): Promise<JoinedSled> => {
  const { identity: files, nexuses, store, trust, baseboard } = await readJoiningConfig(configPath);
  let pinned: JoinedPins | undefined;
  const machine = {
    ...{ kind: 'sled', files, nexuses, data: store.directories, serial: baseboard.serial },
    pin: async (...named) => {
      pinned = await pinAtJoin(files, ...named, trust.signatures);
    },
  } satisfies Parameters<typeof joinFleet>[0];
  const joined = await joinFleet(machine, options);
  return { ...joined, sledId: SledId.parse(joined.identity.id), pinned };
};
