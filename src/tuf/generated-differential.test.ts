/**
 * Generated repositories, honest and mutated, with delegations, before this client and before tuf-js.
 *
 * Both follow the repository through its states, one after the other, and are asked for the same targets. They have
 * to give the same bytes for the same names, and otherwise both none. Where this client is stricter on purpose the
 * generator does not go; those cases stand in differential.test.ts with their reasons. Nor are there two contents of
 * one version: tuf-js keeps a stored snapshot by its version alone, this client by what the timestamp signed.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { BaseFetcher, Updater } from 'tuf-js';
import { DownloadHTTPError } from 'tuf-js/dist/error.js';
import { expect, test } from 'vitest';
import { DepotError } from '../lib/errors.ts';
import { generateSigningKey, type SigningKey } from '../signing/signing-keys.ts';
import {
  type DelegationSpec,
  type MadeRepository,
  makeRepository,
  memoryStore,
  NOW_MS,
  type RepositorySpec,
  type RoleSpec,
  sourceOf,
} from './repository.fixture.ts';
import { openRepository } from './repository.ts';
import { SPECIFIED_SIGNATURES } from './signature-policy.ts';
import { createTrustedSet } from './trusted-set.ts';

const RUNS = 150;
const PAST_MS = Date.UTC(2001, 0, 1);
const ROLES = ['A', 'B', 'C', 'D'] as const;
const NAMES = ['a', 'ab', 'd/a', 'd/b.txt', 'd/e/a', 'x-1.tgz'] as const;
const PATTERNS = ['*', 'a', 'a?', 'd/*', '*/*', '*/*/*', 'd/*.txt', 'x-?.tgz', '?', 'b*'] as const;
const keys = Array.from({ length: 3 }, () => generateSigningKey());
const keyOf = (index: number): SigningKey => keys[index % keys.length] as SigningKey;

/** What each client has to say of a target: the hash that it would accept, or nothing. */
type Answers = readonly (string | undefined)[];

const ours = async (
  states: readonly MadeRepository[],
  names: readonly string[] = NAMES,
): Promise<Answers> => {
  const store = memoryStore(states[0]?.root ?? new Uint8Array());
  const policy = {
    nowMs: NOW_MS,
    allowExpired: false,
    allowRollback: false,
    trustedVersions: undefined,
    signatures: SPECIFIED_SIGNATURES,
  };
  let answers: Answers = [];
  for (const state of states) {
    const set = createTrustedSet(store.files.get('root') as Uint8Array, policy);
    const repository = await openRepository(sourceOf(state), set, store).catch(refusalOnly);
    answers = await inTurn(names, async name => {
      const found = await repository?.findTarget(name).catch(refusalOnly);
      return found?.target.hashes?.sha256;
    });
  }
  return answers;
};

const refusalOnly = (error: unknown): undefined => {
  if (error instanceof DepotError) return undefined;
  throw error;
};

const theirs = async (
  states: readonly MadeRepository[],
  names: readonly string[] = NAMES,
): Promise<Answers> => {
  const directory = await mkdtemp(join(tmpdir(), 'tuf-depot-generated-'));
  try {
    await writeFile(join(directory, 'root.json'), states[0]?.root ?? '');
    let answers: Answers = [];
    for (const { metadata } of states) {
      const updater = new Updater({
        metadataDir: directory,
        metadataBaseUrl: 'http://files.invalid',
        fetcher: fetcherOf(metadata),
      });
      const isFresh = await updater.refresh().then(
        () => true,
        () => false,
      );
      answers = await inTurn(names, async name => {
        const target = isFresh ? await updater.getTargetInfo(name).catch(() => undefined) : undefined;
        return target?.hashes.sha256;
      });
    }
    return answers;
  } finally {
    await rm(directory, { recursive: true });
  }
};

