import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ArtifactHash, SystemVersion } from './ids.ts';
import {
  type Admission,
  type AdmissionFacts,
  type AdmittedBy,
  type BundleVerdict,
  judgeAdmission,
  withheldReason,
} from './release-admission.ts';

const hash = (n: number) => ArtifactHash.parse(n.toString(16).padStart(64, '0'));
const set = (...numbers: number[]) => new Set(numbers.map(hash));
const CHAINS = ['chain-a', 'chain-b'];

const facts = (
  over: Partial<AdmissionFacts> & { verdicts?: Record<string, BundleVerdict> },
): AdmissionFacts => ({
  releases: [],
  kept: [],
  newest: new Map([['chain-a', 2]]),
  record: new Map(),
  hasAdminKey: false,
  isExemptedByStatement: () => false,
  verdictOf: bundle => over.verdicts?.[bundle],
  ...over,
});

const vouched = (
  version: number,
  signed: number[],
  unsigned: number[] = [],
  chain = 'chain-a',
): BundleVerdict => ({
  root: { chain, version },
  problem: undefined,
  signed: set(...signed),
  unsigned: set(...unsigned),
  listed: set(...signed, ...unsigned),
});
const bare = (...unsigned: number[]): BundleVerdict => ({
  root: undefined,
  problem: undefined,
  signed: set(),
  unsigned: set(...unsigned),
  listed: set(...unsigned),
});
const release = (bundle: string, isExempt = false) => ({
  systemVersion: SystemVersion.parse(`1.0.0-${bundle}`),
  ...{ bundle, isExempt },
});
const ALL = Array.from({ length: 20 }, (_, n) => hash(n));
const admittedBy = ({ admits }: Admission) => new Set(ALL.filter(admits));
const states = ({ bundles }: Admission) => bundles.map(({ state, by }) => [state, by]);

test('a bundle that the newest root vouches for admits what it signs, and nothing that no signature names (ADM1, ADM2)', () => {
  const result = judgeAdmission(facts({ releases: [release('x')], verdicts: { x: vouched(2, [1], [2]) } }));
  expect(admittedBy(result)).toEqual(set(1));
  expect(states(result)).toEqual([['unexempted', 'signature']]);
});

test('a hash of which only the SHA-512 is signed is admitted for bytes that have it, and for no others (ADM6)', () => {
  const verdict: BundleVerdict = { ...vouched(2, [1]), bySha512: new Map([[hash(2), 'signed']]) };
  const judged = (sha512: string | undefined, version = 2) =>
    judgeAdmission(
      facts({
        releases: [release('x')],
        newest: new Map([['chain-a', version]]),
        verdicts: { x: verdict },
        sha512Of: sha256 => (sha256 === hash(2) ? sha512 : undefined),
      }),
    );
  expect(admittedBy(judged(undefined))).toEqual(set(1));
  expect(admittedBy(judged('another'))).toEqual(set(1));
  expect(admittedBy(judged('signed'))).toEqual(set(1, 2));
  expect(judged(undefined).bySha512).toEqual(new Map([[hash(2), new Set(['signed'])]]));
  // Keys that were rotated away sign nothing.
  expect(admittedBy(judged('signed', 3))).toEqual(set());
  expect(judged(undefined, 3).bySha512).toEqual(new Map());
});

test('a question about an artifact is not put to each of many releases', () => {
  let asked = 0;
  class Counted extends Set<ArtifactHash> {
    override has(sha256: ArtifactHash) {
      asked += 1;
      return super.has(sha256);
    }
  }
  const bundles = ['x', 'y', 'z'];
  const verdicts = Object.fromEntries(
    bundles.map((bundle, at) => [bundle, { ...vouched(2, []), signed: new Counted(set(at)) }]),
  );
  const result = judgeAdmission(facts({ releases: bundles.map(bundle => release(bundle)), verdicts }));
  expect(admittedBy(result)).toEqual(set(0, 1, 2));
  expect(asked).toBe(0);
});

