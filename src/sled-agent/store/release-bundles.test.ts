import { describe, expect, test } from 'vitest';
import { LeaseId } from '../../core/ids.ts';
import { generateAdminKey } from '../../identity/admin-key.ts';
import { errorCodeOf } from '../../lib/errors.ts';
import { rootDigestOf } from '../../tuf/root-digest.ts';
import {
  createSigner,
  offered,
  type SignedRelease,
  sha256Of,
  sha512Of,
  storeTrust,
  type TestTrust,
  testStatements,
  testTrust,
  textArtifact,
  unsignedRelease,
} from '../trust/trust.fixture.ts';
import { bytesOf, configOf, heldPoint, neverAborted, put, reconcile, tellFloor } from './artifact.fixture.ts';
import { createMachine, DIRECTORIES, type Machine } from './memory-store.fixture.ts';
import type { ArtifactStore } from './store.ts';

const signer = createSigner();
const stranger = createSigner();
const release = signer.release(['one', 'two']);
const [one, two] = [textArtifact('one'), textArtifact('two')];
const planted = textArtifact('planted');

const pinnedTrust = async (roots = 1, more: Parameters<typeof testTrust>[0] = {}): Promise<TestTrust> => {
  const trust = testTrust(more);
  await trust.addChains([signer.roots(roots)], 'file');
  return trust;
};

const start = async (trust: TestTrust, machine = createMachine()) => {
  const store = await machine.start({ trust: storeTrust(trust) });
  if (store.state().kind !== 'ready') await tellFloor(store, 1);
  return { store, machine };
};

/** As a Nexus that names the bundles of its releases; `exempt` by its word. */
const want = (
  store: ArtifactStore,
  generation: number,
  releases: readonly SignedRelease[],
  { exempt = false, also = [] as readonly (typeof one)[] } = {},
) =>
  store.offerConfig(
    {
      ...configOf(generation, [...releases.flatMap(({ artifacts }) => artifacts), ...also]),
      succeeds: heldPoint(store) ?? 'unknown',
      releases: releases.map(each => offered(each, exempt)),
    },
    { signal: neverAborted },
  );

const refusalOf = (work: Promise<unknown>) => work.then(() => 'nothing refused it', errorCodeOf);
const statesOf = async (store: ArtifactStore) =>
  (await store.list()).releases.bundles?.map(({ state }) => state);
const bundleFile = (directory: string, { bundle }: SignedRelease) =>
  `${directory}/release-metadata-${bundle}.json`;
const filesOf = (machine: Machine) => [...machine.memory.files().keys()];

