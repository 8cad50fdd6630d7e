import { expect, test } from 'vitest';
import { TrustRootId } from '../../core/ids.ts';
import { systemClock } from '../../lib/clock.ts';
import { DepotError } from '../../lib/errors.ts';
import { silentLogger } from '../../lib/log.ts';
import { createSigner } from '../../sled-agent/trust/trust.fixture.ts';
import { SPECIFIED_SIGNATURES } from '../../tuf/signature-policy.ts';
import type { TrustMove, TrustRootRecord } from '../datastore/ports/trust-root-port.ts';
import { forgottenRoots } from './forgotten-roots.ts';

const ID = TrustRootId.parse('00000000-0000-4000-8000-000000000001');
const signer = createSigner();
const stranger = createSigner();
const bytesOf = (texts: readonly string[]) => texts.map(text => Buffer.from(text));

/** What a task records whose sleds answer with these chains, where the database has the first root of the signer. */
const recover = async (answers: readonly (readonly (readonly string[])[] | 'silent')[]) => {
  const moves: TrustMove[] = [];
  const events: unknown[] = [];
  const record: TrustRootRecord = {
    ...{ id: ID, timeCreatedMs: 0, trustedVersions: null },
    rootBytes: bytesOf(signer.roots(1))[0] ?? expect.fail('a signer has a root'),
  };
  const sleds = answers.map((_, at) => ({
    id: `00000000-0000-4000-8000-00000000001${at}`,
    policy: 'in_service',
    info: { agentAddress: `192.0.2.1:${at + 1}`, depotPort: 12_348, baseboard: { serial: 's' } },
  }));
  const task = forgottenRoots({
    datastore: {
      trustRootList: async () => ({ items: [record] }),
      sledList: async () => ({ items: sleds }),
      async trustRootAdvance(_id: TrustRootId, move: TrustMove) {
        moves.push(move);
        return record;
      },
    } as never,
    connection: {
      scheme: 'https',
      async roots({ agent: { port } }) {
        const answer = answers[port - 1] ?? [];
        if (answer === 'silent') throw new DepotError('PEER_UNREACHABLE', 'no answer');
        return answer.map(bytesOf);
      },
    },
    signatures: SPECIFIED_SIGNATURES,
    note: event => events.push(event),
    newOrigin: () => ({}) as never,
    clock: systemClock,
  });
  await task.activate({ log: silentLogger, signal: new AbortController().signal } as never);
  return { versions: moves.map(({ roots }) => roots.map(({ version }) => version)), events };
};

test('a database that was restored takes the roots that it forgot from the sled that has most of them, whichever answers last (FGR1, FGR3)', async () => {
  const { versions, events } = await recover([
    'silent',
    [signer.roots(2)],
    [stranger.roots(3), signer.roots(4)],
    [signer.roots(3)],
  ]);
  expect(versions).toEqual([[2, 3, 4]]);
  expect(events).toMatchObject([{ kind: 'trust_root_recovered', version: 4, previousVersion: 1 }]);
});

test('a sled that pinned the first root from a file with white space gives the newer ones too (FGR1, RDG1)', async () => {
  const [first = '', ...newer] = signer.roots(3);
  const { versions } = await recover([[[JSON.stringify(JSON.parse(first), null, 2), ...newer]]]);
  expect(versions).toEqual([[2, 3]]);
});

test('a sled that lies extends no chain: a fork, a gap, another signer and an older telling record nothing (FGR1, FGR2)', async () => {
  const [first = '', , third = ''] = signer.roots(3);
  const lies = [
    [[first, stranger.roots(2)[1] ?? '']],
    [[first, third]],
    [stranger.roots(4)],
    [signer.roots(1)],
    [[first, 'no root']],
  ];
  for (const lie of lies) expect((await recover([lie])).versions).toEqual([]);
});
