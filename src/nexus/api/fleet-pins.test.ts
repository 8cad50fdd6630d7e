import { expect, test } from 'vitest';
import { NO_ADMIN_KEYS } from '../../identity/admin-key.ts';
import { makeRepository } from '../../tuf/repository.fixture.ts';
import { rootDigestOf } from '../../tuf/root-digest.ts';
import { createFleetPins } from './fleet-pins.ts';

test('an invitation names a root by what it says, in whatever white space it is recorded (FPN1, RDG1)', async () => {
  const { root } = makeRepository({ targets: {} });
  const rootBytes = Buffer.from(JSON.stringify(JSON.parse(Buffer.from(root).toString()), null, 2));
  const datastore = { trustRootList: async () => ({ items: [{ rootBytes }] }) } as never;
  const pins = createFleetPins({ datastore, adminKeys: NO_ADMIN_KEYS });
  const { rootsSha256 } = await pins.named({ signal: new AbortController().signal });
  expect(rootsSha256).toEqual([rootDigestOf(root)]);
});
