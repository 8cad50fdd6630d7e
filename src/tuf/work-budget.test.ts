/** What a signer can make a verification do, in steps: the product of sizes that are each within their limit (WB1). */
import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { generateSigningKey } from '../signing/signing-keys.ts';
import { canonicalJson } from './canonical-json.ts';
import { fieldsOf } from './fields.ts';
import { parsePublicKey } from './keys.ts';
import {
  type DelegationSpec,
  makeRepository,
  NOW_MS,
  type RepositorySpec,
  sourceOf,
} from './repository.fixture.ts';
import { parseStrictJson } from './strict-json.ts';
import { createWorkBudget, MAX_STEPS, STEPS } from './work-budget.ts';
import { verifyRepository } from './workflow.ts';

const key = generateSigningKey();

/** Verifies a repository, and counts. */
const verify = async (spec: RepositorySpec, maxSteps = MAX_STEPS) => {
  const made = makeRepository(spec);
  const budget = createWorkBudget({ maxSteps });
  const bytes = [...made.metadata.values()].reduce((sum, { length }) => sum + length, 0);
  const outcome = await verifyRepository(sourceOf(made), {
    trustRoots: [{ id: 'pinned', bytes: made.root }],
    nowMs: NOW_MS,
    budget,
  }).catch((error: unknown) => error);
  return { outcome, steps: budget.spentSteps(), bytes };
};

/** One role that lists `names` and is reached through `delegations`. */
const oneRole = (
  delegations: readonly Partial<DelegationSpec>[],
  names: readonly string[],
): RepositorySpec => ({
  targets: { delegations: delegations.map((more, index) => ({ to: `role-${index}`, keys: [key], ...more })) },
  roles: Object.fromEntries(
    delegations.map((_, index) => [
      `role-${index}`,
      { signers: [key], targets: index === 0 ? names.map(name => [name, ''] as const) : [] },
    ]),
  ),
});

const slowName = (index: number) => `${'a'.repeat(500)}${index}`;
const slowPattern = (index: number) => `*${'a'.repeat(250)}b${index}`;
const many = <T>(count: number, make: (index: number) => T): T[] =>
  Array.from({ length: count }, (_, i) => make(i));

describe('the work on a hostile repository ends at the limit, and the error names the role', () => {
  test('patterns that almost match, times target names (PA2)', async () => {
    const spec = oneRole([{ paths: many(40, slowPattern) }], many(40, slowName));
    const all = await verify(spec);
    expect(all.steps, 'more than any size times any other').toBeGreaterThan(40 * 40 * 250 * 250);
    expect(all.bytes).toBeLessThan(60_000);
    const { outcome, steps } = await verify(spec, 10_000_000);
    expect(outcome).toMatchObject({
      code: 'VERIFICATION_LIMIT',
      detail: { role: 'targets', limit_steps: 10_000_000 },
      message: expect.stringMatching(/more than 10000000 steps of work .* in the role targets/),
    });
    expect(steps, 'not many more than allowed').toBeLessThan(10_200_000);
  });

  test('hash prefixes, times target names', async () => {
    const prefixes = many(2_000, index => `${index.toString(16).padStart(60, 'f')}`);
    const spec = oneRole(
      [{ prefixes }],
      many(500, index => `name-${index}`),
    );
    expect((await verify(spec)).steps).toBeGreaterThan(2_000 * 500 * STEPS.comparison);
    expect((await verify(spec, 10_000_000)).outcome).toMatchObject({
      code: 'VERIFICATION_LIMIT',
      detail: { role: 'targets' },
    });
  });

  test('delegations that each lead to one large role, times its bytes and the keys that signed it', async () => {
    const keys = many(3, () => generateSigningKey());
    const names = many(1_000, index => `name-${index}`);
    const teams = many(10, index => `team-${index}`);
    const shared: DelegationSpec = { to: 'shared', keys, threshold: 3 };
    const spec: RepositorySpec = {
      targets: { delegations: teams.map(to => ({ to, keys: [key] })) },
      roles: {
        ...Object.fromEntries(teams.map(team => [team, { signers: [key], delegations: [shared] }])),
        shared: { signers: keys, targets: names.map(name => [name, ''] as const) },
      },
    };
    const { outcome, steps } = await verify(spec);
    expect(outcome).toHaveProperty('allTargets.size', 1_000);
    const signedBytes = 100 * 1_000;
    expect(steps).toBeGreaterThan(teams.length * keys.length * signedBytes * STEPS.signedByte);
    expect((await verify(spec, 8_000_000)).outcome).toMatchObject({
      code: 'VERIFICATION_LIMIT',
      detail: { role: 'shared' },
    });
  });

  test('keys, which cost more to import than to list', async () => {
    const keys = many(50, () => generateSigningKey());
    const spec: RepositorySpec = {
      targets: { delegations: [{ to: 'A', keys }] },
      roles: { A: { signers: keys.slice(0, 1) } },
    };
    const { steps, bytes } = await verify(spec);
    expect(steps - bytes * STEPS.metadataByte).toBeGreaterThan(50 * STEPS.key);
    expect((await verify(spec, 1_000_000)).outcome).toMatchObject({
      code: 'VERIFICATION_LIMIT',
      detail: { role: 'targets' },
    });
  });

  test('arrays in arrays, which take more memory than text', async () => {
    const edit = (signed: Record<string, unknown>) =>
      Object.assign(signed, { custom: many(10_000, () => []) });
    const { steps, bytes } = await verify({ targets: { edit } });
    expect(steps - bytes * STEPS.metadataByte).toBeGreaterThan(10_000 * STEPS.container);
    expect((await verify({ targets: { edit } }, 1_500_000)).outcome).toMatchObject({
      code: 'VERIFICATION_LIMIT',
      detail: { role: 'targets' },
    });
  });
});

