/** Delegations: who speaks for a target, and whose word for that counts (TUF 1.0.34, 5.6.7). */
import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { DepotError } from '../lib/errors.ts';
import { type SignedObject, signMetadata } from '../signing/sign-metadata.ts';
import { generateSigningKey, type SigningKey } from '../signing/signing-keys.ts';
import {
  type MadeRepository,
  makeRepository,
  NOW_MS,
  type RepositorySpec,
  type RoleSpec,
  sourceOf,
  targetsObject,
} from './repository.fixture.ts';
import { openRepository, type Repository } from './repository.ts';
import { SPECIFIED_SIGNATURES } from './signature-policy.ts';
import { createTrustedSet } from './trusted-set.ts';
import { verifyRepository } from './workflow.ts';

const [a, b, c] = [generateSigningKey(), generateSigningKey(), generateSigningKey()];
const policy = {
  nowMs: NOW_MS,
  allowExpired: false,
  allowRollback: false,
  trustedVersions: undefined,
  signatures: SPECIFIED_SIGNATURES,
};

const open = (made: MadeRepository, source = sourceOf(made)): Promise<Repository> =>
  openRepository(source, createTrustedSet(made.root, policy));

/** Which role answers for a target, if any. */
const find = async (spec: RepositorySpec, name: string): Promise<string | undefined> =>
  (await (await open(makeRepository(spec))).findTarget(name))?.role.name;

const refusalOf = async (promise: Promise<unknown>): Promise<DepotError> => {
  const error = await promise.then(
    () => expect.fail('it was accepted'),
    (reason: unknown) => reason,
  );
  return error instanceof DepotError ? error : expect.fail(`not a DepotError: ${error}`);
};

const whole = (made: MadeRepository) =>
  verifyRepository(sourceOf(made), { trustRoots: [{ id: 'pinned', bytes: made.root }], nowMs: NOW_MS });

/** `targets` delegates everything to A, which lists `file`. */
const delegated = (role: RoleSpec, more: Partial<RepositorySpec> = {}): RepositorySpec => ({
  targets: { delegations: [{ to: 'A', keys: [a] }] },
  roles: { A: { targets: [['file', 'of A']], signers: [a], ...role } },
  ...more,
});

