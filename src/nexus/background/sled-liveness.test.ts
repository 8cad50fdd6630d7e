import { expect, test } from 'vitest';
import type { SledId } from '../../core/ids.ts';
import { systemClock } from '../../lib/clock.ts';
import { DepotError } from '../../lib/errors.ts';
import { silentLogger } from '../../lib/log.ts';
import type { SledRecord } from '../datastore/ports/sled-port.ts';
import { fakeConnection, fakeSled, unreachable } from '../sleds/fleet.fixture.ts';
import { createSledLiveness } from './sled-liveness.ts';

const watching = () => {
  const sleds = [fakeSled(1), fakeSled(2)];
  const fleet = {
    inService: sleds,
    returned: [] as SledId[],
    tag: undefined as string | undefined,
  };
  const connection = fakeConnection(sleds);
  const liveness = createSledLiveness({
    datastore: {
      sledList: async ({ policy }) => {
        expect(policy, 'expunged sleds are not asked (S23)').toBe('in_service');
        return {
          items: fleet.inService.map(({ target }, at) => ({
            id: target.id,
            info: {
              agentAddress: `[2001:DB8::000${at + 1}]:1`,
              depotPort: 1,
              baseboard: { serial: target.serial },
            },
          })) as unknown as SledRecord[],
        };
      },
    },
    connection,
    clock: systemClock,
    tagOf: () => fleet.tag,
    onReturn: id => fleet.returned.push(id),
  });
  const look = () =>
    liveness.task.activate({ reason: 'timeout', log: silentLogger, signal: new AbortController().signal });
  return { sleds, fleet, connection, liveness, look };
};

test('a sled that returns, or falls silent, activates replication (S23, B16)', async () => {
  const { sleds, fleet, liveness, look } = watching();
  expect(await look()).toMatchObject({ summary: { alive: 2, silent: [] }, changed: false });
  const [first] = sleds;
  first!.fault.putConfig = unreachable;
  expect(await look()).toMatchObject({ summary: { alive: 1, silent: [first!.target.id] }, changed: true });
  expect(liveness.of(first!.target.id)).toMatchObject({ alive: false });
  first!.fault = {};
  expect(await look()).toMatchObject({ summary: { alive: 2 }, changed: true });
  expect(fleet.returned).toEqual([first!.target.id]);
  expect(await look(), 'once').toMatchObject({ changed: false });
});

test('a sled at rest is asked only whether its list has changed', async () => {
  const { sleds, fleet, connection, look } = watching();
  fleet.tag = 'W/"any"';
  expect(await look()).toMatchObject({ summary: { alive: 2 } });
  expect(connection.log.filter(each => each.startsWith('list unless'))).toHaveLength(sleds.length);
});

test.each(['PEER_STALLED', 'PEER_IDENTITY'] as const)(
  'an error is an answer, %s is none (SL2)',
  async code => {
    const { sleds, look } = watching();
    const fail = (code: 'IO' | 'PEER_STALLED' | 'PEER_IDENTITY') => async () => {
      throw new DepotError(code, 'as told');
    };
    for (const sled of sleds) sled.config = { generation: 1 as never, artifacts: new Map() };
    sleds[0]!.fault.list = fail('IO');
    sleds[1]!.fault.list = fail(code);
    expect((await look()).summary).toEqual({ alive: 1, silent: [sleds[1]!.target.id] });
  },
);

test('a sled that left the fleet is forgotten, and does not count as returned when it registers later', async () => {
  const { sleds, fleet, liveness, look } = watching();
  sleds[0]!.fault.putConfig = unreachable;
  await look();
  fleet.inService = sleds.slice(1);
  await look();
  expect(liveness.of(sleds[0]!.target.id)).toBeUndefined();
  fleet.inService = sleds;
  sleds[0]!.fault = {};
  expect(await look()).toMatchObject({ changed: false });
});

test('the hosts of sleds that answered the last time are known, in one form, and no others (SL1)', async () => {
  const { sleds, fleet, liveness, look } = watching();
  expect(liveness.answeringHosts(), 'a registration alone makes none known').toEqual(new Set());
  await look();
  expect(liveness.answeringHosts()).toEqual(new Set(['2001:db8::1', '2001:db8::2']));
  sleds[1]!.fault.putConfig = unreachable;
  await look();
  expect(liveness.answeringHosts()).toEqual(new Set(['2001:db8::1']));
  fleet.inService = [];
  await look();
  expect(liveness.answeringHosts()).toEqual(new Set());
});
