import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { renderBlocked } from '../facts/blocked.ts';
import type { ArtifactHash } from '../ids.ts';
import { answeringSleds, type InventorySled } from '../inventory.ts';
import { seededRng } from '../rng.ts';
import {
  arbFleet,
  archiveOf,
  hash,
  listing,
  obey,
  planInput,
  ROOMY,
  silentSled,
  sled,
  sledId,
  wantedOf,
} from './fleet.fixture.ts';
import { type PlanInput, pairKey } from './input.ts';
import { type NextTransfers, nextTransfers, type Plan, planReplication, rarestFirst } from './plan.ts';

const requests = (plan: NextTransfers) => [...plan.puts, ...plan.copies];

/** Rounds of plan and obedience, copies in flight landing between them, until a round asks for nothing. */
const converge = (input: PlanInput, seed: number): { fleet: PlanInput; rounds: number } => {
  const rng = seededRng(seed);
  let fleet: PlanInput = {
    ...input,
    sleds: input.sleds.map(s =>
      s.answer.kind === 'ok'
        ? {
            ...{ id: s.id, serial: s.serial, ...(s.isPlain === true && { isPlain: true }) },
            answer: { ...s.answer, copiesInFlight: new Set<ArtifactHash>() },
          }
        : s,
    ),
  };
  for (let rounds = 0; rounds < 1000; rounds += 1) {
    const plan = planReplication(fleet, rng);
    if (requests(plan).length === 0) {
      expect(plan.deferred, 'nothing requested although something is deferred').toBe(0);
      return { fleet, rounds };
    }
    fleet = obey(fleet, plan);
  }
  throw new Error('the fleet does not converge');
};

/** In an archive, or on a sled that serves this one. */
const existsFor = ({ isPlain }: InventorySled, input: PlanInput, sha256: ArtifactHash): boolean =>
  input.local.some(archive => archive.artifacts.has(sha256)) ||
  answeringSleds(input.sleds).some(
    s => (s.answer.held.get(sha256) ?? 0) > 0 && (isPlain !== true || s.isPlain === true),
  );

describe('sleds without an identity', () => {
  const plain = (n: number, answer: Parameters<typeof sled>[1]) => ({ ...sled(n, answer), isPlain: true });

  test('copy only from sleds that have none either (PL7)', () => {
    fc.assert(
      fc.property(arbFleet, fc.nat(), (fleet, seed) => {
        const isPlain = (id: string) => fleet.sleds.some(s => s.id === id && s.isPlain === true);
        const { copies } = planReplication(fleet, seededRng(seed));
        for (const { target, source } of copies) expect(isPlain(target) && !isPlain(source)).toBe(false);
      }),
    );
  });

  test('receive puts where only others have the artifact, beyond the least number of copies (PL7)', () => {
    const wanted = wantedOf([[1]]);
    const holders = [0, 1, 2].map(n => sled(n, listing([[hash(1), 1]], 1)));
    const sleds = [...holders, plain(3, listing([], 1)), sled(4, listing([], 1))];
    const plan = planReplication(planInput({ wanted, sleds, local: [archiveOf(wanted, 0)] }), seededRng(1));
    expect(plan.puts.map(({ target }) => target)).toEqual([sledId(3)]);
    expect(plan.copies.map(({ target }) => target)).toEqual([sledId(4)]);
    const without = planReplication(planInput({ wanted, sleds }), seededRng(1));
    expect(without.puts).toEqual([]);
    expect(without.blocked).toEqual([
      { code: 'NO_PLAIN_SOURCE', sha256: hash(1), sledId: sledId(3), serial: sleds[3]!.serial },
    ]);
  });

  test('keep an archive until one of them has all of it, however many others do (PL7, LV2)', () => {
    const wanted = wantedOf([[1, 2]]);
    const both: [ArtifactHash, number][] = [1, 2].map(n => [hash(n), 1]);
    const others = [0, 1, 2].map(n => sled(n, listing(both, 1)));
    const verdictWith = (...more: PlanInput['sleds']) =>
      planReplication(
        planInput({ wanted, sleds: [...others, ...more], local: [archiveOf(wanted, 0)] }),
        seededRng(1),
      ).localRepos[0]?.kind;
    const [one, all] = [listing(both.slice(0, 1), 1), listing(both, 1)];
    expect(verdictWith(plain(3, one))).toBe('awaited');
    expect(verdictWith(plain(3, one), plain(4, listing(both.slice(1), 1)))).toBe('replicated');
    expect(verdictWith(plain(3, one), plain(4, all))).toBe('replicated');
    expect(verdictWith(sled(3, one)), 'it copies from the others').toBe('replicated');
  });

  test('receive all of a release whose archive goes as soon as it may (PL7, LV2)', () => {
    const arbHeld = fc.array(fc.nat({ max: 5 }));
    fc.assert(
      fc.property(fc.array(arbHeld, { minLength: 3, maxLength: 3 }), fc.nat(), (helds, seed) => {
        const wanted = wantedOf([[0, 1, 2, 3, 4, 5]]);
        const others = helds.map((held, n) =>
          sled(
            n,
            listing(
              [...new Set(held)].map((h): [ArtifactHash, number] => [hash(h), 1]),
              1,
            ),
          ),
        );
        const sleds = [...others, plain(3, listing([], 1)), plain(4, listing([], 1))];
        const policy = { minSledReplication: 2, limits: { ...ROOMY, maxTransfersToSled: 1 } };
        let fleet = planInput({ wanted, sleds, local: [archiveOf(wanted, 0)], policy });
        const rng = seededRng(seed);
        for (let plan = planReplication(fleet, rng); requests(plan).length > 0; ) {
          fleet = obey(fleet, plan);
          if (plan.localRepos.some(({ kind }) => kind === 'replicated')) fleet = { ...fleet, local: [] };
          plan = planReplication(fleet, rng);
        }
        for (const { answer } of answeringSleds(fleet.sleds)) expect(answer.held.size).toBe(6);
      }),
    );
  });

  test('serve everybody, and each other', () => {
    const wanted = wantedOf([[1]]);
    const sleds = [plain(0, listing([[hash(1), 1]], 1)), plain(1, listing([], 1)), sled(2, listing([], 1))];
    const { copies, blocked } = planReplication(planInput({ wanted, sleds }), seededRng(1));
    expect(new Set(copies.map(({ target, source }) => [target, source].join()))).toEqual(
      new Set([1, 2].map(n => [sledId(n), sledId(0)].join())),
    );
    expect(blocked).toEqual([]);
  });
});