describe('a search', () => {
  const graph = (terminating: boolean): RepositorySpec => ({
    targets: {
      delegations: [
        { to: 'A', keys: [a], terminating, paths: ['*'] },
        { to: 'B', keys: [b] },
      ],
    },
    roles: {
      A: { signers: [a], delegations: [{ to: 'C', keys: [c], paths: ['deep-*'] }] },
      B: {
        signers: [b],
        targets: [
          ['file', 'of B'],
          ['deep-file', 'of B'],
        ],
      },
      C: { signers: [c], targets: [['deep-file', 'of C']] },
    },
  });

  test('goes depth first, and the first role that lists the target is the one (SH1)', async () => {
    expect(await find(graph(false), 'deep-file')).toBe('C');
    expect(await find(graph(false), 'file')).toBe('B');
  });

  test('fetches only the roles that it visits, under their versions (SH1)', async () => {
    const source = sourceOf(makeRepository(graph(false)));
    const repository = await open(makeRepository(graph(false)), source);
    await expect(repository.findTarget('nothing/below')).resolves.toBeUndefined();
    expect(source.asked.slice(4)).toEqual([]);
    await repository.findTarget('file');
    expect(source.asked.slice(4)).toEqual(['1.A.json', '1.B.json']);
  });

  test('CVE-2025-2886: a terminating delegation ends the search after its own subtree', async () => {
    expect(await find(graph(true), 'file')).toBeUndefined();
    expect(await find(graph(true), 'deep-file')).toBe('C');
  });

  test('CVE-2025-2886: a terminating delegation deep in the tree ends the search too', async () => {
    const spec = (terminating: boolean): RepositorySpec => ({
      targets: {
        delegations: [
          { to: 'A', keys: [a] },
          { to: 'B', keys: [b] },
        ],
      },
      roles: {
        A: { signers: [a], delegations: [{ to: 'C', keys: [c], terminating }] },
        B: { signers: [b], targets: [['file', 'of B']] },
        C: { signers: [c] },
      },
    });
    expect(await find(spec(false), 'file')).toBe('B');
    expect(await find(spec(true), 'file')).toBeUndefined();
  });

  test('a cycle ends (SH3)', async () => {
    const spec: RepositorySpec = {
      targets: { delegations: [{ to: 'A', keys: [a] }] },
      roles: {
        A: { signers: [a], delegations: [{ to: 'B', keys: [b] }] },
        B: { signers: [b], delegations: [{ to: 'A', keys: [a] }] },
      },
    };
    expect(await find(spec, 'file')).toBeUndefined();
    expect((await whole(makeRepository(spec))).delegated.map(({ name }) => name)).toEqual(['A', 'B']);
  });

  test('visits 32 delegated roles and no more (SH3)', async () => {
    const chain = (length: number): RepositorySpec => {
      const to = (index: number) => [{ to: `role-${index}`, keys: [a] }];
      const roles = Array.from({ length }, (_, index): [string, RoleSpec] => [
        `role-${index}`,
        index === length - 1
          ? { signers: [a], targets: [['file', 'deep']] }
          : { signers: [a], delegations: to(index + 1) },
      ]);
      return { targets: { delegations: to(0) }, roles: Object.fromEntries(roles) };
    };
    expect(await find(chain(32), 'file')).toBe('role-31');
    const error = await refusalOf(find(chain(33), 'file'));
    expect(error.message).toContain('goes on after 32 delegated roles');
  });

  test('a target outside of the paths delegated to its role is not found, and is left out by name (AL2)', async () => {
    const spec: RepositorySpec = {
      targets: { delegations: [{ to: 'A', keys: [a], paths: ['a/*'] }] },
      roles: {
        A: {
          signers: [a],
          targets: [
            ['a/file', '1'],
            ['b/file', '2'],
          ],
        },
      },
    };
    expect(await find(spec, 'a/file')).toBe('A');
    expect(await find(spec, 'b/file')).toBeUndefined();
    const { allTargets, leftOut } = await whole(makeRepository(spec));
    expect([...allTargets.keys()]).toEqual(['a/file']);
    expect(leftOut).toEqual([{ kind: 'outside_paths', targetName: 'b/file', role: 'A' }]);
  });

  test('a target that another role comes first for is named by nobody: it is that of the other role (AL2)', async () => {
    const spec: RepositorySpec = {
      targets: { targets: [['file', '1']], delegations: [{ to: 'A', keys: [a] }] },
      roles: { A: { signers: [a], targets: [['file', '2']] } },
    };
    expect((await whole(makeRepository(spec))).leftOut).toEqual([]);
  });

  test('an entry whose hashes are all unknown keeps its place: no later role can list it instead (TN2)', async () => {
    const edit = (signed: { targets?: unknown }) => {
      signed.targets = { file: { length: 1, hashes: { 'blake2b-256': 'ab' } } };
    };
    const spec: RepositorySpec = {
      targets: { edit, delegations: [{ to: 'A', keys: [a] }] },
      roles: { A: { signers: [a], targets: [['file', '2']] } },
    };
    const { allTargets, leftOut } = await whole(makeRepository(spec));
    expect([...allTargets.keys()]).toEqual([]);
    expect(leftOut).toMatchObject([{ kind: 'unknown_hashes', targetName: 'file' }]);
  });

  test.each(['constructor', '__proto__', 'toString'])('%s is not found when no role lists it', async name => {
    expect(await find(delegated({}), name)).toBeUndefined();
  });
});