describe('with pinned roots', () => {
  test('an artifact is stored once the metadata that lists it is there, and is withheld before (WR4)', async () => {
    const { store } = await start(await pinnedTrust());
    await want(store, 1, [release]);
    expect(await statesOf(store)).toEqual(['missing']);
    expect(await refusalOf(put(store, one))).toBe('ARTIFACT_WITHHELD');
    expect((await store.list()).releases.withheld).toEqual(new Set([one.sha256, two.sha256]));
    await store.putBundle(release.bundle, release.bytes);
    expect(await statesOf(store)).toEqual(['admitted']);
    await put(store, one);
    expect(await bytesOf(await store.open(one.sha256))).toEqual(one.bytes);
    expect((await store.list()).artifacts.get(one.sha256)).toBe(2);
  });

  test('an artifact of the config that no bundle lists is neither stored, listed, served nor leased, and is not deleted (ST8, RLB3)', async () => {
    const machine = createMachine();
    const before = await start(testTrust(), machine);
    await want(before.store, 1, [release], { also: [planted] });
    await put(before.store, planted); // nothing is pinned yet
    expect((await before.store.list()).artifacts.get(planted.sha256)).toBe(2);
    await before.store[Symbol.asyncDispose]();

    const { store } = await start(await pinnedTrust(), machine);
    await store.putBundle(release.bundle, release.bytes);
    expect(await refusalOf(put(store, planted))).toBe('ARTIFACT_WITHHELD');
    expect(await refusalOf(store.open(planted.sha256))).toBe('ARTIFACT_NOT_HELD');
    await expect(store.open(planted.sha256)).rejects.toThrow('withholds');
    const lease = {
      sha256: planted.sha256,
      id: LeaseId.parse('00000000-0000-4000-8000-000000000001'),
      holder: undefined,
      termMs: 1_000,
    };
    expect(await refusalOf(store.takeLease(lease))).toBe('ARTIFACT_NOT_HELD');
    const listing = await store.list();
    expect(listing.artifacts.has(planted.sha256)).toBe(false);
    expect(listing.releases.withheld).toEqual(new Set([planted.sha256]));
    await reconcile(store);
    expect(filesOf(machine).filter(path => path.endsWith(planted.sha256))).toHaveLength(2);
  });

  test('metadata under the root of another signer admits nothing, and costs no other release (ADM1, ADM4)', async () => {
    const { store } = await start(await pinnedTrust());
    const theirs = stranger.release(['planted']);
    await want(store, 1, [release, theirs]);
    await store.putBundle(theirs.bundle, theirs.bytes);
    await store.putBundle(release.bundle, release.bytes);
    expect(await statesOf(store)).toEqual(['admitted', 'refused']);
    expect(await refusalOf(put(store, planted))).toBe('ARTIFACT_WITHHELD');
    await put(store, one);
  });

  test('a bundle that brings a fork of a pinned chain admits nothing', async () => {
    const { store } = await start(await pinnedTrust(2));
    const [first = ''] = signer.roots(1);
    const forked = signer.release(['planted'], { root: 1, brings: [first, signer.fork(2)] });
    await want(store, 1, [forked]);
    await store.putBundle(forked.bundle, forked.bytes);
    expect(await statesOf(store)).toEqual(['refused']);
  });

  test('a release that was admitted stays so through a rotation and a restart; a fresh one under the old keys is refused (ADM1, ADM3)', async () => {
    const trust = await pinnedTrust();
    const { store, machine } = await start(trust);
    await want(store, 1, [release]);
    await store.putBundle(release.bundle, release.bytes);
    await put(store, one);
    await trust.addChains([signer.roots(2)]);
    const late = signer.release(['planted'], { version: '1.0.1' });
    await want(store, 2, [release, late]);
    await store.putBundle(late.bundle, late.bytes);
    expect(await statesOf(store)).toEqual(['admitted', 'refused']);
    await store[Symbol.asyncDispose]();
    const again = (await start(testTrust({ known: trust.saved() }), machine)).store;
    expect(await statesOf(again)).toEqual(['admitted', 'refused']);
    expect(await bytesOf(await again.open(one.sha256))).toEqual(one.bytes);
    expect(await refusalOf(put(again, planted))).toBe('ARTIFACT_WITHHELD');
  });

  test('a release that comes while a rotation is written is not admitted by the root before: a crash would lose its record (TRS6)', async () => {
    let writing = Promise.withResolvers<void>();
    writing.resolve();
    const trust = await pinnedTrust(1, { save: () => writing.promise });
    const { store, machine } = await start(trust);
    await want(store, 1, [release]);
    writing = Promise.withResolvers();
    const rotation = trust.addChains([signer.roots(2)]);
    await new Promise(setImmediate);
    await store.putBundle(release.bundle, release.bytes);
    expect(await statesOf(store)).toEqual(['refused']);
    writing.reject(new Error('the disk is full'));
    await expect(rotation).rejects.toThrow('full');
    await expect.poll(() => statesOf(store)).toEqual(['admitted']); // the rotation did not count
    writing = Promise.withResolvers();
    const again = trust.addChains([signer.roots(2)]);
    writing.resolve();
    await again;
    expect(await statesOf(store)).toEqual(['admitted']);
    await store[Symbol.asyncDispose]();
    const restarted = (await start(testTrust({ known: trust.saved() }), machine)).store;
    expect(await statesOf(restarted)).toEqual(['admitted']);
  });

  test('a release that is signed and exempted stays through a rotation when nobody exempts it any more (ADM3)', async () => {
    const trust = await pinnedTrust();
    const { store } = await start(trust);
    const mixed = signer.release(['one'], { unsigned: [planted] });
    await want(store, 1, [release, mixed], { exempt: true });
    await store.putBundle(release.bundle, release.bytes);
    await store.putBundle(mixed.bundle, mixed.bytes);
    expect([...trust.record().values()]).toEqual(['signature', 'signature']);
    await trust.addChains([signer.roots(2)]);
    await want(store, 1, [release, mixed]);
    expect(await statesOf(store)).toEqual(['admitted', 'unexempted']);
    await put(store, one);
  });

  test('a release under keys that were rotated away does not come back after its deletion (TRS3)', async () => {
    const trust = await pinnedTrust();
    const { store, machine } = await start(trust);
    await want(store, 1, [release]);
    await store.putBundle(release.bundle, release.bytes);
    await put(store, one);
    await trust.addChains([signer.roots(2)]);
    await want(store, 2, []);
    await reconcile(store);
    await reconcile(store);
    expect(filesOf(machine).some(path => path.includes('release-metadata'))).toBe(false);
    expect(trust.record().size).toBe(0);
    await want(store, 3, [release]);
    await store.putBundle(release.bundle, release.bytes);
    expect(await statesOf(store)).toEqual(['refused']);
  });

  test('a statement that a root does not count withholds what only its chain vouches for, also what was admitted (TRS4)', async () => {
    const statements = testStatements();
    const trust = testTrust({ statements });
    await trust.addChains([signer.roots(1)], 'file');
    const { store } = await start(trust);
    await want(store, 1, [release]);
    await store.putBundle(release.bundle, release.bytes);
    expect(await statesOf(store)).toEqual(['admitted']);
    statements.say(rootDigestOf(Buffer.from(signer.roots(1)[0] ?? '')), 'distrusted');
    await expect.poll(() => statesOf(store)).toEqual(['refused']);
  });

  test('a bundle of a chain that is pinned later is judged again by itself', async () => {
    const trust = await pinnedTrust();
    const { store } = await start(trust);
    const theirs = stranger.release(['planted']);
    await want(store, 1, [theirs]);
    await store.putBundle(theirs.bundle, theirs.bytes);
    await trust.addChains([stranger.roots(1)], 'file');
    await expect.poll(() => statesOf(store)).toEqual(['admitted']);
    await put(store, planted);
  });

  test('a bundle whose disks are away when its chain is pinned is asked for again, and judged by what is pinned now (RLB2)', async () => {
    const trust = await pinnedTrust();
    let isAway = false;
    const store = await createMachine().start({
      trust: storeTrust(trust),
      before({ path }) {
        if (isAway && path.includes('release-metadata'))
          throw Object.assign(new Error('the disk is away'), { code: 'EIO' });
      },
    });
    await tellFloor(store, 1);
    const theirs = stranger.release(['planted']);
    await want(store, 1, [theirs]);
    await store.putBundle(theirs.bundle, theirs.bytes);
    expect(await statesOf(store)).toEqual(['refused']);
    isAway = true;
    await trust.addChains([stranger.roots(1)], 'file');
    await expect.poll(() => statesOf(store)).toEqual(['missing']);
    isAway = false;
    await reconcile(store);
    await store.putBundle(theirs.bundle, theirs.bytes);
    expect(await statesOf(store)).toEqual(['admitted']);
  });

  test('the word of a Nexus exempts where no key of an administrator is pinned, and only a statement where one is (ADM5)', async () => {
    const statements = testStatements();
    const trust = await pinnedTrust(1, { statements });
    const { store } = await start(trust);
    const old = unsignedRelease([planted]);
    await want(store, 1, [old]);
    await store.putBundle(old.bundle, old.bytes);
    expect(await statesOf(store)).toEqual(['unexempted']);
    await want(store, 1, [old], { exempt: true });
    expect(await statesOf(store), 'at the same point').toEqual(['admitted']);
    await put(store, planted);
    await trust.addAdminKeys([generateAdminKey()]);
    expect(await statesOf(store)).toEqual(['unexempted']);
    expect(await refusalOf(store.open(planted.sha256))).toBe('ARTIFACT_NOT_HELD');
    statements.exempt(old.bundle);
    expect(await statesOf(store)).toEqual(['admitted']);
    expect(await bytesOf(await store.open(planted.sha256))).toEqual(planted.bytes);
  });

  test('of a release with parts that no signature names, what is signed is stored, and the parts once it is exempted (ADM2)', async () => {
    const { store } = await start(await pinnedTrust());
    const mixed = signer.release(['one'], { unsigned: [planted] });
    await want(store, 1, [mixed]);
    await store.putBundle(mixed.bundle, mixed.bytes);
    expect(await statesOf(store)).toEqual(['unexempted']);
    await put(store, one);
    expect(await refusalOf(put(store, planted))).toBe('ARTIFACT_WITHHELD');
    await want(store, 1, [mixed], { exempt: true });
    await put(store, planted);
  });

  test('a config from a Nexus that names no releases leaves what was admitted, and withholds the rest (K6)', async () => {
    const { store } = await start(await pinnedTrust());
    await want(store, 1, [release]);
    await store.putBundle(release.bundle, release.bytes);
    await put(store, one);
    await store.offerConfig(
      { ...configOf(2, [one, two, planted]), succeeds: heldPoint(store) },
      { signal: neverAborted },
    );
    expect(store.config()?.generation).toBe(2);
    expect(await statesOf(store)).toEqual(['admitted']);
    expect((await store.list()).artifacts.has(one.sha256)).toBe(true);
    expect(await refusalOf(put(store, planted))).toBe('ARTIFACT_WITHHELD');
  });
});