describe('properties of the plan (S4)', () => {
  test('a fleet that follows the plan receives every artifact that exists, on every dataset (G1, G7)', () => {
    fc.assert(
      fc.property(arbFleet, fc.nat(), (input, seed) => {
        const { fleet } = converge(input, seed);
        for (const s of answeringSleds(fleet.sleds)) {
          for (const sha256 of input.wanted.artifacts.keys()) {
            if (existsFor(s, input, sha256)) expect(s.answer.held.get(sha256)).toBe(s.answer.datasets);
          }
        }
      }),
    );
  });

  test('no copy names a source that did not confirm the artifact, and none waits for a put that is not planned (B8)', () => {
    fc.assert(
      fc.property(arbFleet, fc.nat(), (input, seed) => {
        obey(input, planReplication(input, seededRng(seed))); // throws on an impossible request
      }),
    );
  });

  test('requests stay within the limits, in all, of puts, to each sled and from each source (S6, B14)', () => {
    fc.assert(
      fc.property(arbFleet, fc.nat(), (input, seed) => {
        const plan = planReplication(input, seededRng(seed));
        const { limits } = input.policy;
        // A small artifact takes one share of a place, and the last one begins while a share is free.
        const isWithin = (taken: readonly { sizeBytes: number }[], places: number): boolean => {
          const large = taken.filter(({ sizeBytes }) => sizeBytes >= limits.smallBytes).length;
          return large <= places && taken.length <= places * 4;
        };
        expect(isWithin(requests(plan), limits.maxTransfers)).toBe(true);
        expect(isWithin(plan.puts, limits.maxPuts)).toBe(true);
        for (const s of answeringSleds(input.sleds)) {
          const incoming = requests(plan).filter(r => r.target === s.id);
          const others = [...s.answer.copiesInFlight].map(() => ({ sizeBytes: Number.POSITIVE_INFINITY }));
          if (incoming.length > 0)
            expect(isWithin([...incoming, ...others], limits.maxTransfersToSled)).toBe(true);
          const outgoing = plan.copies.filter(({ source }) => source === s.id);
          expect(isWithin(outgoing, limits.maxCopiesFromSource)).toBe(true);
        }
      }),
    );
  });

  test('what can begin now is what a plan requests, although the search for it ends early', () => {
    fc.assert(
      fc.property(arbFleet, fc.nat(), (input, seed) => {
        const open = rarestFirst(input.wanted.artifacts, new Map());
        const next = nextTransfers(input, { open, isShort: () => true }, seededRng(seed));
        obey(input, next); // throws on an impossible request
        const everything = planReplication(input, seededRng(seed));
        expect(requests(next).length > 0).toBe(requests(everything).length > 0);
      }),
    );
  });

  test('nothing is requested from an unreachable or paused sled, nor for a copy in flight, nor twice (B7, G8)', () => {
    fc.assert(
      fc.property(arbFleet, fc.nat(), (input, seed) => {
        const plan = planReplication(input, seededRng(seed));
        const asked = new Set<string>();
        for (const request of requests(plan)) {
          const target = answeringSleds(input.sleds).find(s => s.id === request.target);
          expect(target, 'the target answers').toBeDefined();
          expect(target!.writesPausedUntilMs).toBeUndefined();
          expect(target!.answer.copiesInFlight.has(request.sha256)).toBe(false);
          expect(target!.answer.held.get(request.sha256) ?? 0).toBeLessThan(target!.answer.datasets);
          expect(asked.has(pairKey(request.target, request.sha256))).toBe(false);
          asked.add(pairKey(request.target, request.sha256));
        }
      }),
    );
  });

  test('a missing artifact is requested, in flight, deferred, or blocked with a reason (S12)', () => {
    fc.assert(
      fc.property(arbFleet, fc.nat(), (input, seed) => {
        const plan = planReplication(input, seededRng(seed));
        const asked = new Set(requests(plan).map(r => pairKey(r.target, r.sha256)));
        let unexplained = 0;
        for (const s of answeringSleds(input.sleds)) {
          for (const sha256 of input.wanted.artifacts.keys()) {
            if ((s.answer.held.get(sha256) ?? 0) >= s.answer.datasets) continue;
            if (asked.has(pairKey(s.id, sha256)) || s.answer.copiesInFlight.has(sha256)) continue;
            const reasons = plan.blocked.filter(
              b => b.sha256 === sha256 && (!('sledId' in b) || b.sledId === s.id),
            );
            const comesElsewhere = answeringSleds(input.sleds).some(o => o.answer.copiesInFlight.has(sha256));
            if (reasons.length === 0 && !comesElsewhere) unexplained += 1;
          }
        }
        expect(unexplained).toBeLessThanOrEqual(plan.deferred);
      }),
    );
  });

  test('a local repo is dropped only if its release is in this config and enough sleds hold all of it (P1, G4)', () => {
    fc.assert(
      fc.property(arbFleet, fc.nat(), (input, seed) => {
        const { fleet } = converge(input, seed);
        for (const state of [input, fleet]) {
          const plain = answeringSleds(state.sleds).filter(({ isPlain }) => isPlain === true);
          for (const verdict of planReplication(state, seededRng(seed)).localRepos) {
            const archive = state.local.find(local => local.uploadId === verdict.uploadId)!;
            const holders = answeringSleds(state.sleds).filter(s =>
              [...archive.artifacts.keys()].every(h => (s.answer.held.get(h) ?? 0) > 0),
            );
            const isAwaited =
              plain.length > 0 &&
              [...archive.artifacts.keys()].some(h => plain.every(s => (s.answer.held.get(h) ?? 0) === 0));
            const enough = isAwaited ? 'awaited' : 'replicated';
            expect(verdict.kind).toBe(
              holders.length >= state.policy.minSledReplication ? enough : 'not_safe',
            );
          }
        }
      }),
    );
  });
});