const fetcherOf = (files: ReadonlyMap<string, Uint8Array>) =>
  new (class extends BaseFetcher {
    async fetch(url: string) {
      const bytes = files.get(new URL(url).pathname.slice(1));
      if (bytes === undefined) throw new DownloadHTTPError('not found', 404);
      return new Blob([Uint8Array.from(bytes)]).stream();
    }
  })();

const inTurn = async <Item, Result>(items: readonly Item[], ask: (item: Item) => Promise<Result>) => {
  const results: Result[] = [];
  for (const item of items) results.push(await ask(item));
  return results;
};

const arbDelegation = (to: string): fc.Arbitrary<DelegationSpec> =>
  fc
    .record({
      paths: fc.option(fc.uniqueArray(fc.constantFrom(...PATTERNS), { maxLength: 3 }), { nil: undefined }),
      prefixes: fc.uniqueArray(fc.constantFrom(...'0123456789abcdef'), { maxLength: 9 }),
      terminating: fc.boolean(),
      keyIndexes: fc.uniqueArray(fc.nat(2), { minLength: 1, maxLength: 2 }),
      threshold: fc.integer({ min: 1, max: 2 }),
    })
    .map(({ paths, prefixes, keyIndexes, ...more }) => ({
      to,
      keys: keyIndexes.map(keyOf),
      ...(paths === undefined ? { prefixes } : { paths }),
      ...more,
    }));

const arbRole: fc.Arbitrary<RoleSpec> = fc
  .record({
    targets: fc.uniqueArray(fc.tuple(fc.constantFrom(...NAMES), fc.constantFrom('1', '2', '3')), {
      maxLength: 3,
      selector: ([name]) => name,
    }),
    delegatesTo: fc.shuffledSubarray([...ROLES], { maxLength: 3 }),
    signerIndexes: fc.uniqueArray(fc.nat(2), { maxLength: 3 }),
    version: fc.integer({ min: 1, max: 2 }),
    expiresMs: fc.constantFrom(...Array.from({ length: 7 }, () => undefined), PAST_MS),
  })
  .chain(({ delegatesTo, signerIndexes, expiresMs, ...more }) =>
    fc.tuple(...delegatesTo.map(arbDelegation)).map(delegations => ({
      ...more,
      signers: signerIndexes.map(keyOf),
      ...(expiresMs !== undefined && { expiresMs }),
      ...(delegations.length > 0 && { delegations }),
    })),
  );

const arbBins: fc.Arbitrary<RepositorySpec> = fc
  .record({
    bitLength: fc.integer({ min: 1, max: 5 }),
    roles: fc.array(arbRole, { minLength: 1, maxLength: 4 }),
  })
  .map(({ bitLength, roles }) => {
    const digits = (2 ** bitLength - 1).toString(16).length;
    const bins = Array.from({ length: 2 ** bitLength }, (_, bin): [string, RoleSpec] => [
      `bin-${bin.toString(16).padStart(digits, '0')}`,
      { ...roles[bin % roles.length], delegations: [] },
    ]);
    return {
      targets: { bins: { keys: [keyOf(0)], bitLength, prefix: 'bin' } },
      roles: Object.fromEntries(bins),
    };
  });

const arbGraph: fc.Arbitrary<RepositorySpec> = fc.record({
  targets: arbRole.map(({ signers: _, ...role }) => role),
  roles: fc.record({ A: arbRole, B: arbRole, C: arbRole, D: arbRole }),
});

/** What may be wrong with the files of a state, beside what the roles themselves get wrong. */
const arbMutation = fc.oneof(
  { weight: 3, arbitrary: fc.constant({ kind: 'none' as const }) },
  fc.record({ kind: fc.constant('missing' as const), index: fc.nat(7) }),
  fc.record({ kind: fc.constant('changed' as const), index: fc.nat(7), at: fc.nat(5000) }),
  fc.record({ kind: fc.constant('unlisted' as const), index: fc.nat(3) }),
  fc.record({ kind: fc.constant('listed otherwise' as const), index: fc.nat(3) }),
);