test('one budget serves all trust roots that are tried (WB2)', async () => {
  const made = makeRepository({ targets: {} });
  const strangers = many(20, index => ({
    id: `stranger-${index}`,
    bytes: makeRepository({ key: generateSigningKey(), targets: {} }).root,
  }));
  const refused = verifyRepository(sourceOf(made), {
    trustRoots: strangers,
    nowMs: NOW_MS,
    budget: createWorkBudget({ maxSteps: 300_000 }),
  });
  await expect(refused).rejects.toMatchObject({ code: 'VERIFICATION_LIMIT' });
});

test('the steps of a repository of ordinary size grow with its size, not with its square', async () => {
  const team = (index: number): Partial<DelegationSpec> => ({ paths: [`team-${index}/*`] });
  const stepsFor = async (teams: number) =>
    (
      await verify(
        oneRole(
          many(teams, team),
          many(50, index => `team-0/name-${index}`),
        ),
      )
    ).steps;
  const [some, twice] = [await stepsFor(20), await stepsFor(40)];
  expect(twice).toBeLessThan(2.2 * some);
  expect(some).toBeLessThan(MAX_STEPS / 100);
});

describe('the deadline (WB3)', () => {
  const clock = () => {
    const time = { ms: 0 };
    return { time, budget: createWorkBudget({ maxComputingMs: 1_000, monotonicMs: () => time.ms }) };
  };

  test('ends work that takes too long, and names the role', () => {
    const { time, budget } = clock();
    const work = () => {
      time.ms += 600;
      budget.of('A')(2_000_000);
    };
    budget.timed('A', work);
    expect(() => budget.timed('A', work)).toThrow(/1 seconds of computing.* in the role A/);
  });

  test('does not count the wait for a source', () => {
    const { time, budget } = clock();
    for (let file = 0; file < 10; file += 1) {
      budget.timed('A', () => undefined);
      time.ms += 60_000;
    }
    expect(() => budget.timed('A', () => undefined)).not.toThrow();
  });
});

describe('text whose normal form takes the square of its length', () => {
  const marks = (count: number) => `a${'\u0316\u0301'.repeat(count / 2)}`;

  test('is refused before it is normalised (J6)', () => {
    const bytes = Buffer.from(JSON.stringify([marks(60_000)]));
    expect(() => parseStrictJson(bytes, 'text')).toThrow(/more than 30 combining marks in a row/);
  });

  test('is accepted with as many marks as a language can have', () => {
    const text = marks(30).normalize('NFC');
    expect(parseStrictJson(Buffer.from(JSON.stringify([text])), 'text')).toEqual([text]);
  });
});

test('values that are no objects and arrays are bounded too (J5)', () => {
  const zeros = Buffer.from(`[${'0,'.repeat(4_000_001)}0]`);
  expect(() => parseStrictJson(zeros, 'text')).toThrow(/more than 4000000 texts, numbers and other values/);
});

test('keys beyond the basic plane are put in the order of code points, as their UTF-8 is', () => {
  const names = ['\ud83d\ude00', '\uffee', 'a', '\ud83d\ude00b', '\ue000', ''];
  const object = new Map(names.map(name => [name, 0]));
  const sorted = names.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  expect(Buffer.from(canonicalJson(object, 'text')).toString()).toBe(
    `{${sorted.map(name => `"${name}":0`).join(',')}}`,
  );
});

test('a longer RSA key is counted as more work', () => {
  const stepsOf = (modulusLength: number) => {
    const pem = generateKeyPairSync('rsa', { modulusLength }).publicKey.export({
      format: 'pem',
      type: 'spki',
    });
    const text = JSON.stringify({ keytype: 'rsa', scheme: 'rsassa-pss-sha256', keyval: { public: pem } });
    const value = parseStrictJson(Buffer.from(text), 'key');
    const key = parsePublicKey(fieldsOf(value, { what: 'key', code: 'METADATA_INVALID' }));
    return key.isUsable ? key.verifySteps : expect.fail(key.problem);
  };
  expect(stepsOf(4096)).toBe(4 * stepsOf(2048));
});
