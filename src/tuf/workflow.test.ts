/** The client workflow of TUF 1.0.34, clause by clause, over real signed repositories in memory. */
import { describe, expect, test } from 'vitest';
import { DepotError, errorCodeOf } from '../lib/errors.ts';
import {
  flipBit,
  makeTestRepository,
  type TestReleaseOptions,
  type TestRepository,
} from '../signing/release.fixture.ts';
import { keysForAllRoles, type RepositoryKeys, rotateRoot } from '../signing/sign-metadata.ts';
import { generateSigningKey } from '../signing/signing-keys.ts';
import { parseMetadata } from './metadata.ts';
import type { MetadataSource } from './repository.ts';
import type { TopLevelRole } from './role-names.ts';
import { type VerifiedRepository, type VerifyOptions, verifyRepository } from './workflow.ts';

const NOW_MS = Date.UTC(2026, 0, 1);
const LATER_MS = Date.UTC(2100, 0, 1);
const FOLDER = 'repo/metadata/';

const sourceOf = (files: ReadonlyMap<string, Uint8Array>): MetadataSource => ({
  read: async name => files.get(`${FOLDER}${name}`),
  list: () =>
    [...files.keys()].filter(name => name.startsWith(FOLDER)).map(name => name.slice(FOLDER.length)),
});

const verify = ({ files, trustRoot }: TestRepository, options: Partial<VerifyOptions> = {}) =>
  verifyRepository(sourceOf(files), {
    trustRoots: [{ id: 'pinned', bytes: trustRoot }],
    nowMs: NOW_MS,
    ...options,
  });

const make = async (options: TestReleaseOptions = {}) => makeTestRepository(options);

const refusalOf = async (verification: Promise<VerifiedRepository>): Promise<DepotError> => {
  const error = await verification.then(
    () => expect.fail('it verified'),
    (reason: unknown) => reason,
  );
  return error instanceof DepotError ? error : expect.fail(`not a DepotError: ${error}`);
};

const oneKey = () => keysForAllRoles([generateSigningKey()]);
const consistent = { consistentSnapshot: true };

/** A root for each set of keys, each signed by the one before it too. */
const chainOf = async (keySets: readonly RepositoryKeys[], expiries: readonly number[] = []) => {
  const [first, ...others] = keySets as [RepositoryKeys, ...RepositoryKeys[]];
  const expiry = (index: number) => expiries[index] ?? LATER_MS;
  const { trustRoot } = await make({ keys: first, expiresMs: expiry(0) });
  const roots = [trustRoot];
  for (const [index, keys] of others.entries()) {
    const previous = {
      bytes: roots.at(-1) as Uint8Array,
      keys: (keySets[index] as RepositoryKeys).root.keys,
    };
    roots.push(rotateRoot(previous, { keys, expiresMs: expiry(index + 1), consistentSnapshot: false }));
  }
  return roots;
};

describe.each([
  ['with consistent snapshots', { consistentSnapshot: true }],
  ['without', { consistentSnapshot: false }],
])('an honest repository %s', (_, options) => {
  test('verifies, and its files are kept byte for byte', async () => {
    const repository = await make({ ...options, versions: { timestamp: 7, snapshot: 6, targets: 5 } });
    const verified = await verify(repository);
    const file = (name: string) => repository.files.get(`${FOLDER}${name}`);
    expect(verified.timestamp.bytes).toBe(file('timestamp.json'));
    expect(verified.snapshot.bytes).toBe(
      file(options.consistentSnapshot ? '6.snapshot.json' : 'snapshot.json'),
    );
    expect(verified.targets.bytes).toBe(file(options.consistentSnapshot ? '5.targets.json' : 'targets.json'));
    expect(verified.roots.map(root => root.bytes)).toEqual([repository.trustRoot]);
    expect(verified).toMatchObject({
      trustRootId: 'pinned',
      consistentSnapshot: options.consistentSnapshot,
      versions: { root: 1, timestamp: 7, snapshot: 6, targets: 5 },
      overrides: [],
    });
    expect([...verified.targets.signed.targets.keys()]).toContain('artifact-0.bin');
  });
});