describe('which paths a delegation covers', () => {
  test('by the prefix of the hash of the path', async () => {
    const prefix = createHash('sha256').update('file').digest('hex').slice(0, 3);
    const by = (prefixes: string[]): RepositorySpec => ({
      ...delegated({}),
      targets: { delegations: [{ to: 'A', keys: [a], prefixes }] },
    });
    expect(await find(by(['0', prefix]), 'file')).toBe('A');
    expect(
      await find(by([prefix.replace(/^./, digit => (digit === '0' ? '1' : '0'))]), 'file'),
    ).toBeUndefined();
  });

  test.each([1, 3, 4, 5, 8])('TAP 15: by its hash bin, of 2^%i', async bitLength => {
    const name = 'some/file';
    const index = createHash('sha256').update(name).digest().readUInt32BE(0) >>> (32 - bitLength);
    const digits = (2 ** bitLength - 1).toString(16).length;
    const binName = (bin: number) => `bin-${bin.toString(16).padStart(digits, '0')}`;
    const bins = Array.from({ length: 2 ** bitLength }, (_, bin): [string, RoleSpec] => [
      binName(bin),
      { signers: [a], targets: bin === index ? [[name, 'in its bin']] : [] },
    ]);
    const made = makeRepository({
      targets: { bins: { keys: [a], bitLength, prefix: 'bin' } },
      roles: Object.fromEntries(bins),
    });
    expect((await (await open(made)).findTarget(name))?.role.name).toBe(binName(index));
    const { allTargets, delegated: roles } = await whole(made);
    expect([...allTargets.keys()]).toEqual([name]);
    expect(roles).toHaveLength(2 ** bitLength);
  });

  test('a repository with more hash bins than can be verified is refused whole, not searched (AL3)', async () => {
    const made = makeRepository({ targets: { bins: { keys: [a], bitLength: 32, prefix: 'bin' } } });
    expect((await refusalOf(whole(made))).message).toContain('more than 20000 delegations');
    expect((await refusalOf(open(made).then(found => found.findTarget('x')))).message).toContain('bin-');
  });
});