describe('a bundle', () => {
  test('is refused if the config does not name it, or its bytes have another hash', async () => {
    const { store, machine } = await start(await pinnedTrust());
    expect(await refusalOf(store.putBundle(release.bundle, release.bytes))).toBe('NO_ARTIFACT_CONFIG');
    await want(store, 1, [release]);
    const other = stranger.release(['one']);
    expect(await refusalOf(store.putBundle(other.bundle, other.bytes))).toBe('NO_ARTIFACT_CONFIG');
    expect(await refusalOf(store.putBundle(release.bundle, other.bytes))).toBe('BUNDLE_INVALID');
    expect(await statesOf(store)).toEqual(['missing']);
    expect(filesOf(machine).some(path => path.includes('release-metadata'))).toBe(false);
  });

  test('that is no bundle is refused, and not asked for again', async () => {
    const { store } = await start(await pinnedTrust());
    const bytes = new TextEncoder().encode('{"format": 1}');
    const bogus = { ...release, bundle: sha256Of(bytes), bytes };
    await want(store, 1, [bogus]);
    expect(await refusalOf(store.putBundle(bogus.bundle, bytes))).toBe('BUNDLE_INVALID');
    expect(await statesOf(store)).toEqual(['refused']);
  });

  test('is on every dataset, comes back to one that lost it, and a damaged file counts as missing (BF1, BP1)', async () => {
    const trust = await pinnedTrust();
    const { store, machine } = await start(trust);
    await want(store, 1, [release]);
    await store.putBundle(release.bundle, release.bytes);
    await store[Symbol.asyncDispose]();
    const [a, b] = DIRECTORIES;
    const { disk } = machine.memory;
    const damage = async (directory: string) => {
      const file = await disk.openFile(bundleFile(directory, release));
      await file.write(new TextEncoder().encode('x'), 30);
      await file.sync();
    };
    await damage(a);
    const again = (await start(trust, machine)).store;
    expect(await statesOf(again)).toEqual(['admitted']);
    expect(machine.memory.files().get(bundleFile(a, release))).toEqual(
      machine.memory.files().get(bundleFile(b, release)),
    );
    await again[Symbol.asyncDispose]();
    await damage(a);
    await damage(b);
    const third = (await start(trust, machine)).store;
    expect(await statesOf(third)).toEqual(['missing']);
    expect(await refusalOf(put(third, one))).toBe('ARTIFACT_WITHHELD');
  });

  test('stays while a file that it lists is leased, so that the file is served to its end (RLB4)', async () => {
    const { store, machine } = await start(await pinnedTrust());
    await want(store, 1, [release]);
    await store.putBundle(release.bundle, release.bytes);
    await put(store, one);
    const id = LeaseId.parse('00000000-0000-4000-8000-000000000001');
    await store.takeLease({ sha256: one.sha256, id, holder: undefined, termMs: 60_000 });
    await want(store, 2, []);
    await reconcile(store);
    await reconcile(store);
    expect(await bytesOf(await store.open(one.sha256))).toEqual(one.bytes);
    await store.returnLease(one.sha256, id);
    await reconcile(store);
    await reconcile(store);
    expect(filesOf(machine).some(path => path.includes('release-metadata'))).toBe(false);
  });

  test('that nothing admits goes when no config names it, though it lists a file that is here (RLB6)', async () => {
    const { store, machine } = await start(await pinnedTrust());
    const junk = unsignedRelease([one]);
    await want(store, 1, [release, junk]);
    await store.putBundle(junk.bundle, junk.bytes);
    await store.putBundle(release.bundle, release.bytes);
    await put(store, one);
    await want(store, 2, [release]);
    await reconcile(store);
    const here = filesOf(machine).filter(path => path.includes('release-metadata'));
    expect(here).toEqual(DIRECTORIES.map(directory => bundleFile(directory, release)));
  });

  test('that only a word admitted makes room for one that the config names, and one that a signature admitted does not (RLB6, BP2)', async () => {
    const machine = createMachine();
    const trust = await pinnedTrust();
    const junk = unsignedRelease([one]);
    const later = signer.release(['one', 'later'], { version: '1.0.1' });
    const maxBundlesBytes = release.bytes.length + later.bytes.length + junk.bytes.length / 2;
    const store = await machine.start({ trust: storeTrust(trust), maxBundlesBytes });
    await tellFloor(store, 1);
    await want(store, 1, [release, junk], { exempt: true });
    await store.putBundle(junk.bundle, junk.bytes);
    await store.putBundle(release.bundle, release.bytes);
    await put(store, one);
    await want(store, 2, [later]);
    await store.putBundle(later.bundle, later.bytes);
    expect(await statesOf(store)).toEqual(['admitted']);
    const isHere = (each: SignedRelease) => filesOf(machine).includes(bundleFile(DIRECTORIES[0], each));
    expect([junk, release, later].map(isHere)).toEqual([false, true, true]);
    const more = signer.release(['one', 'more'], { version: '1.0.2' });
    await want(store, 3, [later, more]);
    expect(await refusalOf(store.putBundle(more.bundle, more.bytes))).toBe('NO_SPACE');
    expect([release, later].map(isHere)).toEqual([true, true]);
  });

  test('is read once by a start, from one disk (RLB2)', async () => {
    const trust = await pinnedTrust();
    const { store, machine } = await start(trust);
    await want(store, 1, [release]);
    await store.putBundle(release.bundle, release.bytes);
    await store[Symbol.asyncDispose]();
    const reads: string[] = [];
    const again = await machine.start({
      trust: storeTrust(testTrust({ known: trust.saved() })),
      before({ name, path }) {
        if (name === 'read' && path.includes('release-metadata')) reads.push(path);
      },
    });
    expect(await statesOf(again)).toEqual(['admitted']);
    expect(reads).toEqual([bundleFile(DIRECTORIES[0], release)]);
  });

  test('whose files are gone from every disk is asked for again while it still counts (BP1)', async () => {
    const { store, machine } = await start(await pinnedTrust());
    await want(store, 1, [release]);
    await store.putBundle(release.bundle, release.bytes);
    await put(store, one);
    for (const directory of DIRECTORIES) await machine.memory.disk.unlink(bundleFile(directory, release));
    await reconcile(store);
    expect(await statesOf(store)).toEqual(['missing']);
    expect(await bytesOf(await store.open(one.sha256))).toEqual(one.bytes);
    await store.putBundle(release.bundle, release.bytes);
    expect(await statesOf(store)).toEqual(['admitted']);
    expect(filesOf(machine)).toContain(bundleFile(DIRECTORIES[1], release));
  });

  test('is not acknowledged, and does not count, while no disk takes it (RLB1)', async () => {
    const trust = await pinnedTrust();
    const machine = createMachine();
    let isFull = false;
    const store = await machine.start({
      trust: storeTrust(trust),
      before({ path, name }) {
        if (isFull && path.includes('release-metadata') && name !== 'unlink')
          throw Object.assign(new Error('no space'), { code: 'ENOSPC' });
      },
    });
    await tellFloor(store, 1);
    await want(store, 1, [release]);
    isFull = true;
    await expect(store.putBundle(release.bundle, release.bytes)).rejects.toThrow();
    expect(await statesOf(store)).toEqual(['missing']);
    isFull = false;
    await reconcile(store);
    await store.putBundle(release.bundle, release.bytes);
    expect(await statesOf(store)).toEqual(['admitted']);
  });

  test('that was acknowledged is there after a kill or a power cut at any operation, and no part of one ever counts (RLB1)', async () => {
    for (let at = 0; ; at += 1) {
      const machine = createMachine();
      const trust = await pinnedTrust();
      let operations = 0;
      let isAcknowledged = false;
      const end = at % 2 === 0 ? machine.kill : () => machine.powerCut(at);
      const live = async () => {
        const store = await machine.start({
          trust: storeTrust(trust),
          before() {
            if (operations === at) end();
            operations += 1;
          },
        });
        await tellFloor(store, 1);
        await want(store, 1, [release]);
        await store.putBundle(release.bundle, release.bytes);
        isAcknowledged = true;
        await put(store, one);
        await store[Symbol.asyncDispose]();
      };
      await live().catch(() => undefined);
      machine.kill();
      const store = await machine.start({ trust: storeTrust(testTrust({ known: trust.saved() })) });
      if (isAcknowledged) expect(await statesOf(store), `at ${at}`).toEqual(['admitted']);
      for (const [path, bytes] of machine.memory.files())
        if (path.includes('release-metadata')) expect(sha256Of(bytes), path).toBe(release.bundle);
      await store[Symbol.asyncDispose]();
      if (operations <= at) return;
    }
  });
});

