/**
 * The same repositories, honest and mutated, before this client and before tuf-js: the verdicts agree, except where
 * a case says that they differ and why.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BaseFetcher, Updater } from 'tuf-js';
import { DownloadHTTPError } from 'tuf-js/dist/error.js';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { DepotError } from '../lib/errors.ts';
import {
  flipBit,
  makeTestRepository,
  type TestReleaseOptions,
  type TestRepository,
} from '../signing/release.fixture.ts';
import { keysForAllRoles, rotateRoot, type SignedObject } from '../signing/sign-metadata.ts';
import { generateSigningKey, type SigningKey } from '../signing/signing-keys.ts';
import { TOP_LEVEL_ROLES, type TopLevelRole } from './role-names.ts';
import type { TrustedVersions } from './rollback.ts';
import { verifyRepository } from './workflow.ts';

const NOW_MS = Date.UTC(2026, 0, 1);
const LATER_MS = Date.UTC(2100, 0, 1);
const FOLDER = 'repo/metadata/';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tuf-depot-differential-'));
});
afterEach(() => rm(directory, { recursive: true }));

type Verdict = 'accepts' | 'refuses';

/** What this client says of the last of several states of a repository that it saw one after the other. */
const ours = async (states: readonly TestRepository[]): Promise<Verdict> => {
  let versions: TrustedVersions | undefined;
  let verdict: Verdict = 'refuses';
  for (const { files } of states) {
    const source = {
      read: async (name: string) => files.get(`${FOLDER}${name}`),
      list: () => [...files.keys()].map(name => name.slice(FOLDER.length)),
    };
    const trustRoots = [{ id: 'pinned', bytes: states[0]?.trustRoot ?? new Uint8Array() }];
    const options = { trustRoots, nowMs: NOW_MS, rollback: () => versions };
    const result = await verifyRepository(source, options).catch((error: unknown) => error);
    if (result instanceof Error && !(result instanceof DepotError)) throw result;
    verdict = result instanceof Error ? 'refuses' : 'accepts';
    if (!(result instanceof Error)) versions = (result as { versions: TrustedVersions }).versions;
  }
  return verdict;
};

const filesFetcher = (files: ReadonlyMap<string, Uint8Array>) =>
  new (class extends BaseFetcher {
    async fetch(url: string) {
      const name = decodeURIComponent(new URL(url).pathname).replace('/metadata/', FOLDER);
      const bytes = files.get(name);
      if (bytes === undefined) throw new DownloadHTTPError('not found', 404);
      return new Blob([Uint8Array.from(bytes)]).stream();
    }
  })();

const theirs = async (states: readonly TestRepository[]): Promise<Verdict> => {
  await writeFile(join(directory, 'root.json'), states[0]?.trustRoot ?? '');
  let verdict: Verdict = 'refuses';
  for (const { files } of states) {
    // Its constructor reads the root, so an unusable one fails there.
    const refresh = async () => {
      const fetcher = filesFetcher(files);
      const metadataBaseUrl = 'http://files.invalid/metadata';
      await new Updater({ metadataDir: directory, metadataBaseUrl, fetcher }).refresh();
    };
    verdict = await refresh().then(
      () => 'accepts',
      () => 'refuses',
    );
  }
  return verdict;
};

type Case = readonly [title: string, ...states: TestReleaseOptions[]];
type Difference = readonly [reason: string, ...Case];

const keys = keysForAllRoles([generateSigningKey()]);
const mixed = (['ed25519', 'ecdsa-p256', 'rsa-pss'] as const).map(type => generateSigningKey(type));
const [ed25519, ecdsa, rsa] = mixed as [SigningKey, SigningKey, SigningKey];
const next = keysForAllRoles([generateSigningKey()]);

const first = (await makeTestRepository({ keys })).trustRoot;
const second = rotateRoot(
  { bytes: first, keys: keys.root.keys },
  { keys: next, expiresMs: LATER_MS, consistentSnapshot: false },
);
const third = rotateRoot(
  { bytes: second, keys: next.root.keys },
  { keys: next, expiresMs: LATER_MS, consistentSnapshot: true },
);

const editing = (role: TopLevelRole, change: object): TestReleaseOptions => ({
  keys,
  edit: { [role]: (signed: SignedObject) => Object.assign(signed, change) },
});
const rewriting = (role: TopLevelRole, rewrite: (text: string) => string): TestReleaseOptions => ({
  keys,
  tamper(files) {
    const name = `${FOLDER}${role === 'root' ? '2.root' : role}.json`;
    files.set(name, Buffer.from(rewrite(Buffer.from(files.get(name) ?? []).toString())));
  },
});
const delegating = (role: object): TestReleaseOptions =>
  editing('targets', {
    delegations: {
      keys: {},
      roles: [{ name: 'A', keyids: [], threshold: 1, terminating: false, ...role }],
    },
  });