describe('single rules', () => {
  test('a local repo whose release is not in the config is never counted as replicated (P1)', () => {
    const wanted = wantedOf([[1]]);
    const archive = archiveOf(wanted, 0);
    const plan = planReplication(
      planInput({ wanted: wantedOf([]), sleds: [sled(1), sled(2), sled(3)], local: [archive] }),
      seededRng(1),
    );
    expect(plan.localRepos).toEqual([{ kind: 'unlisted', uploadId: archive.uploadId }]);
  });

  test('the archive of a deleted release is kept while it has an artifact that another release lists and too few sleds hold (G4)', () => {
    const both = wantedOf([[1], [1, 2]]);
    const deleted = archiveOf(both, 0);
    const wanted = { ...both, releases: both.releases.slice(1) };
    const verdictWith = (holders: number) =>
      planReplication(
        planInput({
          wanted,
          sleds: [1, 2, 3].map(n => sled(n, listing(n <= holders ? [[hash(1), 2]] : []))),
          local: [deleted],
        }),
        seededRng(1),
      ).localRepos[0];
    expect(verdictWith(2)).toEqual({ kind: 'not_safe', uploadId: deleted.uploadId, holders: 2 });
    expect(verdictWith(3)).toMatchObject({ kind: 'replicated', artifacts: deleted.artifacts });
  });

  test('unreachable sleds do not lower the minimum (S7)', () => {
    const wanted = wantedOf([[1]]);
    const plan = planReplication(
      planInput({
        wanted,
        sleds: [sled(1, listing([[hash(1), 2]])), silentSled(2), silentSled(3)],
        local: [archiveOf(wanted, 0)],
      }),
      seededRng(1),
    );
    expect(plan.localRepos).toEqual([
      { kind: 'not_safe', uploadId: archiveOf(wanted, 0).uploadId, holders: 1 },
    ]);
  });

  test('a sled with one dataset gets no request to copy again (B9)', () => {
    const wanted = wantedOf([[1]]);
    const plan = planReplication(
      planInput({ wanted, sleds: [1, 2].map(n => sled(n, listing([[hash(1), 1]], 1))) }),
      seededRng(1),
    );
    expect(requests(plan)).toEqual([]);
  });

  test('a failed transfer waits for its back-off, and the plan says until when (P6)', () => {
    const wanted = wantedOf([[1]]);
    const backoff = new Map([
      [pairKey(sledId(2), hash(1)), { untilMs: 5000, because: 'source closed the connection' }],
    ]);
    const sleds = [sled(1, listing([[hash(1), 2]])), sled(2)];
    const waiting = planReplication(planInput({ wanted, sleds, backoff, nowMs: 4999 }), seededRng(1));
    expect(requests(waiting)).toEqual([]);
    expect(waiting.nextAttemptMs).toBe(5000);
    expect(waiting.blocked).toMatchObject([
      { code: 'TRANSFER_FAILED', sledId: sledId(2), error: 'source closed the connection' },
    ]);
    expect(
      requests(planReplication(planInput({ wanted, sleds, backoff, nowMs: 5000 }), seededRng(1))),
    ).toHaveLength(1);
  });

  test('an artifact without a copy is blocked, and the reason distinguishes unreachable sleds from missing ones', () => {
    const wanted = wantedOf([[1]]);
    const code = (sleds: PlanInput['sleds']) =>
      planReplication(planInput({ wanted, sleds }), seededRng(1)).blocked[0]?.code;
    expect(code([sled(1), sled(2)])).toBe('NO_KNOWN_COPY');
    expect(code([sled(1), silentSled(2)])).toBe('NO_KNOWN_COPY_SLEDS_SILENT');
  });

  test('an artifact is put once, although every sled lacks it; the others copy it (PL1)', () => {
    const wanted = wantedOf([[1, 2, 3, 4]]);
    const sleds = [1, 2, 3, 4].map(n => sled(n));
    const input = planInput({ wanted, sleds, local: [archiveOf(wanted, 0)] });
    const first = planReplication(input, seededRng(7));
    expect(first.puts.map(put => put.sha256).sort()).toEqual([1, 2, 3, 4].map(hash));
    expect([first.copies, first.deferred]).toEqual([[], 12]);
    const second = planReplication(obey(input, first), seededRng(7));
    expect([second.puts.length, second.copies.length, second.deferred]).toEqual([0, 12, 0]);
  });

  test('an archive serves a sled that has received nothing for a second, while its sources have no place (PL1)', () => {
    const wanted = wantedOf([[1]]);
    const sleds = [sled(1, listing([[hash(1), 2]])), sled(2), sled(3)];
    const busy = { sledId: sledId(2), sha256: hash(1), source: sledId(1), sizeBytes: 2048, startedMs: 0 };
    const putsAfter = (idleMs: number, local: PlanInput['local']) => {
      const input = planInput({
        ...{ wanted, sleds, local, underWay: [busy], nowMs: 2_000 },
        policy: { minSledReplication: 3, limits: { ...ROOMY, maxCopiesFromSource: 1 } },
        idleSinceMs: new Map([[sledId(3), 2_000 - idleMs]]),
      });
      const { puts, copies } = nextTransfers(
        input,
        { open: wanted.artifacts, isShort: () => true },
        seededRng(1),
      );
      expect(copies).toEqual([]);
      return puts.map(({ target }) => target);
    };
    expect(putsAfter(999, [archiveOf(wanted, 0)])).toEqual([]);
    expect(putsAfter(1_000, [archiveOf(wanted, 0)])).toEqual([sledId(3)]);
    expect(putsAfter(1_000, [])).toEqual([]);
  });

  test('what has not left the archive goes first, although sleds wait for what has (PL1)', () => {
    const wanted = wantedOf([[1, 9]]);
    const first = { sledId: sledId(1), sha256: hash(9), source: undefined, sizeBytes: 10_240, startedMs: 0 };
    const input = planInput({
      ...{ wanted, sleds: [sled(1), sled(2), sled(3)], local: [archiveOf(wanted, 0)], underWay: [first] },
      policy: { minSledReplication: 3, limits: { ...ROOMY, maxPuts: 2 } },
      idleSinceMs: new Map([2, 3].map(n => [sledId(n), 0])),
      nowMs: 2_000,
    });
    const { puts } = nextTransfers(
      input,
      { open: [...wanted.artifacts].reverse(), isShort: () => true },
      seededRng(1),
    );
    expect(puts.map(({ sha256 }) => sha256)).toEqual([hash(1)]);
  });

  test('a put that lasts longer than it should holds up neither the artifact nor the places of others (PL1, QU3, G8)', () => {
    const wanted = wantedOf([[1, 2]]);
    const put = { sledId: sledId(1), sha256: hash(1), source: undefined, sizeBytes: 2048, startedMs: 0 };
    const putsAt = (nowMs: number, typicalBytesPerMs?: number) => {
      const input = planInput({
        typicalBytesPerMs,
        ...{ wanted, sleds: [sled(1), sled(2)], local: [archiveOf(wanted, 0)], underWay: [put], nowMs },
        policy: { minSledReplication: 1, limits: { ...ROOMY, maxPuts: 1, maxTransfersToSled: 1 } },
      });
      return planReplication(input, seededRng(1)).puts.map(({ target }) => target);
    };
    expect(putsAt(5_008)).toEqual([]);
    expect(putsAt(5_009)).toEqual([sledId(2)]);
    expect(putsAt(5_009, 512), 'where most transfers are slow').toEqual([]);
  });
});

