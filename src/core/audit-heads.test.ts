import fc from 'fast-check';
import { expect, test } from 'vitest';
import { type AuditHead, EMPTY_LOG, nextAuditRow } from './audit-chain.ts';
import {
  contradictions,
  type KeptHead,
  keepHeads,
  MAX_KEPT_HEADS,
  mergeKept,
  numbersToConfirm,
} from './audit-heads.ts';

/** Not a hash, but as good: it names all that is before it. */
const naming = (text: string): string => text.replaceAll('\n', '/');
const appended = (log: readonly AuditHead[], content: string): readonly AuditHead[] => [
  ...log,
  nextAuditRow(log.at(-1) ?? EMPTY_LOG, content, naming),
];
const hashIn =
  (log: readonly AuditHead[]) =>
  (seq: number): string | undefined =>
    log[seq - 1]?.hash;

/** What a Nexus tells: what the log has at the numbers that the sled keeps, and the newest head. */
const toldOf = (kept: readonly KeptHead[], log: readonly AuditHead[]): readonly AuditHead[] => {
  const confirmed = numbersToConfirm(kept).flatMap(seq => log[seq - 1] ?? []);
  return [...confirmed, ...log.slice(-1)];
};
const tell = (kept: readonly KeptHead[], log: readonly AuditHead[], nowMs: number): readonly KeptHead[] =>
  log.length === 0 ? kept : keepHeads(kept, toldOf(kept, log), nowMs);
const kept = (...heads: readonly AuditHead[]): readonly KeptHead[] =>
  heads.map(({ seq, hash }) => ({ seq, hash, timeMs: 0 }));

const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('append' as const), content: fc.constantFrom('a', 'b') }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ kind: fc.constant('cut' as const), entries: fc.integer({ min: 1, max: 4 }) }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('tell' as const) }) },
);
const steps = fc.array(step, { maxLength: 40 });
type Step = typeof step extends fc.Arbitrary<infer Drawn> ? Drawn : never;

/** A letter is appended, a number is how many entries are cut. */
const stepOf = (each: string | number): Step => {
  if (each === 'tell') return { kind: 'tell' };
  return typeof each === 'number' ? { kind: 'cut', entries: each } : { kind: 'append', content: each as 'a' };
};
/** The head that replaced a kept one is told as its number is confirmed, and is never the newest at that time. */
const CONFIRMED_AS_ANOTHER = ['a', 'tell', 1, 'b', 'a', 'tell', 2].map(stepOf);

test('whatever is cut or written anew, a log that lacks a head that was ever told contradicts what the sled keeps (AH1, T6a)', () => {
  let cuts = 0;
  fc.assert(
    fc.property(steps, all => {
      let log: readonly AuditHead[] = [];
      let keeps: readonly KeptHead[] = [];
      const told: AuditHead[] = [];
      for (const [at, each] of all.entries()) {
        if (each.kind === 'append') log = appended(log, each.content);
        else if (each.kind === 'cut') log = log.slice(0, Math.max(0, log.length - each.entries));
        else {
          told.push(...toldOf(keeps, log));
          keeps = tell(keeps, log, at);
        }
        if (keeps.length === MAX_KEPT_HEADS) return;
        const lacks = told.filter(({ seq, hash }) => hashIn(log)(seq) !== hash);
        const found = contradictions([{ sled: 'a', heads: keeps }], hashIn(log));
        expect(found.length > 0).toBe(lacks.length > 0);
        for (const { seq, hash } of found)
          expect(lacks).toContainEqual(expect.objectContaining({ seq, hash }));
        cuts += Number(lacks.length > 0);
      }
    }),
    { examples: [[CONFIRMED_AS_ANOTHER]] },
  );
  expect(cuts).toBeGreaterThan(0);
});

test('of a log that only grows a sled keeps the newest head alone', () => {
  let log: readonly AuditHead[] = [];
  let keeps: readonly KeptHead[] = [];
  for (const content of ['a', 'b', 'c', 'd']) {
    log = appended(log, content);
    keeps = tell(keeps, log, log.length);
    expect(keeps).toEqual([{ seq: log.length, hash: log.at(-1)?.hash, timeMs: log.length }]);
  }
});