/** Signs what this project's own signer refuses to sign. */
const loosely = (change: object): TestReleaseOptions => ({
  keys,
  tamper(files) {
    const name = `${FOLDER}timestamp.json`;
    const { signed } = JSON.parse(Buffer.from(files.get(name) ?? []).toString());
    Object.assign(signed, change);
    const [{ keyId, sign }] = keys.timestamp.keys as [SigningKey];
    const signatures = [{ keyid: keyId, sig: sign(Buffer.from(sortedJson(signed))) }];
    files.set(name, Buffer.from(JSON.stringify({ signatures, signed })));
  },
});
const sortedJson = (value: unknown): string =>
  JSON.stringify(value, (_, member) =>
    Object.getPrototypeOf(Object(member)) === Object.prototype
      ? Object.fromEntries(Object.entries(member).sort(([a], [b]) => (a < b ? -1 : 1)))
      : member,
  );
/** With nothing about the child but its version, so that changing the child's bytes is not already a mismatch. */
const looseTimestamp = {
  edit: { timestamp: (signed: SignedObject) => Object.assign(signed, loose('snapshot')) },
};
const loose = (role: string) => ({ meta: { [`${role}.json`]: { version: 1 } } });
const belowRoot = TOP_LEVEL_ROLES.filter(role => role !== 'root');
const versions = (version: number) => ({ timestamp: version, snapshot: version, targets: version });

const honest: readonly Case[] = [
  ['plain file names', { keys }],
  ['consistent snapshots', { keys, consistentSnapshot: true }],
  ['two of three keys of different types', { keys: keysForAllRoles(mixed, 2) }],
  ...mixed.map(key => [`one ${key.type} key`, { keys: keysForAllRoles([key]) }] as Case),
  ['two roots', { keys: next, rootChain: [first, second] }],
  ['three roots', { keys: next, rootChain: [first, second, third] }],
  ['the same again', { keys }, { keys }],
  ['a newer state', { keys }, { keys, versions: versions(2) }],
  ['a newer root', { keys }, { keys: next, rootChain: [first, second] }],
  ['members that nobody defined', editing('targets', { 'x-more': { a: [1, 'two', null, { b: true }] } })],
  ['versions without lengths and hashes', looseTimestamp],
  ['delegations', editing('targets', { delegations: { keys: {}, roles: [] } })],
];

const mutated: readonly Case[] = [
  ...belowRoot.flatMap((role): Case[] => [
    [`an expired ${role}`, { keys, expired: [role] }],
    [`a ${role} by a stranger`, { keys, signers: { [role]: [generateSigningKey()] } }],
    [`a ${role} by nobody`, { keys, signers: { [role]: [] } }],
    [`a ${role} by too few`, { keys: keysForAllRoles(mixed, 2), signers: { [role]: [rsa] } }],
    [`no ${role}`, { keys, tamper: files => files.delete(`${FOLDER}${role}.json`) }],
    [`a ${role} of specification 2`, editing(role, { spec_version: '2.0.0' })],
    [`a ${role} of another type`, editing(role, { _type: 'mirrors' })],
    [`a ${role} whose version is text`, editing(role, { version: '1' })],
    [`a ${role} whose expiry is none`, editing(role, { expires: 'tomorrow' })],
    [`a ${role} that was changed`, rewriting(role, text => text.replace('"version": 1', '"version": 2'))],
    [`a ${role} with a digit over`, rewriting(role, text => text.replace('2100-01-01', '2101-01-01'))],
    [`a ${role} that is cut off`, rewriting(role, text => text.slice(0, -10))],
    [`a ${role} that is no JSON`, rewriting(role, () => 'no')],
    [`an older ${role}`, { keys, versions: versions(5) }, { keys, versions: { ...versions(6), [role]: 4 } }],
  ]),
  ['a root by a stranger', { keys, signers: { root: [generateSigningKey()] } }],
  ['an expired root', { keys, expired: ['root'] }],
  [
    'a second root by a stranger',
    {
      keys: next,
      rootChain: [
        first,
        rotateRoot(
          { bytes: first, keys: [] },
          {
            keys: next,
            expiresMs: LATER_MS,
            consistentSnapshot: false,
          },
        ),
      ],
    },
  ],
  [
    'a second root that is a copy of the first',
    { keys, tamper: files => files.set(`${FOLDER}2.root.json`, first) },
  ],
  [
    'a second root that is broken',
    { keys: next, rootChain: [first, second], tamper: files => flipBit(files, `${FOLDER}2.root.json`, 4001) },
  ],
  [
    'a missing second root',
    { keys: next, rootChain: [first, second, third], tamper: files => files.delete(`${FOLDER}2.root.json`) },
  ],
  ['a snapshot without targets', editing('snapshot', { meta: {} })],
  ['a timestamp without snapshot', editing('timestamp', { meta: {} })],
  ['a snapshot of another version', editing('timestamp', { meta: { 'snapshot.json': { version: 2 } } })],
  ['targets of another version', editing('snapshot', { meta: { 'targets.json': { version: 2 } } })],
  [
    'a snapshot of another length',
    editing('timestamp', { meta: { 'snapshot.json': { version: 1, length: 9 } } }),
  ],
  [
    'targets of another hash',
    editing('snapshot', { meta: { 'targets.json': { version: 1, hashes: { sha256: '0'.repeat(64) } } } }),
  ],
  ['a timestamp of version 1.5', loosely({ version: 1.5 })],
  ['a duplicate signature', { keys, signers: {}, tamper: duplicateSignatures }],
];