test('without a trust root nothing verifies, and the message has the remedy (5.2)', async () => {
  const error = await refusalOf(verify(await make(), { trustRoots: [] }));
  expect(error.code).toBe('NO_TRUST_ROOT');
  expect(error.message).toMatch(/add the root\.json/);
});

test('a trust root that does not sign itself vouches for nothing (5.2)', async () => {
  const forged = await make({ signers: { root: [generateSigningKey()] } });
  expect((await refusalOf(verify(forged))).code).toBe('UNTRUSTED_SIGNATURES');
});

test('a trust root that is not a root ends the verification and is named', async () => {
  const repository = await make();
  const trustRoots = [{ id: 'broken', bytes: Buffer.from('{}') }];
  const error = await refusalOf(verify(repository, { trustRoots }));
  expect(error).toMatchObject({
    code: 'METADATA_INVALID',
    message: expect.stringContaining('trust root broken'),
  });
});

describe('the chain of roots (5.3)', () => {
  test('is followed to the newest root, whose keys count, and is returned whole', async () => {
    const keys = [oneKey(), oneKey(), oneKey()] as const;
    const rootChain = await chainOf(keys);
    const verified = await verify(await make({ keys: keys[2], rootChain }));
    expect(verified.roots.map(root => root.bytes)).toEqual(rootChain);
    expect(verified.versions.root).toBe(3);
  });

  test('may begin before or after the trust root', async () => {
    const keys = [oneKey(), oneKey()] as const;
    const rootChain = await chainOf(keys);
    const newest = [{ id: 'newest', bytes: rootChain[1] as Uint8Array }];
    const carrier = await make({ keys: keys[1], rootChain });
    expect((await verify(carrier, { trustRoots: newest })).roots).toHaveLength(1);
    const onlyNewest = await make({ keys: keys[1], rootChain: rootChain.slice(1) });
    expect((await verify(onlyNewest, { trustRoots: newest })).versions.root).toBe(2);
  });

  test('with a gap is refused by number, not as a bad signature', async () => {
    const keys = [oneKey(), oneKey(), oneKey()] as const;
    const rootChain = await chainOf(keys);
    const repository = await make({ keys: keys[2], rootChain: rootChain.slice(2) });
    const trustRoots = [{ id: 'pinned', bytes: rootChain[0] as Uint8Array }];
    const error = await refusalOf(verify(repository, { trustRoots }));
    expect(error.code).toBe('ROOT_CHAIN_BROKEN');
    expect(error.message).toContain('broken between 1 and 3: 2.root.json is missing');
  });

  test.each(['previous', 'own'] as const)(
    'a root without the %s keys is not accepted (5.3.4)',
    async missing => {
      const [old, next] = [oneKey(), oneKey()];
      const [first] = await chainOf([old]);
      const signing = missing === 'own' ? [] : [generateSigningKey()];
      const root = rotateRoot(
        { bytes: first as Uint8Array, keys: missing === 'own' ? old.root.keys : signing },
        { keys: next, expiresMs: LATER_MS, consistentSnapshot: false },
      );
      const rootChain = [first as Uint8Array, missing === 'own' ? withoutSignature(root, next) : root];
      expect((await refusalOf(verify(await make({ keys: next, rootChain })))).code).toBe(
        'UNTRUSTED_SIGNATURES',
      );
    },
  );

  test('5.3.5, CVE-2025-2885: a root whose version is not the next one is refused', async () => {
    const keys = oneKey();
    const { trustRoot } = await make({ keys });
    const skipping = (await make({ keys, versions: { root: 3 } })).trustRoot;
    const tamper = (files: Map<string, Uint8Array>) => files.set(`${FOLDER}2.root.json`, skipping);
    const error = await refusalOf(verify(await make({ keys, rootChain: [trustRoot], tamper })));
    expect(error).toMatchObject({ code: 'METADATA_MISMATCH', detail: { role: 'root' } });
    expect(error.message).toMatch(/version 3, but .* requires version 2/);
  });

  test('only the last root may not be expired (5.3.10)', async () => {
    const keys = [oneKey(), oneKey(), oneKey()] as const;
    const expired = Date.UTC(2020, 0, 1);
    const fine = await chainOf(keys, [expired, expired, LATER_MS]);
    expect((await verify(await make({ keys: keys[2], rootChain: fine }))).versions.root).toBe(3);
    const bad = await chainOf(keys, [LATER_MS, LATER_MS, expired]);
    const error = await refusalOf(verify(await make({ keys: keys[2], rootChain: bad })));
    expect(error).toMatchObject({ code: 'METADATA_EXPIRED', detail: { role: 'root' } });
  });

  test('ends after 1024 roots', async () => {
    const keys = oneKey();
    const { files, trustRoot } = await make({ keys });
    let root = trustRoot;
    const read = async (name: string) => {
      if (!name.endsWith('.root.json')) return files.get(`${FOLDER}${name}`);
      root = rotateRoot({ bytes: root, keys: [] }, { keys, expiresMs: LATER_MS, consistentSnapshot: false });
      return root;
    };
    const endless = verifyRepository(
      { read },
      { trustRoots: [{ id: 'pinned', bytes: trustRoot }], nowMs: NOW_MS },
    );
    expect((await refusalOf(endless)).message).toContain('goes on after 1024');
    expect(parseMetadata('root', root).signed.version).toBe(1 + 1024 + 1);
  });
});