test('a log that ends before a head that a sled keeps was cut, one with another entry in its place is a fork (T6a)', () => {
  const before = ['a', 'b', 'c'].reduce(appended, [] as readonly AuditHead[]);
  const heads = kept(...before.slice(-1));
  const cut = before.slice(0, 2);
  const [{ seq, hash }] = [heads[0]!];
  const sleds = [
    { sled: 'first', timeMs: 0 },
    { sled: 'second', timeMs: 0 },
  ];
  const both = sleds.map(({ sled }) => ({ sled, heads }));
  expect(contradictions(both, hashIn(before))).toEqual([]);
  expect(contradictions(both, hashIn(cut))).toEqual([{ kind: 'cut', seq, hash, logHash: undefined, sleds }]);
  const fork = appended(cut, 'x');
  const logHash = fork.at(-1)?.hash;
  expect(contradictions(both, hashIn(fork))).toEqual([{ kind: 'fork', seq, hash, logHash, sleds }]);
});

test('what the log has in place of a kept head is evidence, and so is the kept head (AH2)', () => {
  const before = ['a', 'b'].reduce(appended, [] as readonly AuditHead[]);
  const after = ['x', 'c'].reduce(appended, before.slice(0, 1));
  const keeps = tell(tell([], before, 0), after, 1);
  expect(keeps.map(({ seq, hash }) => ({ seq, hash }))).toEqual(
    [before[1], after[1], after[2]].map(head => ({ seq: head?.seq, hash: head?.hash })),
  );
});

test('two hashes of one number stay, however much is told afterwards (AH2)', () => {
  let log: readonly AuditHead[] = ['a', 'b'].reduce(appended, [] as readonly AuditHead[]);
  const [first, other] = [log.at(-1), appended(log.slice(0, 1), 'x').at(-1)];
  let keeps = tell(tell([], log, 0), appended(log.slice(0, 1), 'x'), 1);
  for (let more = 0; more < 2 * MAX_KEPT_HEADS; more += 1) {
    log = appended(log, 'c');
    keeps = tell(keeps, log, more);
  }
  expect(keeps.map(({ seq, hash }) => ({ seq, hash }))).toEqual(
    [first, other, log.at(-1)].map(head => ({ seq: head?.seq, hash: head?.hash })),
  );
});

test('beyond the bound the first heads stay, and the newest one (AH3)', () => {
  const head = (seq: number): AuditHead => ({ seq, hash: `hash ${seq}` });
  let keeps: readonly KeptHead[] = [];
  for (let seq = 1; seq <= 3 * MAX_KEPT_HEADS; seq += 1) keeps = keepHeads(keeps, [head(seq)], seq);
  expect(keeps.length).toBe(MAX_KEPT_HEADS);
  expect(keeps.map(({ seq }) => seq)).toEqual([
    ...Array.from({ length: MAX_KEPT_HEADS - 1 }, (_, at) => at + 1),
    3 * MAX_KEPT_HEADS,
  ]);
  const many = Array.from({ length: 3 * MAX_KEPT_HEADS }, (_, at) => ({ ...head(at), timeMs: at }));
  expect(mergeKept(many.toReversed()).map(({ timeMs }) => timeMs)).toEqual([
    ...Array.from({ length: MAX_KEPT_HEADS - 1 }, (_, at) => at),
    3 * MAX_KEPT_HEADS - 1,
  ]);
});

test('what several disks keep is the same list in any order, with the time at which a head was told first', () => {
  const heads = fc.array(
    fc.record({
      seq: fc.integer({ min: 1, max: 3 }),
      hash: fc.constantFrom('a', 'b'),
      timeMs: fc.integer({ min: 0, max: 3 }),
    }),
    { maxLength: 8 },
  );
  fc.assert(
    fc.property(heads, heads, (a, b) => {
      const merged = mergeKept(a, b);
      expect(mergeKept(b, a)).toEqual(merged);
      expect(mergeKept(merged, b)).toEqual(merged);
      for (const { seq, hash, timeMs } of merged)
        expect(timeMs).toBe(
          Math.min(
            ...[...a, ...b].filter(each => each.seq === seq && each.hash === hash).map(each => each.timeMs),
          ),
        );
    }),
  );
});