describe.each<[string, (made: MadeRepository) => Promise<unknown>]>([
  ['a search', async made => (await open(made)).findTarget('file')],
  ['a whole verification', whole],
])('each delegated role is checked as the top-level ones are: %s', (_, use) => {
  const refusal = (spec: RepositorySpec) => refusalOf(use(makeRepository(spec)));

  test('an honest one passes', async () => {
    await use(makeRepository(delegated({})));
  });

  test('signed by an unknown key (5.6.3)', async () => {
    const error = await refusal(delegated({ signers: [b] }));
    expect(error.code).toBe('UNTRUSTED_SIGNATURES');
    expect(error.message).toContain('required by the targets metadata version 1');
  });

  test('the keys of the root do not count for it (5.6.3)', async () => {
    const error = await refusal(delegated({}, { key: b, ...{ roles: { A: { signers: [b] } } } }));
    expect(error.code).toBe('UNTRUSTED_SIGNATURES');
  });

  test('CVE-2026-6966: two signatures under one key id do not meet a threshold of two', async () => {
    const spec = delegated({}, { targets: { delegations: [{ to: 'A', keys: [a, b], threshold: 2 }] } });
    const bytes = signMetadata(targetsObject({ targets: [['file', 'of A']] }), [a]);
    const { signatures, signed } = JSON.parse(Buffer.from(bytes).toString());
    const twice = Buffer.from(JSON.stringify({ signatures: [...signatures, ...signatures], signed }));
    const unlist = (snapshot: SignedObject) =>
      Object.assign(snapshot.meta as object, { 'A.json': { version: 1 } });
    const error = await refusal({ ...spec, replaced: { A: twice }, editSnapshot: unlist });
    expect(error).toMatchObject({ code: 'METADATA_INVALID', message: expect.stringContaining('repeats') });
  });

  test('CVE-2026-6966: one key under two ids does not meet a threshold of two', async () => {
    const alias: SigningKey = { ...a, keyId: 'alias' };
    const spec = delegated(
      { signers: [a, alias] },
      { targets: { delegations: [{ to: 'A', keys: [a, alias], threshold: 2 }] } },
    );
    expect((await refusal(spec)).code).toBe('UNTRUSTED_SIGNATURES');
  });

  test('CVE-2026-6967: expired', async () => {
    expect(await refusal(delegated({ expiresMs: NOW_MS }))).toMatchObject({
      code: 'METADATA_EXPIRED',
      detail: { role: 'A' },
    });
  });

  test.each([
    ['hash', (meta: Record<string, unknown>) => ({ ...meta, hashes: { sha256: '0'.repeat(64) } })],
    ['length', (meta: Record<string, unknown>) => ({ ...meta, length: 9 })],
  ])('CVE-2026-6967: of another %s than the snapshot lists', async (_title, change) => {
    const editSnapshot = (signed: SignedObject) => {
      const meta = signed.meta as Record<string, Record<string, unknown>>;
      meta['A.json'] = change(meta['A.json'] ?? {});
    };
    expect(await refusal(delegated({}, { editSnapshot }))).toMatchObject({
      code: 'METADATA_MISMATCH',
      detail: { role: 'A' },
    });
  });

  test('of another version than the snapshot lists (5.6.4)', async () => {
    const older = signMetadata(targetsObject({ version: 1 }), [a]);
    const editSnapshot = (signed: SignedObject) =>
      Object.assign(signed.meta as object, { 'A.json': { version: 2 } });
    const error = await refusal({ ...delegated({ version: 2 }), replaced: { A: older }, editSnapshot });
    expect(error).toMatchObject({ code: 'METADATA_MISMATCH', detail: { role: 'A' } });
  });

  test('not listed by the snapshot, although its file exists', async () => {
    const editSnapshot = (signed: SignedObject) => {
      delete (signed.meta as Record<string, unknown>)['A.json'];
    };
    const error = await refusal(delegated({}, { editSnapshot }));
    expect(error).toMatchObject({
      code: 'METADATA_MISMATCH',
      message: expect.stringContaining('does not list'),
    });
  });
});

test('a role is verified against the delegator it was reached through, each time (TT3)', async () => {
  const spec: RepositorySpec = {
    targets: {
      delegations: [
        { to: 'A', keys: [a], paths: ['team-a/*'] },
        { to: 'B', keys: [b], paths: ['team-b/*'] },
      ],
    },
    roles: {
      A: { signers: [a], delegations: [{ to: 'shared', keys: [a], paths: ['team-a/*'] }] },
      B: { signers: [b], delegations: [{ to: 'shared', keys: [b], paths: ['team-b/*'] }] },
      shared: {
        signers: [a],
        targets: [
          ['team-a/file', 'good'],
          ['team-b/file', 'not B’s'],
        ],
      },
    },
  };
  const repository = await open(makeRepository(spec));
  expect((await repository.findTarget('team-a/file'))?.role.name).toBe('shared');
  const error = await refusalOf(repository.findTarget('team-b/file'));
  expect(error).toMatchObject({
    code: 'UNTRUSTED_SIGNATURES',
    message: expect.stringContaining('the B metadata'),
  });
  expect((await refusalOf(whole(makeRepository(spec)))).code).toBe('UNTRUSTED_SIGNATURES');
});