const withoutSignature = (root: Uint8Array, keys: RepositoryKeys): Uint8Array => {
  const { signatures, signed } = JSON.parse(Buffer.from(root).toString());
  const ids = keys.root.keys.map(key => key.keyId);
  const kept = signatures.filter((signature: { keyid: string }) => !ids.includes(signature.keyid));
  return Buffer.from(JSON.stringify({ signatures: kept, signed }));
};

describe.each<TopLevelRole>(['timestamp', 'snapshot', 'targets'])('the %s role', role => {
  const fileName = `${FOLDER}${role}.json`;

  test('signed by an unknown key is not trusted (5.4.2, 5.5.3, 5.6.3)', async () => {
    const error = await refusalOf(verify(await make({ signers: { [role]: [generateSigningKey()] } })));
    expect(error.code).toBe('UNTRUSTED_SIGNATURES');
    expect(error.message).toMatch(
      new RegExp(`by pinned: the ${role} metadata .* valid signatures by 0 of the 1 keys`),
    );
  });

  test('unsigned is not trusted', async () => {
    expect((await refusalOf(verify(await make({ signers: { [role]: [] } })))).code).toBe(
      'UNTRUSTED_SIGNATURES',
    );
  });

  test('expired is refused with role and date, or passes and is recorded (5.4.4, 5.5.6, 5.6.5)', async () => {
    const repository = await make({ expired: [role] });
    const error = await refusalOf(verify(repository));
    expect(error).toMatchObject({
      code: 'METADATA_EXPIRED',
      detail: { role, expired: '2001-01-01T00:00:00.000Z' },
    });
    const { overrides } = await verify(repository, { allowExpired: true });
    expect(overrides).toEqual([{ kind: 'expired', role, expiresMs: Date.UTC(2001, 0, 1) }]);
  });

  test('expires at its second, by the time that was passed in (5.1)', async () => {
    const repository = await make({ expiresMs: NOW_MS });
    expect((await refusalOf(verify(repository, { nowMs: NOW_MS }))).code).toBe('METADATA_EXPIRED');
    await verify(repository, { nowMs: NOW_MS - 1 });
  });

  test('missing is reported by file name', async () => {
    const error = await refusalOf(verify(await make({ tamper: files => files.delete(fileName) })));
    expect(error).toMatchObject({ code: 'METADATA_MISSING', detail: { file: `${role}.json` } });
  });

  test('a version lower than the stored one is refused with both, or passes and is recorded (B3, 5.4.3, 5.5.5)', async () => {
    const repository = await make({ versions: { root: 1, timestamp: 5, snapshot: 5, targets: 5 } });
    const remembered = { root: 1, timestamp: 5, snapshot: 5, targets: 5, [role]: 6 };
    const rollback = (id: string) => (id === 'pinned' ? remembered : undefined);
    const error = await refusalOf(verify(repository, { rollback }));
    expect(error).toMatchObject({
      code: 'METADATA_ROLLBACK',
      detail: { role, version: 5, trusted_version: 6 },
    });
    const allowed = await verify(repository, { rollback, allowRollback: true });
    expect(allowed.overrides).toEqual([{ kind: 'rollback', role, trustedVersion: 6, version: 5 }]);
    expect(allowed.versions).toEqual(remembered);
  });

  test('an equal version passes, and versions are stored per trust root', async () => {
    const repository = await make({ versions: { timestamp: 5, snapshot: 5, targets: 5 } });
    const versions = { root: 1, timestamp: 5, snapshot: 5, targets: 5 };
    expect((await verify(repository, { rollback: () => versions })).versions).toEqual(versions);
    await verify(repository, { rollback: id => (id === 'other' ? { ...versions, [role]: 9 } : undefined) });
  });

  test('with one flipped bit in its signed part never verifies', async () => {
    const bytes = Buffer.from((await make()).files.get(fileName) ?? []);
    for (let bit = bytes.indexOf('"signed"') * 8; bit < bytes.length * 8; bit += 89) {
      const repository = await make({ tamper: changed => flipBit(changed, fileName, bit) });
      await expect(verify(repository)).rejects.toBeInstanceOf(DepotError);
    }
  });
});

