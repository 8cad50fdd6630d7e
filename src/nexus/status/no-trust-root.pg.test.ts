import { expect, test } from 'vitest';
import { TrustRootId } from '../../core/ids.ts';
import { createTestWorld } from '../process/nexus.fixture.ts';

const wait = { signal: AbortSignal.timeout(60_000) };

test('a fleet without any trust root is degraded, since nothing can be uploaded, until one is added', async () => {
  await using world = await createTestWorld();
  const nexus = await world.startNexus();
  const noRoot = async () => {
    const { verdict, reasons } = await nexus.fleet.fleetStatus({}, wait);
    return reasons.filter(({ code }) => code === 'NO_TRUST_ROOT').map(reason => ({ verdict, ...reason }));
  };
  const reason = {
    verdict: 'degraded',
    remedy: expect.stringContaining('tuf-depot trust-root add FILE'),
  };
  expect(await noRoot()).toMatchObject([reason]);
  const { id } = await nexus.trust(await world.release());
  expect(await noRoot()).toEqual([]);
  await nexus.operator.trustRootDelete({ params: { trust_root_id: TrustRootId.parse(id) } }, wait);
  expect(await noRoot()).toMatchObject([reason]);
});