describe('CVE-2025-2887: a delegated role', () => {
  const remembered = { root: 1, timestamp: 1, snapshot: 1, targets: 1, delegated: new Map([['A', 3]]) };
  const verifyAfter = (made: MadeRepository) =>
    verifyRepository(sourceOf(made), {
      trustRoots: [{ id: 'pinned', bytes: made.root }],
      nowMs: NOW_MS,
      rollback: () => remembered,
    });

  test('may not roll back', async () => {
    const error = await refusalOf(verifyAfter(makeRepository(delegated({ version: 2 }))));
    expect(error).toMatchObject({
      code: 'METADATA_ROLLBACK',
      detail: { role: 'A', version: 2, trusted_version: 3 },
    });
    const { versions } = await verifyAfter(makeRepository(delegated({ version: 4 })));
    expect(versions.delegated).toEqual(new Map([['A', 4]]));
  });

  test('may not vanish from the snapshot (5.5.5)', async () => {
    const error = await refusalOf(verifyAfter(makeRepository({ targets: {} })));
    expect(error).toMatchObject({ code: 'METADATA_ROLLBACK', detail: { role: 'A' } });
    expect(error.message).toContain('no longer lists the role A');
  });
});

describe('the form of delegations', () => {
  const role = { name: 'A', keyids: [a.keyId], threshold: 1, terminating: false, paths: ['*'] };
  const keys = { [a.keyId]: a.listed };
  const parse = (delegations: object) => {
    const edit = (signed: SignedObject) => Object.assign(signed, { delegations });
    return refusalOf(open(makeRepository({ targets: { edit } })));
  };

  test.each<[string, object]>([
    ['neither roles nor hash bins', { keys }],
    ['both', { keys, roles: [role], succinct_roles: {} }],
    ['GHSA-fphv-w9fq-2525: threshold 0', { keys, roles: [{ ...role, threshold: 0 }] }],
    ['a repeated key id', { keys, roles: [{ ...role, keyids: [a.keyId, a.keyId] }] }],
    ['a key that is not there', { keys: {}, roles: [role] }],
    ['the name of a top-level role', { keys, roles: [{ ...role, name: 'snapshot' }] }],
    ['no name', { keys, roles: [{ ...role, name: '' }] }],
    ['an invisible character in a name', { keys, roles: [{ ...role, name: 'A\u200b' }] }],
    ['a name too long for a file', { keys, roles: [{ ...role, name: 'x'.repeat(181) }] }],
    ['one name twice', { keys, roles: [role, role] }],
    ['paths and prefixes', { keys, roles: [{ ...role, path_hash_prefixes: ['0'] }] }],
    ['neither paths nor prefixes', { keys, roles: [{ ...role, paths: undefined }] }],
    ['an empty prefix', { keys, roles: [{ ...role, paths: undefined, path_hash_prefixes: [''] }] }],
    ['a prefix in upper case', { keys, roles: [{ ...role, paths: undefined, path_hash_prefixes: ['A'] }] }],
    ['a set in a pattern', { keys, roles: [{ ...role, paths: ['[ab]*'] }] }],
    ['terminating that is no boolean', { keys, roles: [{ ...role, terminating: 1 }] }],
    ['no bits', { keys, succinct_roles: { keyids: [], threshold: 1, bit_length: 0, name_prefix: 'x' } }],
    ['33 bits', { keys, succinct_roles: { keyids: [], threshold: 1, bit_length: 33, name_prefix: 'x' } }],
  ])('with %s refuses the file', async (_title, delegations) => {
    expect((await parse(delegations)).code).toBe('METADATA_INVALID');
  });
});

test.each([
  ['?', '1.%3F.json'],
  ['#', '1.%23.json'],
  ['/delegated', '1.%2Fdelegated.json'],
  ['../root', '1...%2Froot.json'],
  ['é (1)', '1.%C3%A9%20%281%29.json'],
])('the role %j is asked for as %s', async (name, fileName) => {
  const made = makeRepository({
    targets: { delegations: [{ to: name, keys: [a] }] },
    roles: { [name]: { signers: [a], targets: [['file', 'x']] } },
  });
  const source = sourceOf(made);
  expect((await (await open(made, source)).findTarget('file'))?.role.name).toBe(name);
  expect(source.asked.at(-1)).toBe(fileName);
});