describe.each(['snapshot', 'targets'] as const)('mix-and-match of %s', role => {
  const parent = role === 'snapshot' ? 'timestamp' : 'snapshot';

  test('another file of the same signer is refused by length or hash (5.5.2, 5.6.2)', async () => {
    const keys = oneKey();
    const [a, b] = [
      await make({ keys }),
      await make({ keys, artifacts: [77], expiresMs: LATER_MS - 86_400_000 }),
    ];
    const tamper = (files: Map<string, Uint8Array>) =>
      files.set(`${FOLDER}${role}.json`, b.files.get(`${FOLDER}${role}.json`) as Uint8Array);
    const mixed = await make({ keys, tamper });
    expect((await refusalOf(verify({ ...mixed, trustRoot: a.trustRoot }))).code).toBe('METADATA_MISMATCH');
  });

  test('a version other than the one that the role above signed is refused, with or without hashes (5.5.4, 5.6.4)', async () => {
    const edit = {
      [parent]: (signed: Record<string, unknown>) => {
        signed.meta = { [`${role}.json`]: { version: 2 } };
      },
    };
    const repository = await make({ edit });
    const error = await refusalOf(verify(repository));
    expect(error).toMatchObject({ code: 'METADATA_MISMATCH', detail: { role } });
  });

  test('a sha512 that was signed counts too', async () => {
    const edit = {
      [parent]: (signed: Record<string, unknown>) => {
        signed.meta = { [`${role}.json`]: { version: 1, hashes: { sha512: '0'.repeat(128) } } };
      },
    };
    expect((await refusalOf(verify(await make({ edit })))).message).toContain('sha512');
  });

  test('hashes of unknown algorithms only are refused', async () => {
    const edit = {
      [parent]: (signed: Record<string, unknown>) => {
        signed.meta = { [`${role}.json`]: { version: 1, hashes: { md5: '0'.repeat(32) } } };
      },
    };
    expect((await refusalOf(verify(await make({ edit })))).code).toBe('METADATA_INVALID');
  });
});

