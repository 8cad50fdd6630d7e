/**
 * Releases that no signature covers whole, on a fleet of real processes: sleds withhold them until an admin exempts them by name, by a
 * statement where sleds have pinned an admin key, and otherwise by the word of Nexus.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { runTestCli } from '../src/cli/run.fixture.ts';
import { v1Artifacts } from '../src/composite/composites.fixture.ts';
import { adminKeyPaths, makeAdminKey } from '../src/identity/admin-key.ts';
import { testFleetIdentity } from '../src/identity/identity.fixture.ts';
import { makeTestRelease } from '../src/signing/release.fixture.ts';
import { until, wait } from './fleet-process.fixture.ts';
import { activateReplication, artifactsOnDisk, waitComplete } from './fleet-state.fixture.ts';
import { startTestFleet } from './process-fleet.fixture.ts';

const TIMEOUT_MS = 120_000;

const start = async (pins: 'root' | 'root and admin key') => {
  const directory = await mkdtemp(join(tmpdir(), 'tuf-depot-exemptions-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  const release = await makeTestRelease(directory, {
    systemVersion: '1.0.0',
    format: 'v1',
    artifacts: v1Artifacts(),
  });
  await writeFile(join(directory, 'root.json'), release.trustRoot);
  const { keyFile, publicKeyFile } = adminKeyPaths(directory);
  const hasKey = pins === 'root and admin key';
  if (hasKey) await makeAdminKey(directory);
  const trust = {
    root_files: [join(directory, 'root.json')],
    ...(hasKey && { admin_key_files: [publicKeyFile] }),
  };
  const identity = testFleetIdentity('prod.example.org');
  const fleet = await startTestFleet({
    identity: hasKey ? { ...identity, adminKeyFile: publicKeyFile } : identity,
    sleds: 2,
    minSledReplication: 2,
    sled: () => ({ config: { trust } }),
  });
  onTestFinished(() => fleet[Symbol.asyncDispose]());
  const nexus = fleet.nexuses[0]!;
  await nexus.trust(release);
  await nexus.upload(release);
  const params = { system_version: '1.0.0' };
  const cli = (...args: string[]) =>
    runTestCli(args, {
      environment: { ...nexus.environment(), ...(hasKey && { TUF_DEPOT_ADMIN_KEY: keyFile }) },
      directory,
    });
  const shown = () => nexus.fleet.releaseReplication({ params }, wait);
  const { items } = await nexus.update.repositoryArtifacts({ params, query: { limit: 100 } }, wait);
  const all = new Set(items.map(({ sha256 }) => sha256));
  const signed = new Set(release.artifacts.map(({ sha256 }) => sha256)).intersection(all);
  const datasets = fleet.sleds.flatMap(sled => sled.datasets);
  const held = async (hashes: ReadonlySet<string>, what: string) => {
    for (const dataset of datasets)
      await until(async () => {
        expect(await artifactsOnDisk(dataset)).toEqual([...hashes].sort());
        return true;
      }, `${dataset} has ${what}`);
  };
  return { nexus, params, cli, shown, all, signed, held };
};

const waitWithheld = async (shown: Awaited<ReturnType<typeof start>>['shown']) => {
  let remedy: string | undefined;
  await until(async () => {
    const { reasons } = await shown();
    const reason = reasons.find(({ code }) => code === 'RELEASE_WITHHELD');
    remedy = reason?.remedy;
    return reason?.message.includes('Nobody has exempted it') === true;
  }, 'the status says that the release is withheld');
  expect(remedy).toContain('tuf-depot repo exempt 1.0.0');
};

test.each(['root', 'root and admin key'] as const)(
  'sleds that have pinned a %s withhold the parts of composite artifacts, and only them, until an admin exempts the release by name (OFR1, ADM2)',
  async pins => {
    const { nexus, cli, shown, all, signed, held } = await start(pins);
    expect(signed.size).toBeGreaterThan(0);
    expect(signed.size).toBeLessThan(all.size);
    await waitWithheld(shown);
    await held(signed, 'what is signed');
    expect(await shown()).toMatchObject({ complete: false, bundle: { kind: 'partly', exempted: false } });

    expect(await cli('repo', 'exempt', '1.0.0')).toMatchObject({ exitCode: 0, err: '' });
    await waitComplete(nexus, '1.0.0');
    await held(all, 'everything');
    expect(await shown()).toMatchObject({ bundle: { kind: 'partly', exempted: true } });
    const { items } = await nexus.audit.auditList({ query: { limit: 1000 } }, wait);
    const kinds = items.map(({ action }) => action?.kind);
    expect(kinds.filter(kind => kind === 'release_exempted')).toHaveLength(1);
    expect(kinds.includes('statement_recorded')).toBe(pins === 'root and admin key');
  },
  TIMEOUT_MS,
);

test(
  'the word of Nexus exempts nothing at sleds that have pinned an admin key (ADM5)',
  async () => {
    const { nexus, params, shown, signed, held } = await start('root and admin key');
    await waitWithheld(shown);
    await nexus.update.repositoryExempt({ params }, wait);
    await activateReplication(nexus);
    await activateReplication(nexus);
    await waitWithheld(shown);
    await held(signed, 'what is signed');
  },
  TIMEOUT_MS,
);
