/** A client that comes back: what it stores, what it goes on from, and what it does not ask for again. */
import { describe, expect, test } from 'vitest';
import { DepotError } from '../lib/errors.ts';
import { keysForAllRoles, rotateRoot, type SignedObject } from '../signing/sign-metadata.ts';
import { generateSigningKey } from '../signing/signing-keys.ts';
import {
  LATER_MS,
  type MadeRepository,
  makeRepository,
  memoryStore,
  NOW_MS,
  onlineKey,
  type RepositorySpec,
  sourceOf,
} from './repository.fixture.ts';
import { openRepository } from './repository.ts';
import { SPECIFIED_SIGNATURES } from './signature-policy.ts';
import { createTrustedSet } from './trusted-set.ts';

const key = generateSigningKey();
const PAST_MS = Date.UTC(2001, 0, 1);

type Store = ReturnType<typeof memoryStore>;

const refresh = (made: MadeRepository, store: Store, source = sourceOf(made)) => {
  const policy = {
    nowMs: NOW_MS,
    allowExpired: false,
    allowRollback: false,
    trustedVersions: undefined,
    signatures: SPECIFIED_SIGNATURES,
  };
  return openRepository(source, createTrustedSet(store.files.get('root') as Uint8Array, policy), store);
};

const refusalOf = async (promise: Promise<unknown>): Promise<DepotError> => {
  const error = await promise.then(
    () => expect.fail('it was accepted'),
    (reason: unknown) => reason,
  );
  return error instanceof DepotError ? error : expect.fail(`not a DepotError: ${error}`);
};

/** Version N of everything. */
const at = (version: number, more: Partial<RepositorySpec> = {}): MadeRepository =>
  makeRepository({
    targets: { version, targets: [['file', 'content']] },
    versions: { timestamp: version, snapshot: version },
    ...more,
  });

const versionsIn = ({ files }: Store) =>
  Object.fromEntries(
    Array.from(files, ([role, bytes]) => [role, JSON.parse(Buffer.from(bytes).toString()).signed.version]),
  );

const rotated = (made: MadeRepository, changes: object): Uint8Array =>
  rotateRoot(
    { bytes: made.root, keys: [onlineKey] },
    { keys: { ...keysForAllRoles([onlineKey]), ...changes }, expiresMs: LATER_MS, consistentSnapshot: true },
  );

test('trusted metadata is stored byte for byte (RO3)', async () => {
  const made = at(2);
  const store = memoryStore(made.root);
  await refresh(made, store);
  const file = (name: string) => made.metadata.get(name);
  expect([...store.files]).toEqual([
    ['root', made.root],
    ['timestamp', file('timestamp.json')],
    ['snapshot', file('2.snapshot.json')],
    ['targets', file('2.targets.json')],
  ]);
});

test.each(['2.root.json', 'timestamp.json', '2.snapshot.json', '2.targets.json'])(
  'the error about the form of %s has its place',
  async fileName => {
    const made = at(2, { unmeasured: true });
    made.metadata.set(fileName, Buffer.from('{"no": "metadata"}'));
    const source = { ...sourceOf(made), addressOf: (name: string) => `https://example.com/metadata/${name}` };
    const { code, message } = await refusalOf(refresh(made, memoryStore(made.root), source));
    expect(code).toBe('METADATA_INVALID');
    expect(message).toContain(`https://example.com/metadata/${fileName}: `);
  },
);

test('a file that the timestamp lists unchanged is not read again, nor are delegated roles (RO4)', async () => {
  const made = at(2, {
    targets: { version: 2, delegations: [{ to: 'A', keys: [key] }] },
    roles: { A: { signers: [key], targets: [['file', 'content']] } },
  });
  const store = memoryStore(made.root);
  await (await refresh(made, store)).findTarget('file');
  const source = sourceOf(made);
  await (await refresh(made, store, source)).findTarget('file');
  expect(source.asked).toEqual(['2.root.json', 'timestamp.json']);
});

test('a stored file that was damaged is read again (RO4)', async () => {
  const made = at(2);
  const store = memoryStore(made.root);
  await refresh(made, store);
  for (const role of ['snapshot', 'targets']) store.files.set(role, Buffer.from('{}'));
  await refresh(made, store);
  expect(versionsIn(store)).toEqual({ root: 1, timestamp: 2, snapshot: 2, targets: 2 });
});