describe('trust roots', () => {
  test('are tried in turn, and only a wrong signer leads to the next one', async () => {
    const [stranger, repository] = [await make(), await make()];
    const trustRoots = [
      { id: 'stranger', bytes: stranger.trustRoot },
      { id: 'right', bytes: repository.trustRoot },
    ];
    expect((await verify(repository, { trustRoots })).trustRootId).toBe('right');
    const broken = await make({
      keys: repository.keys,
      tamper: files => files.delete(`${FOLDER}timestamp.json`),
    });
    expect(errorCodeOf(await refusalOf(verify(broken, { trustRoots })))).toBe('METADATA_MISSING');
  });

  test('are all named, with the reason of each, when all refuse', async () => {
    const [a, b, repository] = [await make(), await make(), await make()];
    const trustRoots = [a, b].map(({ trustRoot }, index) => ({ id: `root-${index}`, bytes: trustRoot }));
    const error = await refusalOf(verify(repository, { trustRoots }));
    expect(error.code).toBe('UNTRUSTED_SIGNATURES');
    const [keyId] = repository.keys.root.keys.map(key => key.keyId.slice(0, 16));
    expect(error.message).toMatch(
      new RegExp(`tried 2.*by root-0: .*signed by ${keyId}.*by root-1: .*${keyId}`),
    );
  });

  describe('that do not vouch are passed over, whatever they refuse, in any order (WF1)', () => {
    const expired = Date.UTC(2020, 0, 1);
    const orders = async (
      other: Uint8Array,
      repository: TestRepository,
      options: Partial<VerifyOptions> = {},
    ) => {
      const trustRoots = [
        { id: 'other', bytes: other },
        { id: 'right', bytes: repository.trustRoot },
      ];
      return await Promise.all(
        [trustRoots, trustRoots.toReversed()].map(roots =>
          verify(repository, { ...options, trustRoots: roots }).catch((error: unknown) => error),
        ),
      );
    };
    const vouching = { trustRootId: 'right' };

    test('an expired root of another signer', async () => {
      const other = (await make({ expiresMs: expired })).trustRoot;
      expect(await orders(other, await make())).toMatchObject([vouching, vouching]);
    });

    test('a root that cannot be used', async () => {
      expect(await orders(Buffer.from('{}'), await make())).toMatchObject([vouching, vouching]);
    });

    test('a root below the version that was trusted', async () => {
      const other = (await make()).trustRoot;
      const rollback = (id: string) =>
        id === 'other' ? { root: 5, timestamp: 1, snapshot: 1, targets: 1 } : undefined;
      expect(await orders(other, await make(), { rollback })).toMatchObject([vouching, vouching]);
    });

    test('a root whose successor would be the repository’s, with another version', async () => {
      const keys = oneKey();
      const roots = await chainOf([keys, keys]);
      const tamper = (files: Map<string, Uint8Array>) => files.set(`${FOLDER}2.root.json`, Buffer.from('{}'));
      const other = (await make()).trustRoot;
      const repository = await make({ keys, rootChain: roots, tamper });
      const [newest] = roots.slice(1);
      const trusting = { ...repository, trustRoot: newest as Uint8Array };
      expect(await orders(other, trusting)).toMatchObject([vouching, vouching]);
    });

    test('and the fault of the repository is the answer, not that of the others', async () => {
      const other = (await make({ expiresMs: expired })).trustRoot;
      const stale = await make({ expired: ['timestamp'] });
      const role = { code: 'METADATA_EXPIRED', detail: { role: 'timestamp' } };
      expect(await orders(other, stale)).toMatchObject([role, role]);
    });

    test('an expired root that would vouch is the answer; one that would not is among the reasons', async () => {
      const [old, stranger] = [await make({ expiresMs: expired }), await make()];
      const root = { code: 'METADATA_EXPIRED', detail: { role: 'root' } };
      expect(await orders(stranger.trustRoot, old)).toMatchObject([root, root]);

      const trustRoots = [old, stranger].map(({ trustRoot }, index) => ({
        id: `root-${index}`,
        bytes: trustRoot,
      }));
      expect(await refusalOf(verify(await make(), { trustRoots }))).toMatchObject({
        code: 'UNTRUSTED_SIGNATURES',
        message: expect.stringMatching(
          /tried 2.*by root-0: the root metadata expired.*by root-1: .*valid signatures by 0/,
        ),
      });
    });
  });

  test('an error about expiry names every role that has expired (WF3)', async () => {
    const stale = await make({ expired: ['root', 'timestamp', 'targets'] });
    const error = await refusalOf(verify(stale));
    expect(error).toMatchObject({ code: 'METADATA_EXPIRED', detail: { role: 'root', expired_roles: 3 } });
    expect(error.message).toMatch(
      /3 roles has expired: root at 2001.*, timestamp at 2001.*, targets at 2001/,
    );
    const single = await refusalOf(verify(await make({ expired: ['snapshot'] })));
    expect(single.message).toMatch(/^the snapshot metadata expired at 2001/);
  });

  test('that the chain does not reach are skipped for one that needs no chain', async () => {
    const keys = [oneKey(), oneKey(), oneKey()] as const;
    const roots = await chainOf(keys);
    const repository = await make({ keys: keys[2], rootChain: roots.slice(2) });
    const trustRoots = roots.map((bytes, index) => ({ id: `version-${index + 1}`, bytes }));
    expect(
      (await verify(repository, { trustRoots: trustRoots.filter((_, index) => index !== 1) })).trustRootId,
    ).toBe('version-3');
  });
});

