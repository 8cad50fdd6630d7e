/**
 * RSA signatures of PKCS#1 v1.5 in a fleet of real processes: Nexus and each sled judge by their own configurations, and the operator
 * who has set only one of them sees in the status what is missing.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { generatePkcs1v15Key } from '../src/signing/pkcs1v15-key.fixture.ts';
import { makeTestRelease, type TestRelease } from '../src/signing/release.fixture.ts';
import { keysForAllRoles } from '../src/signing/sign-metadata.ts';
import { until, wait } from './fleet-process.fixture.ts';
import { artifactsOnDisk, hashesOf, waitComplete } from './fleet-state.fixture.ts';
import { startTestFleet, type TestFleet } from './process-fleet.fixture.ts';

const TIMEOUT_MS = 180_000;
const ACCEPTING = { accept_rsa_pkcs1v15: true };

let directory: string;
let legacy: TestRelease;
let modern: TestRelease;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tuf-depot-signature-policy-'));
  const keys = keysForAllRoles([generatePkcs1v15Key()]);
  legacy = await makeTestRelease(directory, { systemVersion: '1.0.0', artifacts: [20_000, 500], keys });
  modern = await makeTestRelease(directory, { systemVersion: '2.0.0', artifacts: [10_000] });
  await writeFile(join(directory, 'modern.json'), modern.trustRoot);
});
afterEach(() => rm(directory, { recursive: true, force: true }));

/** Sled 1 accepts the scheme; both have pinned the root of another signer. */
const mixedSleds = (n: number) => ({
  config: { trust: { root_files: [join(directory, 'modern.json')], ...(n === 1 && ACCEPTING) } },
});
const withheldOf = async ({ nexuses: [nexus] }: TestFleet) => {
  const { reasons } = await nexus!.fleet.releaseReplication({ params: { system_version: '1.0.0' } }, wait);
  return reasons.find(({ code }) => code === 'RELEASE_WITHHELD');
};

test(
  'where Nexus accepts the scheme and a sled does not, the release is on the others alone, the status names the sled and the setting, and the setting ends it',
  async () => {
    const strict = mixedSleds(2);
    await using fleet = await startTestFleet({
      sleds: 2,
      minSledReplication: 1,
      nexusConfig: { trust: ACCEPTING },
      sled: n => (n === 2 ? strict : mixedSleds(n)),
    });
    const [nexus] = fleet.nexuses;
    await nexus!.trust(legacy);
    await nexus!.upload(legacy);
    await until(async () => {
      const reason = await withheldOf(fleet);
      expect(reason?.message).toContain('2 artifacts are withheld by 1 sled (sled-2)');
      expect(reason?.message).toContain('RSASSA-PKCS1-v1_5, which these sleds do not accept');
      expect(reason?.remedy).toContain('accept_rsa_pkcs1v15 = true in [trust] of the sled-agent.toml');
      return true;
    }, 'the status names the setting');
    const [one, two] = fleet.sleds;
    await until(async () => {
      for (const dataset of one!.datasets) expect(await artifactsOnDisk(dataset)).toEqual(hashesOf(legacy));
      return true;
    }, 'the sled that accepts the scheme has the release');
    for (const dataset of two!.datasets) expect(await artifactsOnDisk(dataset)).toEqual([]);

    Object.assign(strict.config.trust, ACCEPTING);
    await two!.stop();
    await two!.start();
    await waitComplete(nexus!, '1.0.0');
    expect(await withheldOf(fleet)).toBeUndefined();
  },
  TIMEOUT_MS,
);

test(
  'where the sleds accept the scheme and Nexus does not, Nexus refuses the root and the release by the name of its setting, and other signers are not affected',
  async () => {
    await using fleet = await startTestFleet({
      sleds: 1,
      minSledReplication: 1,
      sled: () => mixedSleds(1),
    });
    const [nexus] = fleet.nexuses;
    const refused = {
      code: 'UNTRUSTED_SIGNATURES',
      detail: expect.objectContaining({ remedy: expect.stringContaining('in [trust] of nexus.toml') }),
    };
    await expect(nexus!.trust(legacy)).rejects.toMatchObject(refused);
    await nexus!.trust(modern);
    await expect(nexus!.upload(legacy)).rejects.toMatchObject({ code: 'UNTRUSTED_SIGNATURES' });
    await nexus!.upload(modern);
    await waitComplete(nexus!, '2.0.0');
  },
  TIMEOUT_MS,
);