describe('versions are compared with the stored files (5.4.3, 5.5.5)', () => {
  const second = async (first: MadeRepository, next: MadeRepository) => {
    const store = memoryStore(first.root);
    await (await refresh(first, store)).allTargets();
    const before = versionsIn(store);
    const error = await refusalOf(refresh(next, store));
    return { error, before, store };
  };

  test('a timestamp that rolls back is refused (5.4.3.1)', async () => {
    const { error, before, store } = await second(at(3), at(2));
    expect(error).toMatchObject({ code: 'METADATA_ROLLBACK', detail: { role: 'timestamp' } });
    expect(versionsIn(store)).toEqual(before);
  });

  test('another timestamp of the same version is ignored (5.4.3.1)', async () => {
    const store = memoryStore(at(3).root);
    await refresh(at(3), store);
    const other = at(3, { versions: { timestamp: 3, snapshot: 99 } });
    await refresh(other, store);
    expect(store.files.get('timestamp')).toEqual(at(3).metadata.get('timestamp.json'));
  });

  test('5.4.3.2, CVE-2025-2888: a timestamp whose snapshot rolls back is refused and not stored', async () => {
    const { error, before, store } = await second(at(3), at(3, { versions: { timestamp: 4, snapshot: 2 } }));
    expect(error).toMatchObject({ code: 'METADATA_ROLLBACK', detail: { role: 'snapshot' } });
    expect(versionsIn(store)).toEqual(before);
    await refresh(at(4), store);
    expect(versionsIn(store)).toMatchObject({ timestamp: 4, snapshot: 4 });
  });

  test('a snapshot whose targets roll back is refused and not stored (5.5.5)', async () => {
    const next = at(2, { versions: { timestamp: 4, snapshot: 4 } });
    const { error, store } = await second(at(3), next);
    expect(error).toMatchObject({ code: 'METADATA_ROLLBACK', detail: { role: 'targets' } });
    expect(versionsIn(store)).toMatchObject({ timestamp: 4, snapshot: 3, targets: 3 });
  });

  test('a delegated role may not vanish (5.5.5)', async () => {
    const first = at(3, {
      targets: { version: 3, delegations: [{ to: 'A', keys: [key] }] },
      roles: { A: { signers: [key] } },
    });
    const { error } = await second(first, at(4));
    expect(error.message).toContain('no longer lists the role A');
  });
});

describe('fast-forward recovery (5.3.11)', () => {
  test.each(['timestamp', 'snapshot'] as const)('a new %s key resets the versions, once', async role => {
    const ahead = at(1000);
    const store = memoryStore(ahead.root);
    await refresh(ahead, store);

    const anew = (version: number) => {
      const made = at(version, { signers: { [role]: key } });
      made.metadata.set('2.root.json', rotated(made, { [role]: { keys: [key], threshold: 1 } }));
      return made;
    };
    await refresh(anew(2), store);
    expect(versionsIn(store)).toEqual({ root: 2, timestamp: 2, snapshot: 2, targets: 2 });
    expect((await refusalOf(refresh(anew(1), store))).code).toBe('METADATA_ROLLBACK');
  });

  test('a new targets key resets nothing', async () => {
    const ahead = at(1000);
    const store = memoryStore(ahead.root);
    await refresh(ahead, store);
    const next = at(1);
    next.metadata.set('2.root.json', rotated(next, { targets: { keys: [key], threshold: 1 } }));
    expect((await refusalOf(refresh(next, store))).code).toBe('METADATA_ROLLBACK');
    expect(versionsIn(store)).toEqual({ root: 2, timestamp: 1000, snapshot: 1000, targets: 1000 });
  });

  test('the old files are deleted before the new root is stored (RO3)', async () => {
    const made = at(5);
    const store = memoryStore(made.root);
    await refresh(made, store);
    made.metadata.set('2.root.json', rotated(made, { timestamp: { keys: [key], threshold: 1 } }));
    const writes: string[] = [];
    const recording: Store = {
      ...store,
      write: async role => void writes.push(`write ${role}`),
      remove: async role => void writes.push(`remove ${role}`),
    };
    await refusalOf(refresh(made, recording));
    expect(writes).toEqual(['remove timestamp', 'remove snapshot', 'write root']);
  });
});