describe('fast-forward recovery (5.3.11)', () => {
  const remembered = { root: 1, timestamp: 1_000_000, snapshot: 1_000_000, targets: 1_000_000 };

  test.each(['timestamp', 'snapshot'] as const)(
    'a rotated %s key discards the stored versions once',
    async role => {
      const before = oneKey();
      const after = { ...before, [role]: { keys: [generateSigningKey()], threshold: 1 } };
      const repository = await make({ keys: after, rootChain: await chainOf([before, after]) });
      const verified = await verify(repository, { rollback: () => remembered });
      expect(verified.versions).toEqual({ root: 2, timestamp: 1, snapshot: 1, targets: 1 });
      const again = { root: 2, timestamp: 2, snapshot: 1, targets: 1 };
      const error = await refusalOf(verify(repository, { rollback: () => again }));
      expect(error).toMatchObject({ code: 'METADATA_ROLLBACK', detail: { role: 'timestamp', version: 1 } });
    },
  );

  test('a key added beside the old one, or a rotated targets key, discards nothing', async () => {
    const before = oneKey();
    const own = before.root.keys;
    for (const after of [
      { ...before, timestamp: { keys: [...own, generateSigningKey()], threshold: 1 } },
      { ...before, targets: { keys: [generateSigningKey()], threshold: 1 } },
    ]) {
      const repository = await make({ keys: after, rootChain: await chainOf([before, after]) });
      expect((await refusalOf(verify(repository, { rollback: () => remembered }))).code).toBe(
        'METADATA_ROLLBACK',
      );
    }
  });

  test('a repository whose chain ends before the stored root is a rollback of root', async () => {
    const error = await refusalOf(
      verify(await make(), { rollback: () => ({ ...remembered, root: 2, timestamp: 1 }) }),
    );
    expect(error).toMatchObject({
      code: 'METADATA_ROLLBACK',
      detail: { role: 'root', version: 1, trusted_version: 2 },
    });
  });
});

test('CVE-2025-2888: a failed verification leaves nothing behind that could affect the next one', async () => {
  const keys = oneKey();
  const newer = { timestamp: 9, snapshot: 9, targets: 9 };
  const bad = await make({
    keys,
    versions: newer,
    tamper: files => flipBit(files, `${FOLDER}snapshot.json`, 4000),
  });
  const good = await make({ keys, versions: { timestamp: 8, snapshot: 8, targets: 8 } });
  const versions = { root: 1, timestamp: 7, snapshot: 7, targets: 7 };
  await expect(verify(bad, { rollback: () => versions })).rejects.toThrow();
  expect((await verify(good, { rollback: () => versions })).versions.timestamp).toBe(8);
});

test('bytes beyond the limit are not requested (5.4.1)', async () => {
  const asked = new Map<string, number>();
  const { files, trustRoot } = await make(consistent);
  const read = async (name: string, maxBytes: number) => {
    asked.set(name, maxBytes);
    return files.get(`${FOLDER}${name}`);
  };
  await verifyRepository({ read }, { trustRoots: [{ id: 'pinned', bytes: trustRoot }], nowMs: NOW_MS });
  const sizeOf = (name: string) => files.get(`${FOLDER}${name}`)?.length;
  expect(Object.fromEntries(asked)).toEqual({
    '2.root.json': 1024 * 1024,
    'timestamp.json': 1024 * 1024,
    '1.snapshot.json': sizeOf('1.snapshot.json'),
    '1.targets.json': sizeOf('1.targets.json'),
  });
});
