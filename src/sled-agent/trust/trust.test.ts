import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { MAX_ROOT_CHAINS } from '../../core/release-trust.ts';
import { seededRng } from '../../core/rng.ts';
import { generateAdminKey, NO_ADMIN_KEYS, publicKeyPem } from '../../identity/admin-key.ts';
import { createStatements } from '../../identity/statements.ts';
import { createMemoryDisk, interposed } from '../../lib/disk.fixture.ts';
import { errorCodeOf, messageChain } from '../../lib/errors.ts';
import { silentLogger } from '../../lib/log.ts';
import { rootDigestOf } from '../../tuf/root-digest.ts';
import { SPECIFIED_SIGNATURES } from '../../tuf/signature-policy.ts';
import { openPins, openTrust } from './open-trust.ts';
import { pinAtJoin } from './pin-at-join.ts';
import { newestRoot } from './pinned-chain.ts';
import { createSigner, testStatements, testTrust } from './trust.fixture.ts';
import { encodePins, MAX_TRUST_BYTES, NO_PINS, readPins, writePins } from './trust-file.ts';

const noStatements = createStatements({
  ...{ known: [], keys: NO_ADMIN_KEYS, fleet: 'test' },
  save: async () => undefined,
});
const signer = createSigner();
const other = createSigner();
const versions = (trust: ReturnType<typeof testTrust>) =>
  trust.chains().map(chain => [chain.by, newestRoot(chain).version]);
const firstOf = (texts: readonly string[]) => rootDigestOf(Buffer.from(texts[0] ?? ''));

test('any Nexus extends a chain along its signatures, from whatever root both know (TRS1)', async () => {
  const trust = testTrust();
  await trust.addChains([signer.roots(1)], 'file');
  await trust.addChains([signer.roots(3)]);
  expect(versions(trust)).toEqual([['file', 3]]);
  await trust.addChains([signer.roots(4).slice(3)]);
  expect(versions(trust), 'by the root that follows the newest one').toEqual([['file', 4]]);
  await trust.addChains([signer.roots(2)]);
  expect(versions(trust), 'an older telling takes nothing back').toEqual([['file', 4]]);
  expect(trust.saved().chains[0]?.roots).toHaveLength(4);
});

test('a gap in a chain, a fork of it and a root that the one before did not sign are refused (PC1, PC2)', async () => {
  const trust = testTrust();
  await trust.addChains([signer.roots(2)], 'file');
  const [first = '', second = '', third = '', fourth = ''] = signer.roots(4);
  const strange = other.roots(3)[2] ?? '';
  for (const told of [
    [first, third],
    [first, second, fourth],
    [first, signer.fork(2)],
    [first, second, strange],
  ])
    await expect(trust.addChains([told])).rejects.toThrow();
  expect(await trust.addChains([[first, signer.fork(2)]]).catch(errorCodeOf)).toBe('ROOT_CHAIN_BROKEN');
  expect(versions(trust)).toEqual([['file', 2]]);
});

test('a root is the same in other white space and with other signatures: a file of people, told by Nexus as it records it (PC2, RDG1)', async () => {
  const [first = '', second = ''] = signer.roots(2);
  const pretty = (text: string) => JSON.stringify(JSON.parse(text), null, 2);
  const { signed, signatures } = JSON.parse(second);
  const more = JSON.stringify({ signatures: [...signatures, { keyid: 'f'.repeat(64), sig: '00' }], signed });
  const trust = testTrust();
  await trust.addChains([[pretty(first)]], 'file');
  await trust.addChains([[first, second]]);
  await trust.addChains([[first, more], [pretty(more)]]);
  expect(versions(trust)).toEqual([['file', 2]]);
  expect(trust.chains()[0]?.id).toBe(rootDigestOf(Buffer.from(first)));
  await expect(trust.addChains([[pretty(first), signer.fork(2)]])).rejects.toThrow(
    'another root of version 2',
  );
});

test('the roots before the first pinned one are no chain of their own, also with a statement on them (PC3)', async () => {
  const statements = testStatements();
  const trust = testTrust({ statements });
  await trust.addChains([signer.roots(3).slice(1)], 'join');
  await trust.addAdminKeys([generateAdminKey()]);
  const [first = ''] = signer.roots(1);
  statements.say(firstOf([first]), 'trusted');
  await trust.addChains([[first]]);
  expect(versions(trust)).toEqual([['join', 3]]);
  expect(await trust.addChains([[first, signer.fork(2)]]).catch(errorCodeOf)).toBe('ROOT_CHAIN_BROKEN');
  expect(versions(trust)).toEqual([['join', 3]]);
});

test('chains by a word take no place from those by more than that (TRS3)', async () => {
  const trust = testTrust();
  const strangers = Array.from({ length: MAX_ROOT_CHAINS }, () => createSigner().roots(1));
  await trust.addChains(strangers);
  await expect(trust.addChains([signer.roots(1)])).rejects.toThrow(`the limit is ${MAX_ROOT_CHAINS}`);
  await trust.addChains([signer.roots(1)], 'file');
  expect(versions(trust).at(-1)).toEqual(['file', 1]);
  expect(trust.chains()).toHaveLength(MAX_ROOT_CHAINS);
});