test('under a root that was rotated away only the record admits (ADM1)', () => {
  const fresh = facts({ releases: [release('x')], verdicts: { x: vouched(1, [1]) } });
  expect(judgeAdmission(fresh).bundles).toMatchObject([{ state: 'refused' }]);
  expect(admittedBy(judgeAdmission(fresh))).toEqual(set());
  expect(admittedBy(judgeAdmission({ ...fresh, record: new Map([['x', 'signature']]) }))).toEqual(set(1));
});

test('a chain that does not count vouches for nothing, whatever the record has (ADM1)', () => {
  const verdicts = { x: vouched(9, [1], [], 'chain-b') };
  const record = new Map<string, AdmittedBy>([['x', 'signature']]);
  expect(admittedBy(judgeAdmission(facts({ releases: [release('x')], verdicts, record })))).toEqual(set());
});

test('a word exempts where no key is pinned, and only a statement where one is (ADM5)', () => {
  const base = facts({ releases: [release('x', true)], verdicts: { x: bare(1, 2) } });
  expect(judgeAdmission(base).bundles).toMatchObject([{ state: 'admitted', by: 'word' }]);
  expect(admittedBy(judgeAdmission(base))).toEqual(set(1, 2));
  const pinned = { ...base, hasAdminKey: true };
  expect(judgeAdmission(pinned).bundles).toMatchObject([{ state: 'unexempted' }]);
  expect(admittedBy(judgeAdmission(pinned))).toEqual(set());
  const stated = { ...pinned, isExemptedByStatement: (bundle: string) => bundle === 'x' };
  expect(judgeAdmission(stated).bundles).toMatchObject([{ state: 'admitted', by: 'statement' }]);
  expect(admittedBy(judgeAdmission(stated))).toEqual(set(1, 2));
});

test('a bundle that is kept for files counts as the record has it (ADM1, ADM5)', () => {
  const base = facts({ kept: ['x'], verdicts: { x: bare(1) } });
  expect(admittedBy(judgeAdmission(base))).toEqual(set());
  const record = new Map<string, AdmittedBy>([['x', 'word']]);
  expect(admittedBy(judgeAdmission({ ...base, record }))).toEqual(set(1));
  expect(admittedBy(judgeAdmission({ ...base, record, hasAdminKey: true }))).toEqual(set());
});

test('the reason of a withheld artifact names the release that is not admitted (ADM4)', () => {
  const result = judgeAdmission(
    facts({ releases: [release('x'), release('y')], verdicts: { y: vouched(2, [1]) } }),
  );
  expect(states(result)).toEqual([
    ['missing', undefined],
    ['admitted', 'signature'],
  ]);
  expect(withheldReason(result, true)).toContain('release 1.0.0-x is missing');
  expect(withheldReason(judgeAdmission(facts({})), false)).toContain('its Nexus names no releases');
});

const arbHashes = fc.uniqueArray(fc.nat(12), { maxLength: 5 }).map(numbers => set(...numbers));
const arbVerdict: fc.Arbitrary<BundleVerdict> = fc
  .record({
    root: fc.option(
      fc.record({ chain: fc.constantFrom(...CHAINS), version: fc.integer({ min: 1, max: 4 }) }),
      {
        nil: undefined,
      },
    ),
    problem: fc.constantFrom(undefined, 'a fault'),
    signed: arbHashes,
    unsigned: arbHashes,
    more: arbHashes,
  })
  .map(({ more, ...verdict }) => ({
    ...verdict,
    listed: new Set([...verdict.signed, ...verdict.unsigned, ...more]),
  }));