function duplicateSignatures(files: Map<string, Uint8Array>) {
  const name = `${FOLDER}timestamp.json`;
  const { signatures, signed } = JSON.parse(Buffer.from(files.get(name) ?? []).toString());
  files.set(name, Buffer.from(JSON.stringify({ signed, signatures: [...signatures, ...signatures] })));
}

/** We refuse, tuf-js accepts. */
const stricter: readonly Difference[] = [
  ['its models take any number', 'version 0', editing('timestamp', { version: 0 })],
  ['its models take any number', 'version -1', editing('timestamp', { version: -1 })],
  ['it rounds as a double does', 'version 2^60', loosely({ version: 2 ** 60 })],
  ['it reads patterns as minimatch does', 'a set in a pattern', delegating({ paths: ['[ab]*'] })],
  ['it reads patterns as minimatch does', 'braces in a pattern', delegating({ paths: ['{a,b}'] })],
  ['it takes that for none', 'neither paths nor prefixes', delegating({})],
  ['it takes that for all', 'an empty hash prefix', delegating({ path_hash_prefixes: [''] })],
  ['it looks for keys later', 'a key id without a key', delegating({ paths: ['*'], keyids: ['none'] })],
  ['some signers normalise, others do not', 'text that is not in normal form', loosely({ x: 'e\u0301' })],
  [
    'the last of two equal keys counts',
    'a duplicate key',
    rewriting('timestamp', text => text.replace('"_type"', '"version": 9, "_type"')),
  ],
  ['any Date is a date', 'a day without a time', editing('targets', { expires: '2099-01-01' })],
  ['any Date is a date', 'a local time', editing('targets', { expires: '2099-01-01T00:00:00' })],
  [
    'a hash that is not there',
    'a target without hashes',
    editing('targets', { targets: { a: { length: 1, hashes: {} } } }),
  ],
  [
    'names are looked at later',
    'a target outside',
    editing('targets', { targets: { '../a': { length: 1, hashes: { sha256: '0'.repeat(64) } } } }),
  ],
  ['it counts key ids, not keys', 'one key under two ids', aliased(ed25519)],
  [
    'it goes on with the old root',
    'a gap in the roots that the old keys hide',
    { keys, tamper: files => files.set(`${FOLDER}3.root.json`, third) },
  ],
];

/** We accept, tuf-js refuses. */
const laxer: readonly Difference[] = [
  [
    '1.0 says that it may be absent',
    'no consistent_snapshot',
    {
      keys,
      edit: {
        root: signed => {
          delete signed.consistent_snapshot;
        },
      },
    },
  ],
];

function aliased(key: SigningKey): TestReleaseOptions {
  const alias = { ...key, keyId: 'alias' };
  return { keys: keysForAllRoles([key, alias, ecdsa], 2), signers: { timestamp: [key, alias] } };
}

const verdicts = async (states: readonly TestReleaseOptions[]) => {
  const repositories: TestRepository[] = [];
  for (const state of states) repositories.push(await makeTestRepository({ keys, ...state }));
  return { ours: await ours(repositories), theirs: await theirs(repositories) };
};

describe('tuf-js and this client agree', () => {
  const named = (cases: readonly Case[]) => cases.map(([title, ...states]) => ({ title, states }));

  test.each(named(honest))('to accept $title', async ({ states }) => {
    expect(await verdicts(states)).toEqual({ ours: 'accepts', theirs: 'accepts' });
  });

  test.each(named(mutated))('to refuse $title', async ({ states }) => {
    expect(await verdicts(states)).toEqual({ ours: 'refuses', theirs: 'refuses' });
  });
});

describe('they differ', () => {
  const named = (differences: readonly Difference[]) =>
    differences.map(([reason, title, ...states]) => ({ reason, title, states }));

  test.each(named(stricter))('we refuse $title: $reason', async ({ states }) => {
    expect(await verdicts(states)).toEqual({ ours: 'refuses', theirs: 'accepts' });
  });

  test.each(named(laxer))('we accept $title: $reason', async ({ states }) => {
    expect(await verdicts(states)).toEqual({ ours: 'accepts', theirs: 'refuses' });
  });
});

test('tuf-js takes a target with md5 alone with a check of its length, this client has no such target', async () => {
  const state = editing('targets', { targets: { a: { length: 1, hashes: { md5: 'ff' } } } });
  const made = await makeTestRepository({ keys, ...state });
  expect(await theirs([made])).toBe('accepts');
  const source = { read: async (name: string) => made.files.get(`${FOLDER}${name}`) };
  const trustRoots = [{ id: 'pinned', bytes: made.trustRoot }];
  const { allTargets, leftOut } = await verifyRepository(source, { trustRoots, nowMs: NOW_MS });
  expect([...allTargets.keys()]).toEqual([]);
  expect(leftOut).toEqual([{ kind: 'unknown_hashes', targetName: 'a', algorithms: ['md5'] }]);
});