test('a chain that is refused does not cost another one that is told with it (TRS1)', async () => {
  const trust = testTrust();
  await trust.addChains([signer.roots(1)], 'file');
  const fork = [signer.roots(1)[0] ?? '', 'no root'];
  await expect(trust.addChains([fork, other.roots(1), signer.roots(2)])).rejects.toThrow();
  expect(versions(trust)).toEqual([
    ['file', 2],
    ['word', 1],
  ]);
});

test('without the key of an administrator a word pins a new chain; with one only a statement does (TRS1, TRS4)', async () => {
  const statements = testStatements();
  const trust = testTrust({ statements });
  await trust.addChains([other.roots(1)]);
  expect(versions(trust)).toEqual([['word', 1]]);
  expect(trust.counting()).toHaveLength(1);
  await trust.addAdminKeys([generateAdminKey()]);
  expect(trust.counting(), 'a word does not count beside a key').toHaveLength(0);
  expect(await trust.addChains([signer.roots(2)]).catch(errorCodeOf)).toBe('UNTRUSTED_SIGNATURES');
  expect(trust.chains()).toHaveLength(1);
  statements.say(firstOf(signer.roots(1)), 'trusted');
  await trust.addChains([signer.roots(2)]);
  statements.say(firstOf(other.roots(1)), 'trusted');
  expect(trust.counting().map(({ by }) => by)).toEqual(['word', 'statement']);
  statements.say(firstOf(signer.roots(1)), 'distrusted');
  expect(trust.counting().map(({ by }) => by)).toEqual(['word']);
});

test('a chain that comes before its statement counts when the statement comes (TRS5)', async () => {
  const statements = testStatements();
  const trust = testTrust({ statements });
  await trust.addAdminKeys([generateAdminKey()]);
  await expect(trust.addChains([signer.roots(1), other.roots(1)])).rejects.toThrow('no statement');
  statements.say(firstOf(signer.roots(1)), 'trusted');
  await expect.poll(() => versions(trust)).toEqual([['statement', 1]]);
});

test('signatures are required where something is pinned by more than a word, unless the configuration says otherwise', async () => {
  const trust = testTrust();
  await trust.addChains([signer.roots(1)]);
  expect(trust.requiresSigned()).toBe(false);
  await trust.addChains([signer.roots(1)], 'file');
  expect(trust.requiresSigned()).toBe(true);
  const off = testTrust({ requireSigned: false });
  await off.addChains([signer.roots(1)], 'file');
  expect(off.requiresSigned()).toBe(false);
  expect(testTrust({ requireSigned: true }).requiresSigned()).toBe(true);
});

test('chains and keys count when they are durable, and not before (TRS2)', async () => {
  const trust = testTrust({
    save: async () => {
      throw new Error('the disk is full');
    },
  });
  await expect(trust.addChains([signer.roots(1)])).rejects.toThrow('full');
  await expect(trust.addAdminKeys([generateAdminKey()])).rejects.toThrow('full');
  expect([trust.chains(), trust.adminKeys()]).toEqual([[], []]);
});

test('while a newer root is written, the older one is not the newest any more, and the newer one does not count yet (TRS2, TRS6)', async () => {
  let writing = Promise.withResolvers<void>();
  writing.resolve();
  const trust = testTrust({ save: () => writing.promise });
  await trust.addChains([signer.roots(1)], 'file');
  const newest = () => [...trust.newest().values()];
  writing = Promise.withResolvers();
  const rotation = trust.addChains([signer.roots(2)]);
  await expect.poll(newest).toEqual([2]);
  expect(versions(trust)).toEqual([['file', 1]]);
  writing.reject(new Error('the disk is full'));
  await expect(rotation).rejects.toThrow('full');
  expect(newest()).toEqual([1]);
});

test('the write of a rotation has the record with it (ADM3, TRS2)', async () => {
  let isFull = true;
  const trust = testTrust({
    save: async () => {
      if (isFull) throw new Error('the disk is full');
    },
  });
  trust.recordAdmitted(new Map([['a'.repeat(64), 'signature']]));
  isFull = false;
  await trust.addChains([signer.roots(1)], 'file');
  expect([...trust.saved().record]).toEqual([['a'.repeat(64), 'signature']]);
});

