import { expect, test } from 'vitest';
import { TrustRootId } from '../../core/ids.ts';
import { createTestClock } from '../../lib/clock.fixture.ts';
import { DepotError } from '../../lib/errors.ts';
import { silentLogger } from '../../lib/log.ts';
import type { Datastore } from '../datastore/datastore.ts';
import type { SledRecord } from '../datastore/ports/sled-port.ts';
import { fakeConnection, fakeSled } from '../sleds/fleet.fixture.ts';
import { announcingRoots, trustRootTask } from './trust-root-task.ts';

const ID = TrustRootId.parse('44444444-4444-4444-8444-444444444444');
const signal = new AbortController().signal;

const telling = () => {
  const sleds = [fakeSled(1), fakeSled(2)];
  const told: string[] = [];
  const refusals = new Map<string, 'PEER_UNREACHABLE' | 'NOT_FOUND' | 'ROOT_CHAIN_BROKEN'>();
  const chain = [Buffer.from('root 1')];
  const clock = createTestClock();
  const record = ({ target }: (typeof sleds)[number]) =>
    ({
      id: target.id,
      info: { agentAddress: '127.0.0.1:1', depotPort: 1, baseboard: { serial: target.serial } },
    }) as unknown as SledRecord;
  const root = { id: ID, timeCreatedMs: 0, rootBytes: chain[0]!, trustedVersions: null };
  const task = trustRootTask({
    datastore: {
      sledList: async () => ({ items: sleds.map(record), nextPage: undefined }),
      trustRootList: async () => ({ items: [root], nextPage: undefined }),
      trustRootChain: async id => (id === ID ? [...chain] : undefined),
    },
    connection: {
      ...fakeConnection([]),
      async tellRoots({ serial }, chains) {
        const code = refusals.get(serial);
        if (code !== undefined) throw new DepotError(code, 'as told');
        told.push(`${serial}: ${chains.map(roots => roots.map(String).join(' ')).join('; ')}`);
      },
    },
    clock,
  });
  const activate = () => task.activate({ reason: 'timeout', log: silentLogger, signal });
  return { told, refusals, chain, clock, activate };
};

test('every sled is told the whole chain, once, and all of it again when a root was added (TRT1)', async () => {
  const fleet = telling();
  expect((await fleet.activate()).summary).toEqual({ trust_roots: 1, waiting: [] });
  expect(fleet.told.toSorted()).toEqual(['sled-1: root 1', 'sled-2: root 1']);
  await fleet.activate();
  expect(fleet.told).toHaveLength(2);
  fleet.chain.push(Buffer.from('root 2'));
  await fleet.activate();
  expect(fleet.told.slice(2).toSorted()).toEqual(['sled-1: root 1 root 2', 'sled-2: root 1 root 2']);
});

test('a sled that does not answer, or refuses, is told in the next period; one without trust roots is not (TRT2)', async () => {
  const fleet = telling();
  fleet.refusals.set('sled-1', 'ROOT_CHAIN_BROKEN').set('sled-2', 'NOT_FOUND');
  expect((await fleet.activate()).summary).toMatchObject({ waiting: [fakeSled(1).target.id] });
  fleet.refusals.clear();
  expect((await fleet.activate()).summary).toMatchObject({ waiting: [] });
  expect(fleet.told).toEqual(['sled-1: root 1']);
});

test('a sled is told again after ten minutes: it may have lost its file (TRT2)', async () => {
  const fleet = telling();
  await fleet.activate();
  await fleet.clock.advance(9 * 60_000);
  await fleet.activate();
  expect(fleet.told).toHaveLength(2);
  await fleet.clock.advance(60_000);
  await fleet.activate();
  expect(fleet.told).toHaveLength(4);
});

test('each way in which a trust root is added or moves announces it, and nothing else does', async () => {
  let announced = 0;
  const answers = { trustRootInsert: 1, trustRootAdvance: 2, releaseInsert: 3, trustRootDelete: true };
  const inner = Object.fromEntries(
    Object.entries(answers).map(([name, answer]) => [name, async () => answer]),
  );
  const datastore = announcingRoots(inner as unknown as Datastore, () => {
    announced += 1;
  });
  type Release = Parameters<Datastore['releaseInsert']>[0];
  type Move = Parameters<Datastore['trustRootAdvance']>[1];
  const roots = [{ version: 2, rootBytes: Buffer.from('root 2') }];
  const options = { signal, audit: undefined };
  await datastore.releaseInsert({ roots: [] } as unknown as Release, options);
  await datastore.trustRootAdvance(ID, { roots: [] } as unknown as Move, options);
  await datastore.trustRootDelete(ID, options);
  expect(announced).toBe(0);
  expect(await datastore.trustRootInsert({ id: ID, rootBytes: Buffer.from('') }, options)).toBe(1);
  expect(await datastore.trustRootAdvance(ID, { roots } as unknown as Move, options)).toBe(2);
  expect(await datastore.releaseInsert({ roots } as unknown as Release, options)).toBe(3);
  expect(announced).toBe(3);
});