describe('an artifact of which only the SHA-512 is signed (ADM6)', () => {
  const addresses = new Map([one, two].map(({ sha256 }, at) => [sha256, sha512Of(['one', 'two'][at]!)]));
  const bySha512 = signer.release(['one', 'two'], { addresses });

  test('is stored once its bytes have that hash, and is served again after a restart once they were read', async () => {
    const { store, machine } = await start(await pinnedTrust());
    await want(store, 1, [bySha512]);
    expect(await refusalOf(put(store, one))).toBe('ARTIFACT_WITHHELD');
    await store.putBundle(bySha512.bundle, bySha512.bytes);
    expect(await statesOf(store)).toEqual(['admitted']);
    // Nothing prevents a Nexus from sending it.
    expect((await store.list()).releases.withheld).toEqual(new Set());
    expect((await store.list()).artifacts.has(one.sha256)).toBe(false);
    await put(store, one);
    expect((await store.list()).artifacts.get(one.sha256)).toBe(2);
    await store[Symbol.asyncDispose]();

    const again = await start(await pinnedTrust(), machine);
    expect(await bytesOf(await again.store.open(one.sha256))).toEqual(one.bytes);
    expect((await again.store.list()).artifacts.has(two.sha256)).toBe(false);
  });

  test('is refused if a Nexus names another address for it, also where its bytes are here already', async () => {
    const lie = signer.release(['one'], { addresses: new Map([[planted.sha256, sha512Of('one')]]) });
    const machine = createMachine();
    const { store } = await start(await pinnedTrust(), machine);
    await want(store, 1, [lie], { also: [planted] });
    await store.putBundle(lie.bundle, lie.bytes);
    await expect(put(store, planted)).rejects.toThrow('its bytes have another one');
    expect(filesOf(machine).filter(path => path.endsWith(planted.sha256))).toEqual([]);
    expect((await store.list()).releases.withheld).toEqual(new Set([one.sha256, planted.sha256]));
    await store[Symbol.asyncDispose]();

    const unpinned = createMachine();
    const before = await start(testTrust(), unpinned);
    await want(before.store, 1, [lie], { also: [planted] });
    await put(before.store, planted);
    await before.store[Symbol.asyncDispose]();
    const after = await start(await pinnedTrust(), unpinned);
    await after.store.putBundle(lie.bundle, lie.bytes);
    expect(await refusalOf(after.store.open(planted.sha256))).toBe('ARTIFACT_NOT_HELD');
    expect((await after.store.list()).artifacts.has(planted.sha256)).toBe(false);
  });

  test('that is here from before is served once its metadata came', async () => {
    const machine = createMachine();
    const before = await start(testTrust(), machine);
    await want(before.store, 1, [bySha512]);
    await put(before.store, one);
    await before.store[Symbol.asyncDispose]();
    const { store } = await start(await pinnedTrust(), machine);
    expect(await refusalOf(store.open(one.sha256))).toBe('ARTIFACT_NOT_HELD');
    await store.putBundle(bySha512.bundle, bySha512.bytes);
    expect(await bytesOf(await store.open(one.sha256))).toEqual(one.bytes);
  });

  test('under an address that nobody signed a SHA-512 for is unsigned', async () => {
    const addressed = new Map([[one.sha256, '0'.repeat(128)]]);
    const other = signer.release(['one'], { addresses: addressed });
    const { store } = await start(await pinnedTrust());
    await want(store, 1, [other]);
    await store.putBundle(other.bundle, other.bytes);
    expect(await statesOf(store)).toEqual(['unexempted']);
    expect(await refusalOf(put(store, one))).toBe('ARTIFACT_WITHHELD');
  });
});

test('a sled without pins stores what its config lists, and keeps the metadata for the day when something is pinned', async () => {
  const trust = testTrust();
  const { store } = await start(trust);
  await want(store, 1, [release]);
  await put(store, one);
  expect((await store.list()).releases).toMatchObject({ requiresSigned: false, withheld: new Set() });
  await store.putBundle(release.bundle, release.bytes);
  expect(await statesOf(store)).toEqual(['refused']);
  await trust.addChains([signer.roots(1)], 'file');
  await expect.poll(() => statesOf(store)).toEqual(['admitted']);
  expect(await bytesOf(await store.open(one.sha256))).toEqual(one.bytes);
});
