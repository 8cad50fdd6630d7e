import { MAX_REVOCATIONS, type Revocation, revocationKey } from '../../../src/core/revocation.ts';
import { nextRevocationMs } from '../../../src/nexus/datastore/decisions/revoke.ts';
import { type MemoryState, type Moment, type Query, withEntry } from '../state.ts';

export const revocationList: Query<readonly Revocation[]> = ({ revocations }) =>
  [...revocations.values()]
    .sort((a, b) => b.timeMs - a.timeMs || (revocationKey(a) < revocationKey(b) ? -1 : 1))
    .slice(0, MAX_REVOCATIONS);

export const withRevocation = (
  state: MemoryState,
  identity: Pick<Revocation, 'kind' | 'id'>,
  { nowMs }: Moment,
): MemoryState => {
  const key = revocationKey(identity);
  const timeMs = nextRevocationMs(nowMs, state.revocations.get(key)?.timeMs);
  return { ...state, revocations: withEntry(state.revocations, key, { ...identity, timeMs }) };
};
