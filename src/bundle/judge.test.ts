import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { ArtifactHash, SystemVersion } from '../core/ids.ts';
import { errorCodeOf } from '../lib/errors.ts';
import { keysForAllRoles, rootObject, signMetadata } from '../signing/sign-metadata.ts';
import { generateSigningKey } from '../signing/signing-keys.ts';
import {
  LATER_MS,
  type MadeRepository,
  makeRepository,
  onlineKey,
  type RepositorySpec,
} from '../tuf/repository.fixture.ts';
import { SPECIFIED_SIGNATURES } from '../tuf/signature-policy.ts';
import { createWorkBudget } from '../tuf/work-budget.ts';
import { type Bundle, encodeBundle } from './bundle.ts';
import { judgeBundle } from './judge.ts';
import { judgeApart } from './judge-apart.ts';

const hashOf = (content: string) => ArtifactHash.parse(createHash('sha256').update(content).digest('hex'));
const spec: RepositorySpec = {
  targets: {
    targets: [
      ['one', 'first'],
      ['two', 'second!'],
    ],
  },
};
const made = makeRepository(spec);
const expired: RepositorySpec = { targets: { ...spec.targets, expiresMs: 1 } };
const [key, delegatedKey] = [generateSigningKey(), generateSigningKey()];

const bundleOf = ({ metadata }: MadeRepository, change: Partial<Bundle> = {}): Uint8Array => {
  const texts = [...metadata].map(([name, bytes]) => [name, Buffer.from(bytes).toString()] as const);
  const bundle = {
    systemVersion: SystemVersion.parse('1.0.0'),
    metadata: new Map(texts),
    unsigned: new Map(),
    ...change,
  };
  return encodeBundle(bundle)?.bytes ?? expect.fail('too large');
};
const pinned = (root: Uint8Array) => [{ id: 'pinned', bytes: root }];
const signedNames = [hashOf('first'), hashOf('second!')];

const refused = (words: RegExp) => ({ kind: 'refused', message: expect.stringMatching(words) });

describe('a bundle of a signed release', () => {
  test('is vouched for, with the hash of every signed target (BJ1)', async () => {
    const judged = await judgeBundle(bundleOf(made), pinned(made.root));
    expect([...judged.signed]).toEqual(signedNames);
    expect(judged.listed).toEqual(judged.signed);
    expect(judged.verdict).toEqual({ kind: 'vouched', trustRootId: 'pinned' });
  });

  test('says which address has a SHA-512 that is signed alone; others count as unsigned (BJ3)', async () => {
    const [known, unknown] = ['a'.repeat(128), 'b'.repeat(128)];
    const edit = (signed: { targets?: unknown }) => {
      signed.targets = { one: { length: 5, hashes: { sha512: known } } };
    };
    const repository = makeRepository({ targets: { edit } });
    const addresses = new Map([
      [hashOf('first'), known],
      [hashOf('second!'), unknown],
    ]);
    const judged = await judgeBundle(bundleOf(repository, { addresses }), pinned(repository.root));
    expect([...judged.bySha512]).toEqual([[hashOf('first'), known]]);
    expect([...judged.unsigned]).toEqual([hashOf('second!')]);
    expect([...judged.signed]).toEqual([]);
    expect(judged.listed).toEqual(new Set(signedNames));
    const stranger = makeRepository({ key, targets: {} }).root;
    const { bySha512, unsigned } = await judgeBundle(bundleOf(repository, { addresses }), pinned(stranger));
    expect([bySha512.size, unsigned]).toEqual([0, new Set(signedNames)]);
  });

  test('is vouched for after it has expired, since that was judged at its upload (BJ2)', async () => {
    const old = makeRepository(expired);
    expect((await judgeBundle(bundleOf(old), pinned(old.root))).verdict.kind).toBe('vouched');
  });

  test('has the targets of delegated roles, and none that no search finds (BJ1)', async () => {
    const repository = makeRepository({
      targets: { delegations: [{ to: 'A', keys: [delegatedKey], paths: ['a/*'] }] },
      roles: {
        A: {
          signers: [delegatedKey],
          targets: [
            ['a/file', 'found'],
            ['b/file', 'outside'],
          ],
        },
      },
    });
    const judged = await judgeBundle(bundleOf(repository), pinned(repository.root));
    expect([...judged.signed]).toEqual([hashOf('found')]);
    expect([...judged.listed]).toEqual([hashOf('found')]);
  });

  test('has its unsigned artifacts apart from the signed ones (BU2)', async () => {
    const unsigned = new Map([[hashOf('part'), 4]]);
    const judged = await judgeBundle(bundleOf(made, { unsigned }), pinned(made.root));
    expect([...judged.signed]).toEqual(signedNames);
    expect([...judged.unsigned]).toEqual([hashOf('part')]);
    expect([...judged.listed]).toEqual([...signedNames, hashOf('part')]);
  });

  test('follows the roots that it brings from the pinned one on', async () => {
    const second = signMetadata(
      rootObject({ keys: keysForAllRoles([key]), version: 2, expiresMs: LATER_MS, consistentSnapshot: true }),
      [onlineKey, key],
    );
    const moved = makeRepository({ ...spec, key });
    const metadata = new Map([...moved.metadata, ['1.root.json', made.root], ['2.root.json', second]]);
    const judged = await judgeBundle(bundleOf({ root: made.root, metadata }), pinned(made.root));
    expect(judged.verdict).toEqual({ kind: 'vouched', trustRootId: 'pinned' });
    expect([...judged.signed]).toEqual(signedNames);
  });
});

