/** What people see of bundles: which one vouches for a release, and what a sled makes of each. */
import { expect, test } from 'vitest';
import type { SledView } from '../../api/operator-fleet-api.ts';
import {
  serveTestNexus,
  TEST_TOKEN,
  type TestHandlers,
  testReplication,
  testSled,
} from '../nexus.fixture.ts';
import { runTestCli } from '../run.fixture.ts';

const BUNDLE = 'b'.repeat(64);
const OTHER = 'c'.repeat(64);

const against = async (fleet: TestHandlers['fleet'], ...args: string[]) => {
  await using nexus = await serveTestNexus({ ...(fleet !== undefined && { fleet }) });
  return await runTestCli(args, {
    environment: { TUF_DEPOT_URL: nexus.url, TUF_DEPOT_TOKEN: TEST_TOKEN },
  });
};

test.each([
  ['signed', false, 'signatures cover every artifact'],
  ['partly', false, 'signatures cover some of its artifacts'],
  ['unsigned', true, 'no signature covers its artifacts; exempted by an admin'],
] as const)(
  'repo show says of a bundle that is %s, and exempted or not (%s), what covers the release',
  async (kind, exempted, words) => {
    const releaseReplication = async () =>
      testReplication('1.2.0', { bundle: { sha256: BUNDLE, kind, exempted } });
    const { out } = await against({ releaseReplication }, 'repo', 'show', '1.2.0');
    expect(out).toContain(`${BUNDLE}: ${words}`);
  },
);

test('sled show has the bundles that the sled does not admit, with its reasons, and what it has pinned', async () => {
  const sled: SledView = {
    ...testSled(),
    require_signed: true,
    artifacts_withheld: 3,
    bundles: [
      { sha256: BUNDLE, state: 'admitted' },
      { sha256: OTHER, state: 'refused', reason: 'signed by\u001b[2J other keys' },
    ],
    trust: { chains: [{ root_sha256: BUNDLE, version: 1, newest_sha256: BUNDLE }], admin_keys: [] },
  };
  const { out } = await against({ sledList: async () => ({ items: [sled] }) }, 'sled', 'show', 'sled-1');
  expect(out).toContain('required; 1 trust root and 0 admin keys pinned; 3 artifacts withheld');
  const lines = out.split('metadata of releases\n')[1]?.split('\n') ?? [];
  expect(lines[0]).toBe(`  ${OTHER.slice(0, 16)} refused: signed by\\u001b[2J other keys`);
  expect(out).not.toContain(BUNDLE.slice(0, 16));
  const open = { ...sled, require_signed: false };
  const said = await against({ sledList: async () => ({ items: [open] }) }, 'sled', 'show', 'sled-1');
  expect(said.out).toContain('not required: it stores whatever Nexus sends');
  const older = await against({ sledList: async () => ({ items: [testSled()] }) }, 'sled', 'show', 'sled-1');
  expect(older.out).not.toContain('signatures');
});