test('what was pinned is there after a restart, and a damaged file is an error that names it (TF1, TF2)', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'trust-'));
  const identity = { certificateFile: join(folder, 'sled.pem') };
  const rootFile = join(folder, 'root.json');
  const config = {
    rootFiles: [],
    adminKeyFiles: [],
    requireSigned: undefined,
    signatures: SPECIFIED_SIGNATURES,
  };
  const open = async (more = {}) => {
    const trust = { ...config, ...more };
    const pins = await openPins(identity, trust);
    return openTrust(identity, pins, trust, { statements: noStatements, log: silentLogger });
  };
  try {
    await writeFile(rootFile, signer.roots(1)[0] ?? '');
    const keyFile = join(folder, 'admin.pem');
    await writeFile(keyFile, publicKeyPem(generateAdminKey()));
    const first = await open({ rootFiles: [rootFile], adminKeyFiles: [keyFile] });
    await first.addChains([signer.roots(2)]);
    const again = await open();
    expect([again.chains(), again.adminKeys()]).toEqual([first.chains(), first.adminKeys()]);
    expect(again.requiresSigned()).toBe(true);
    const text = encodePins({ chains: first.chains(), adminKeys: first.adminKeys(), record: new Map() });
    const altered = text.replace(/(\\"version\\": )2/, '$13');
    expect(altered).not.toBe(text);
    for (const damaged of [text.slice(0, -20), '', altered]) {
      await writeFile(join(folder, 'trust.json'), damaged);
      const fault = await open().then(
        () => expect.fail('opened'),
        (error: unknown) => error,
      );
      expect(errorCodeOf(fault)).toBe('CONFIG_INVALID');
      expect(messageChain(fault)).toContain(join(folder, 'trust.json'));
    }
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('a file is measured in bytes, as it is when it is read: a longer one would end the next start (TF1)', async () => {
  const trust = testTrust();
  trust.recordAdmitted(new Map([['é'.repeat(MAX_TRUST_BYTES / 2), 'signature']]));
  await expect(trust.addChains([signer.roots(1)])).rejects.toThrow(`the limit is ${MAX_TRUST_BYTES}`);
});

test('after a kill or a power cut at any operation the file is whole, has what was acknowledged, and with a newer root the record (TRS2, ADM3, D1)', async () => {
  const file = '/identity/trust.json';
  const bundle = 'a'.repeat(64);
  const key = generateAdminKey();
  for (let at = 0; ; at += 1) {
    const memory = createMemoryDisk(['/identity']);
    let [operations, isDead] = [0, false];
    const disk = interposed(memory.disk, () => {
      if (operations === at) {
        isDead = true;
        if (at % 2 === 1) memory.powerCut(seededRng(at));
      }
      operations += 1;
      if (isDead) throw new Error('the process is dead');
    });
    const acknowledged: number[] = [];
    const live = async () => {
      const trust = testTrust({ save: pins => writePins(file, pins, { disk }) });
      await trust.addChains([signer.roots(1)], 'file');
      acknowledged.push(1);
      trust.recordAdmitted(new Map([[bundle, 'signature']]));
      await trust.addChains([signer.roots(2)]);
      acknowledged.push(2);
      await trust.addAdminKeys([key]);
      acknowledged.push(3);
    };
    await live().catch(() => undefined);
    const { chains, adminKeys, record } = await readPins(file, { disk: memory.disk });
    const version = chains[0] === undefined ? 0 : newestRoot(chains[0]).version;
    expect(version, `at ${at}`).toBeGreaterThanOrEqual(Math.min(2, acknowledged.at(-1) ?? 0));
    if (version === 2) expect([...record.keys()], `at ${at}`).toEqual([bundle]);
    if (acknowledged.at(-1) === 3) expect(adminKeys).toHaveLength(1);
    if (operations <= at) return;
  }
});

test('what a join pins while the agent runs is not undone by the next write of the agent (TRS7)', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'trust-'));
  const identity = { certificateFile: join(folder, 'sled.pem') };
  const config = {
    rootFiles: [],
    adminKeyFiles: [],
    requireSigned: undefined,
    signatures: SPECIFIED_SIGNATURES,
  };
  try {
    const agent = await openTrust(identity, await openPins(identity, config), config, {
      statements: noStatements,
      log: silentLogger,
    });
    await agent.addChains([other.roots(1)]);
    const key = generateAdminKey();
    await pinAtJoin(
      identity,
      { adminKeySha256: key.digest, rootsSha256: [firstOf(signer.roots(1))] },
      { adminKeys: [publicKeyPem(key)], rootChains: [signer.roots(1)] },
      SPECIFIED_SIGNATURES,
    );
    await agent.addChains([other.roots(2)]);
    const { chains, adminKeys } = await readPins(join(folder, 'trust.json'));
    expect(chains.map(chain => [chain.by, newestRoot(chain).version])).toEqual([
      ['word', 2],
      ['join', 1],
    ]);
    expect(adminKeys.map(({ digest }) => digest)).toEqual([key.digest]);
    expect(agent.requiresSigned(), 'it counts at once').toBe(true);
  } finally {
    await rm(folder, { recursive: true });
  }
});

test('a file of [trust] that is missing, or no root, is an error that names it', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'trust-'));
  const file = join(folder, 'none.json');
  try {
    const opened = openTrust(
      { certificateFile: join(folder, 'sled.pem') },
      NO_PINS,
      { rootFiles: [file], requireSigned: undefined, signatures: SPECIFIED_SIGNATURES },
      { statements: noStatements, log: silentLogger },
    );
    await expect(opened).rejects.toThrow(`trust.root_files: ${file}`);
  } finally {
    await rm(folder, { recursive: true });
  }
});