describe('a bundle that no pinned root vouches for signs nothing', () => {
  const ofOthers = makeRepository({ ...spec, key });

  test('that of another signer, whatever root it brings itself', async () => {
    const judged = await judgeBundle(bundleOf(ofOthers), pinned(made.root));
    expect(judged.verdict).toEqual(refused(/has valid signatures by 0 of the 1 keys/));
    expect(judged.signed.size).toBe(0);
  });

  test('but what it lists is known, for whoever exempts exactly these bytes (BJ4)', async () => {
    const judged = await judgeBundle(bundleOf(ofOthers), pinned(made.root));
    expect([...judged.listed]).toEqual(signedNames);
  });

  test.each([...made.metadata.keys()].slice(1))('one whose %s has another digit', async name => {
    const bytes = Buffer.from(made.metadata.get(name) ?? expect.fail('no such file')).toString();
    const changed = bytes.replace(/"version":\s*1/, '"version": 2');
    expect(changed).not.toBe(bytes);
    const metadata = new Map([...made.metadata, [name, Buffer.from(changed)]]);
    const judged = await judgeBundle(bundleOf({ ...made, metadata }), pinned(made.root));
    expect(judged.verdict.kind).toBe('refused');
    expect(judged.signed.size).toBe(0);
  });

  test.each([...made.metadata.keys()].slice(1))('one without its %s', async name => {
    const metadata = new Map(made.metadata);
    metadata.delete(name);
    const judged = await judgeBundle(bundleOf({ ...made, metadata }), pinned(made.root));
    expect(judged.verdict).toEqual(refused(/^the repository has no metadata file /));
    expect(judged.signed.size).toBe(0);
  });

  test('one with targets of another release of the same signer (BJ1)', async () => {
    const other = makeRepository({ targets: { targets: [['three', 'planted']] } });
    const metadata = new Map([...made.metadata, ['1.targets.json', other.metadata.get('1.targets.json')!]]);
    const judged = await judgeBundle(bundleOf({ ...made, metadata }), pinned(made.root));
    expect(judged.verdict).toEqual(refused(/^the targets metadata has \d+ bytes, but \d+ were signed/));
    expect(judged.signed.size).toBe(0);
  });

  test('one whose signer gives two lengths to one hash (BJ5)', async () => {
    const again = { length: 6, hashes: { sha256: hashOf('first') } };
    const both = makeRepository({
      targets: { ...spec.targets, edit: signed => Object.assign(signed.targets as object, { again }) },
    });
    const judged = await judgeBundle(bundleOf(both), pinned(both.root));
    expect(judged.verdict).toEqual(refused(/is signed with the lengths 5 and 6/));
    expect([judged.signed.size, judged.listed.size]).toEqual([0, 0]);
  });

  test('one that takes more work than the budget', async () => {
    const budgets = () => createWorkBudget({ maxSteps: 1_000 });
    const judged = await judgeBundle(bundleOf(made), pinned(made.root), { budgets });
    expect(judged.verdict).toEqual(refused(/more than 1000 steps of work/));
    expect([...judged.listed]).toEqual([]);
  });

  test('one judged without any root', async () => {
    const judged = await judgeBundle(bundleOf(made), []);
    expect(judged.verdict).toEqual(refused(/^no trust root is configured/));
  });
});

test('a bundle without metadata signs nothing, and lists its artifacts', async () => {
  const unsigned = new Map([[hashOf('old'), 3]]);
  const judged = await judgeBundle(bundleOf(made, { metadata: new Map(), unsigned }), pinned(made.root));
  expect(judged.verdict).toEqual({ kind: 'nothing_signed' });
  expect(judged.signed.size).toBe(0);
  expect([...judged.listed]).toEqual([hashOf('old')]);
});

describe('in a thread of its own', () => {
  const wait = { signatures: SPECIFIED_SIGNATURES, signal: new AbortController().signal };
  const large = makeRepository({
    targets: { targets: Array.from({ length: 1_000 }, (_, index) => [`t${index}`, `content ${index}`]) },
  });

  test('a large bundle has the same verdict as in this one (BA1)', async () => {
    const bytes = bundleOf(large);
    expect(bytes.length).toBeGreaterThan(128 * 1024);
    const apart = await judgeApart(bytes, pinned(large.root), wait);
    expect(apart).toEqual(await judgeBundle(bytes, pinned(large.root)));
    expect(apart.signed.size).toBe(1_000);
    expect(apart.listed, 'which is large, and crosses threads once').toBe(apart.signed);
  });

  test('something large that is no bundle is refused by its error', async () => {
    const judging = judgeApart(Buffer.alloc(200_000, '['), pinned(large.root), wait);
    expect(await judging.catch(errorCodeOf)).toBe('BUNDLE_INVALID');
  });
});