test('roots are stored as they are accepted, also when the last one has expired (5.3.8, 5.3.10)', async () => {
  const made = at(1);
  const store = memoryStore(made.root);
  const keys = keysForAllRoles([onlineKey]);
  const second = rotateRoot(
    { bytes: made.root, keys: [onlineKey] },
    { keys, expiresMs: PAST_MS, consistentSnapshot: true },
  );
  made.metadata.set('2.root.json', second);
  const source = sourceOf(made);
  expect(await refusalOf(refresh(made, store, source))).toMatchObject({
    code: 'METADATA_EXPIRED',
    detail: { role: 'root' },
  });
  expect(store.files.get('root')).toBe(second);
  expect(source.asked).toEqual(['2.root.json', '3.root.json']);
});

describe.each(['timestamp', 'snapshot', 'targets', 'A'])('a failure at %s', failing => {
  const withRole = (version: number, more: Partial<RepositorySpec> = {}) =>
    at(version, {
      targets: { version, delegations: [{ to: 'A', keys: [key] }] },
      roles: { A: { version, signers: [key], targets: [['file', 'content']] } },
      ...more,
    });

  test('leaves the client able to update later', async () => {
    const good = withRole(3);
    const store = memoryStore(good.root);
    await (await refresh(good, store)).findTarget('file');
    const bad = withRole(4);
    bad.metadata.delete(failing === 'timestamp' ? 'timestamp.json' : `4.${failing}.json`);
    const use = async (made: MadeRepository) => (await refresh(made, store)).findTarget('file');
    expect((await refusalOf(use(bad))).code).toBe('METADATA_MISSING');
    expect((await use(withRole(5)))?.role.signed.version).toBe(5);
    expect(versionsIn(store)).toEqual({ root: 1, timestamp: 5, snapshot: 5, targets: 5, A: 5 });
  });
});

test('a stored timestamp that is still the newest is refused once it has expired (5.4.4)', async () => {
  const made = at(2);
  const store = memoryStore(made.root);
  await refresh(made, store);
  const policy = {
    nowMs: LATER_MS,
    allowExpired: false,
    allowRollback: false,
    trustedVersions: undefined,
    signatures: SPECIFIED_SIGNATURES,
  };
  const later = openRepository(sourceOf(made), createTrustedSet(made.root, { ...policy }), store);
  expect((await refusalOf(later)).code).toBe('METADATA_EXPIRED');
});

test('a snapshot lists files that end in .json', async () => {
  const editSnapshot = (signed: SignedObject) => Object.assign(signed.meta as object, { A: { version: 1 } });
  const made = at(1, { editSnapshot });
  expect((await refusalOf(refresh(made, memoryStore(made.root)))).message).toContain('must end in .json');
});

test.each([true, false])(
  'what is read is bounded, lengths signed: %s (5.3.3, 5.4.1, 5.5.1, 5.6.1)',
  async measured => {
    const made = at(1, {
      targets: { delegations: [{ to: 'A', keys: [key] }] },
      roles: { A: { signers: [key], targets: [['file', 'content']] } },
      unmeasured: !measured,
    });
    const asked = new Map<string, number>();
    const source = {
      ...sourceOf(made),
      async read(fileName: string, maxBytes: number) {
        asked.set(fileName, maxBytes);
        return made.metadata.get(fileName);
      },
    };
    await (await refresh(made, memoryStore(made.root), source)).findTarget('file');
    const MIB = 1024 * 1024;
    const signed = (name: string, limit: number) => (measured ? made.metadata.get(name)?.length : limit);
    expect(Object.fromEntries(asked)).toEqual({
      '2.root.json': MIB,
      'timestamp.json': MIB,
      '1.snapshot.json': signed('1.snapshot.json', 4 * MIB),
      '1.targets.json': signed('1.targets.json', 32 * MIB),
      '1.A.json': signed('1.A.json', 32 * MIB),
    });
  },
);
