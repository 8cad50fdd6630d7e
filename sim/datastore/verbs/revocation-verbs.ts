import { mergeRevocations, type Revocation } from '../../../src/core/revocation.ts';
import type { Query } from '../state.ts';

export const revocationList: Query<readonly Revocation[]> = ({ nexuses, sleds, sledKeys }) =>
  mergeRevocations(
    [...nexuses.values()].flatMap(({ id, timeExpungedMs }) => revoked('nexus', id, timeExpungedMs)),
    [...sleds.values()].flatMap(({ id, timeExpungedMs }) => revoked('sled', id, timeExpungedMs)),
    [...sledKeys.values()].flatMap(({ sledId, timeExpungedMs, timeReplacedMs }) => [
      ...revoked('sled', sledId, timeExpungedMs),
      ...revoked('sled', sledId, timeReplacedMs),
    ]),
  );

const revoked = (kind: Revocation['kind'], id: string, timeMs: number | null | undefined): Revocation[] =>
  timeMs === null || timeMs === undefined ? [] : [{ kind, id, timeMs }];