const arbState = fc.record({
  spec: fc.oneof({ weight: 4, arbitrary: arbGraph }, arbBins),
  versions: fc.record({
    timestamp: fc.integer({ min: 1, max: 3 }),
    snapshot: fc.integer({ min: 1, max: 3 }),
  }),
  mutation: arbMutation,
});

type State = typeof arbState extends fc.Arbitrary<infer S> ? S : never;

/** No version of one state is one of the other; it may still be lower. */
const numbered = ({ spec, versions, mutation }: State, index: number): State => {
  const renumber = (version: number) => 2 * version + index;
  const role = (role: RoleSpec): RoleSpec => ({ ...role, version: renumber(role.version ?? 1) });
  const roles = Object.entries(spec.roles ?? {}).map(([name, spec]) => [name, role(spec)]);
  return {
    spec: { ...spec, targets: role(spec.targets), roles: Object.fromEntries(roles) },
    versions: { timestamp: renumber(versions.timestamp), snapshot: renumber(versions.snapshot) },
    mutation,
  };
};

const build = ({ spec, versions, mutation }: State, consistentSnapshot: boolean): MadeRepository => {
  const role = 'index' in mutation ? Object.keys(spec.roles ?? {})[mutation.index] : undefined;
  const made = makeRepository({
    ...spec,
    versions,
    consistentSnapshot,
    editSnapshot(signed) {
      const meta = signed.meta as Record<string, object>;
      if (role === undefined) return;
      if (mutation.kind === 'unlisted') delete meta[`${role}.json`];
      if (mutation.kind === 'listed otherwise') meta[`${role}.json`] = { ...meta[`${role}.json`], length: 7 };
    },
  });
  const names = [...made.metadata.keys()].slice(1);
  const name = 'index' in mutation ? names[mutation.index % names.length] : undefined;
  const bytes = name === undefined ? undefined : made.metadata.get(name);
  if (name === undefined || bytes === undefined) return made;
  if (mutation.kind === 'missing') made.metadata.delete(name);
  if (mutation.kind === 'changed') {
    // A digit, so that what is changed is what the file says and not whether it is JSON.
    const digits = [...Buffer.from(bytes).toString().matchAll(/\d/g)].map(({ index }) => index);
    const at = digits[mutation.at % digits.length] as number;
    const changed = Uint8Array.from(bytes);
    changed[at] = (changed[at] as number) ^ 1;
    made.metadata.set(name, changed);
  }
  return made;
};

test('both clients find the same targets in the same states of the same repositories', async () => {
  let found = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.array(arbState, { minLength: 1, maxLength: 2 }),
      fc.boolean(),
      async (states, consistentSnapshot) => {
        const made = states.map((state, index) => build(numbered(state, index), consistentSnapshot));
        const answers = await ours(made);
        found += answers.filter(answer => answer !== undefined).length;
        expect(answers).toEqual(await theirs(made));
      },
    ),
    { numRuns: Number(process.env.DIFFERENTIAL_RUNS ?? RUNS) },
  );
  expect(found).toBeGreaterThan(0);
}, 600_000);

test.each([
  ['*', '.hidden', 'ours', 'it hides names that begin with a dot, as a shell does'],
  ['#a', '#a', 'ours', 'it takes a # for the beginning of a comment'],
  ['!a', 'b', 'theirs', 'it takes a ! for a negation'],
  ['+(a)', 'aa', 'theirs', 'it takes +(…) for a repetition'],
] as const)('they differ: whether %s covers %s (only %s): %s', async (pattern, name, whose, _reason) => {
  const made = makeRepository({
    targets: { delegations: [{ to: 'A', keys: [keyOf(0)], paths: [pattern] }] },
    roles: { A: { signers: [keyOf(0)], targets: [[name, 'content']] } },
  });
  const found = { ours: await ours([made], [name]), theirs: await theirs([made], [name]) };
  expect(found.ours[0] !== undefined).toBe(whose === 'ours');
  expect(found.theirs[0] !== undefined).toBe(whose === 'theirs');
});