describe('expected plans', () => {
  const describePlan = (input: PlanInput, plan: Plan): string => {
    const name = new Map(input.sleds.map(s => [s.id, s.serial]));
    const short = (h: string) => `artifact ${Number.parseInt(h, 16)}`;
    return [
      ...plan.puts.map(p => `put  ${short(p.sha256)} to ${name.get(p.target)}`),
      ...plan.copies.map(
        c =>
          `${c.recopy ? 're' : ''}copy ${short(c.sha256)} to ${name.get(c.target)} from ${name.get(c.source)}`,
      ),
      ...plan.blocked.map(b => `blocked ${b.code} ${short(b.sha256)}: ${renderBlocked(b).message}`),
      ...plan.localRepos.map(l => `local repo ${l.kind}`),
      `deferred ${plan.deferred}`,
      '',
    ].join('\n');
  };

  const cases: Record<string, PlanInput> = {};
  const two = wantedOf([[1, 2]]);
  const all: [ArtifactHash, number][] = [...two.artifacts.keys()].map(h => [h, 2]);
  const range = (n: number) => Array.from({ length: n }, (_, i) => i + 1);
  cases['simple-replicate'] = planInput({
    wanted: two,
    sleds: range(16).map(n => sled(n)),
    local: [archiveOf(two, 0)],
  });
  cases['new-sled'] = planInput({
    wanted: two,
    sleds: [...range(15).map(n => sled(n, listing(all))), sled(16)],
  });
  cases.recopy = planInput({
    wanted: two,
    sleds: [...range(3).map(n => sled(n, listing(all))), sled(4, listing(all.map(([h]) => [h, 1])))],
  });
  cases.nothing = planInput({
    wanted: two,
    sleds: range(4).map(n => sled(n, listing(all))),
    local: [archiveOf(two, 0)],
  });
  cases.limits = planInput({
    wanted: two,
    sleds: range(8).map(n => sled(n)),
    local: [archiveOf(two, 0)],
    policy: {
      minSledReplication: 3,
      limits: { ...ROOMY, maxTransfers: 9, maxTransfersToSled: 1, maxCopiesFromSource: 1 },
    },
  });

  test.each(Object.entries(cases))('%s', async (title, input) => {
    const plan = planReplication(input, seededRng(42));
    obey(input, plan);
    await expect(describePlan(input, plan)).toMatchFileSnapshot(`expected/${title}.txt`);
  });
});