const BUNDLES = ['u', 'v', 'w', 'x'];
const arbFacts: fc.Arbitrary<AdmissionFacts> = fc
  .record({
    releases: fc.uniqueArray(
      fc.record({
        bundle: fc.constantFrom(...BUNDLES),
        isExempt: fc.boolean(),
        systemVersion: fc.constant(SystemVersion.parse('1.0.0')),
      }),
      { selector: ({ bundle }) => bundle },
    ),
    kept: fc.subarray(BUNDLES),
    verdicts: fc.dictionary(fc.constantFrom(...BUNDLES), arbVerdict),
    newest: fc.dictionary(fc.constantFrom(...CHAINS), fc.integer({ min: 1, max: 4 })),
    record: fc.dictionary(fc.constantFrom(...BUNDLES), fc.constantFrom<AdmittedBy>('signature', 'word')),
    hasAdminKey: fc.boolean(),
    exempted: fc.subarray(BUNDLES),
  })
  .map(({ verdicts, newest, record, exempted, ...rest }) => ({
    ...rest,
    verdictOf: bundle => verdicts[bundle],
    newest: new Map(Object.entries(newest)),
    record: new Map(Object.entries(record)),
    isExemptedByStatement: bundle => exempted.includes(bundle),
  }));

/** What a bundle lists, by whatever right. */
const listedBy = ({ verdictOf }: AdmissionFacts, bundle: string) => {
  const verdict = verdictOf(bundle);
  return new Set(verdict?.listed ?? []);
};

test('every admitted hash is listed by a bundle that something admits, and an unsigned one by an exempted one (ADM1, ADM2)', () => {
  fc.assert(
    fc.property(arbFacts, given => {
      const result = judgeAdmission(given);
      for (const sha256 of admittedBy(result))
        expect(
          result.bundles.some(({ bundle, by }) => {
            const verdict = given.verdictOf(bundle);
            if (by === 'signature') return verdict?.root !== undefined && verdict.signed.has(sha256);
            return by !== undefined && listedBy(given, bundle).has(sha256);
          }),
        ).toBe(true);
    }),
  );
});

test('a rotation of any chain un-admits nothing that was admitted when it came (ADM3)', () => {
  fc.assert(
    fc.property(
      arbFacts,
      fc.constantFrom(...CHAINS),
      fc.integer({ min: 1, max: 3 }),
      (given, chain, more) => {
        const before = judgeAdmission(given);
        const record = new Map(given.record);
        for (const { bundle, by } of before.bundles)
          if (by === 'signature' || (by === 'word' && !record.has(bundle))) record.set(bundle, by);
        const newest = new Map(given.newest);
        const version = newest.get(chain);
        if (version !== undefined) newest.set(chain, version + more);
        const after = judgeAdmission({ ...given, record, newest });
        for (const sha256 of admittedBy(before)) expect(after.admits(sha256)).toBe(true);
      },
    ),
  );
});

test('a bundle that is lost or refused costs only hashes that it lists (ADM4)', () => {
  fc.assert(
    fc.property(arbFacts, fc.constantFrom(...BUNDLES), fc.boolean(), (given, lost, isRefused) => {
      const refused: BundleVerdict = { ...bare(), problem: 'a fault' };
      const without = {
        ...given,
        verdictOf: (bundle: string) =>
          bundle !== lost ? given.verdictOf(bundle) : isRefused ? refused : undefined,
      };
      const after = judgeAdmission(without);
      for (const sha256 of admittedBy(judgeAdmission(given)))
        if (!listedBy(given, lost).has(sha256)) expect(after.admits(sha256)).toBe(true);
    }),
  );
});

test('with a pinned key no word of a Nexus changes what is admitted (ADM5)', () => {
  fc.assert(
    fc.property(arbFacts, given => {
      const pinned = { ...given, hasAdminKey: true };
      const silent = { ...pinned, releases: pinned.releases.map(each => ({ ...each, isExempt: false })) };
      expect(admittedBy(judgeAdmission(pinned))).toEqual(admittedBy(judgeAdmission(silent)));
    }),
  );
});
