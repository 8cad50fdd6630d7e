import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Adoption,
  type ArtifactConfig,
  adoption,
  digestInput,
  type HeldConfig,
  includes,
  type OfferedConfig,
} from './artifact-config.ts';
import { ArtifactHash, asGeneration, type Point } from './ids.ts';
import { type Predecessor, samePoint } from './lineage.ts';

const HASHES = ['a', 'b', 'c'].map(digit => ArtifactHash.parse(digit.repeat(64)));
const ADOPT: Adoption = { kind: 'adopt' };
const SAME: Adoption = { kind: 'same' };
const refused = (reason: string) => ({ kind: 'refuse', reason });

/** The set is written as letters: `'ab'` lists two artifacts. */
const config = (generation: number, set: string): ArtifactConfig => ({
  generation: asGeneration(generation),
  artifacts: new Map([...set].map(letter => [ArtifactHash.parse(letter.repeat(64)), 1])),
});
const pointOf = ({ generation, artifacts }: ArtifactConfig): Point => ({
  generation,
  digest: createHash('sha256').update(digestInput(artifacts.keys())).digest('hex'),
});
const holds = (held: ArtifactConfig | undefined, hasLineage = true): HeldConfig => ({
  config: held,
  hasLineage,
  pointOf,
});

const OWN = config(5, 'ab');
const STRANGER = pointOf(config(5, 'abc'));

describe('a sled that holds a and b at generation 5, and has a lineage', () => {
  const cases: readonly [string, OfferedConfig, unknown][] = [
    ['takes a smaller set that succeeds its point', { ...config(6, 'a'), succeeds: pointOf(OWN) }, ADOPT],
    ['takes an empty set that succeeds its point', { ...config(9, ''), succeeds: pointOf(OWN) }, ADOPT],
    ['takes a larger set, whatever it succeeds', { ...config(6, 'abc'), succeeds: 'unknown' }, ADOPT],
    ['takes its own set again at a higher number', { ...config(6, 'ab'), succeeds: 'unknown' }, ADOPT],
    ['takes a larger set that succeeds another point', { ...config(6, 'abc'), succeeds: STRANGER }, ADOPT],
    ['refuses a smaller set of an unknown past', { ...config(6, 'a'), succeeds: 'unknown' }, 'not_successor'],
    [
      'refuses a set that replaces one artifact, of an unknown past',
      { ...config(6, 'ac'), succeeds: 'unknown' },
      'not_successor',
    ],
    [
      'refuses one that succeeds another set of its generation',
      { ...config(6, 'a'), succeeds: STRANGER },
      'not_successor',
    ],
    [
      'refuses one that succeeds its set at another generation',
      { ...config(6, 'a'), succeeds: pointOf(config(4, 'ab')) },
      'not_successor',
    ],
    ['knows its own point, of an unknown past', { ...config(5, 'ab'), succeeds: 'unknown' }, SAME],
    ['knows its own point, though no past is named', config(5, 'ab'), SAME],
    ['refuses another set of its generation', { ...config(5, 'abc'), succeeds: pointOf(OWN) }, 'differs'],
    ['refuses a lower generation', { ...config(4, 'abc'), succeeds: pointOf(OWN) }, 'older'],
    ['refuses a larger set that names no past', config(6, 'abc'), 'no_lineage'],
  ];
  test.for(cases)('%s', ([, offered, expected]) => {
    const verdict = typeof expected === 'string' ? refused(expected) : expected;
    expect(adoption(holds(OWN), offered, undefined)).toEqual(verdict);
  });
});

test('a sled that never had a lineage judges a config without one by its number (C4)', () => {
  expect(adoption(holds(OWN, false), config(6, ''), undefined)).toEqual(ADOPT);
  expect(adoption(holds(OWN, false), config(4, 'ab'), undefined)).toEqual(refused('older'));
  expect(adoption(holds(OWN, false), config(5, 'a'), undefined)).toEqual(refused('differs'));
});

test('a sled that never had a lineage compares points as soon as a config names one', () => {
  const offered = config(6, 'a');
  expect(adoption(holds(OWN, false), { ...offered, succeeds: 'unknown' }, undefined)).toEqual(
    refused('not_successor'),
  );
  expect(adoption(holds(OWN, false), { ...offered, succeeds: pointOf(OWN) }, undefined)).toEqual(ADOPT);
});

test('a sled without a config holds the empty set: it takes any config, unless it had a lineage and none is named', () => {
  for (const succeeds of ['unknown', STRANGER] as const)
    expect(adoption(holds(undefined), { ...config(1, ''), succeeds }, undefined)).toEqual(ADOPT);
  expect(adoption(holds(undefined, false), config(1, 'a'), undefined)).toEqual(ADOPT);
  expect(adoption(holds(undefined, true), config(1, 'a'), undefined)).toEqual(refused('no_lineage'));
});

test('nothing below the floor is adopted, not even the sled’s own point, and other reasons come first (P5)', () => {
  const floor = asGeneration(7);
  const successor = { ...config(6, 'ab'), succeeds: pointOf(OWN) };
  expect(adoption(holds(OWN), successor, floor)).toEqual(refused('below_floor'));
  expect(adoption(holds(OWN), { ...OWN, succeeds: pointOf(OWN) }, floor)).toEqual(refused('below_floor'));
  expect(adoption(holds(undefined), successor, floor)).toEqual(refused('below_floor'));
  expect(adoption(holds(OWN), { ...config(4, 'a'), succeeds: 'unknown' }, floor)).toEqual(refused('older'));
  expect(adoption(holds(OWN), { ...successor, generation: floor }, floor)).toEqual(ADOPT);
});

test('lengths are no part of a set: the same hashes with other lengths are the same config (P10)', () => {
  const untold = { ...OWN, artifacts: new Map([...OWN.artifacts.keys()].map(hash => [hash, undefined])) };
  expect(adoption(holds(OWN), { ...untold, succeeds: 'unknown' }, undefined)).toEqual(SAME);
});

const arbConfig: fc.Arbitrary<ArtifactConfig> = fc.record({
  generation: fc.integer({ min: 1, max: 4 }).map(asGeneration),
  artifacts: fc.subarray(HASHES).map(hashes => new Map(hashes.map(hash => [hash, 1]))),
});
const arbHeld = fc.record({
  config: fc.option(arbConfig, { nil: undefined, freq: 9 }),
  hasLineage: fc.boolean(),
});
const arbCase = fc
  .record({
    held: arbHeld,
    offered: arbConfig,
    past: fc.constantFrom('own', 'own', 'unknown', 'none', 'another'),
    other: arbConfig,
    floor: fc.option(fc.integer({ min: 1, max: 4 }).map(asGeneration), { nil: undefined }),
  })
  .map(({ held, offered, past, other, floor }) => {
    const own: Predecessor = held.config === undefined ? 'unknown' : pointOf(held.config);
    const pasts: Record<string, Predecessor | undefined> = {
      own,
      unknown: 'unknown',
      another: pointOf(other),
    };
    const succeeds = pasts[past];
    return { held: holds(held.config, held.hasLineage), offered: { ...offered, succeeds }, floor };
  });
const forEvery = (check: (of: typeof arbCase extends fc.Arbitrary<infer C> ? C : never) => void) =>
  fc.assert(fc.property(arbCase, check), { numRuns: 5_000 });

describe('for any config and any sled', () => {
  test('an adoption drops an artifact only if the config succeeds the sled’s very point, or neither knows of lineage (C3)', () =>
    forEvery(({ held, offered, floor }) => {
      if (held.config === undefined || adoption(held, offered, floor).kind !== 'adopt') return;
      if (includes(offered, held.config)) return;
      const { succeeds } = offered;
      if (succeeds === undefined) expect(held.hasLineage).toBe(false);
      else expect(succeeds !== 'unknown' && samePoint(succeeds, pointOf(held.config))).toBe(true);
    }));

  test('the generation rises with an adoption, and is never below the floor (C1, P5)', () =>
    forEvery(({ held, offered, floor }) => {
      const { kind } = adoption(held, offered, floor);
      if (kind === 'refuse') return;
      if (kind === 'adopt')
        expect(offered.generation).toBeGreaterThan(held.config === undefined ? 0 : held.config.generation);
      expect(offered.generation).toBeGreaterThanOrEqual(floor ?? 0);
    }));

  test('another set at the sled’s own generation is refused, whatever it succeeds (C2)', () =>
    forEvery(({ held, offered, floor }) => {
      if (held.config === undefined || offered.generation !== held.config.generation) return;
      const isOwn = samePoint(pointOf(offered), pointOf(held.config));
      if (!isOwn) expect(adoption(held, offered, floor)).toEqual(refused('differs'));
      else expect(adoption(held, offered, undefined)).toEqual(SAME);
    }));

  test('a sled that had a lineage refuses a config without a predecessor (C4)', () =>
    forEvery(({ held, offered, floor }) => {
      if (!held.hasLineage || offered.succeeds !== undefined) return;
      expect(adoption(held, offered, floor).kind).not.toBe('adopt');
    }));

  test('a set that includes the sled’s own is adopted at any higher generation, from any history', () =>
    forEvery(({ held, offered }) => {
      if (held.config === undefined || offered.succeeds === undefined) return;
      if (offered.generation <= held.config.generation || !includes(offered, held.config)) return;
      expect(adoption(held, offered, undefined)).toEqual(ADOPT);
    }));
});

test('a sled whose point waits to be accepted by a person adopts what lists all of its set, and its own config, and nothing that lists less (C5)', () => {
  const waiting: HeldConfig = { ...holds(OWN), isUnaccepted: true };
  const succeeds = pointOf(OWN);
  expect(adoption(waiting, { ...config(6, 'a'), succeeds }, undefined)).toEqual(refused('not_accepted'));
  expect(adoption(waiting, { ...config(9, ''), succeeds }, undefined)).toEqual(refused('not_accepted'));
  expect(adoption(waiting, { ...config(6, 'abc'), succeeds: 'unknown' }, undefined)).toEqual(ADOPT);
  expect(adoption(waiting, { ...OWN, succeeds: 'unknown' }, undefined)).toEqual(SAME);
  expect(adoption(waiting, { ...config(4, 'ab'), succeeds }, undefined)).toEqual(refused('older'));
  // Without a lineage the numbers alone would let it pass.
  const byNumbers: HeldConfig = { ...holds(OWN, false), isUnaccepted: true };
  expect(adoption(byNumbers, config(6, 'a'), undefined)).toEqual(refused('not_accepted'));
  expect(adoption(holds(OWN, false), config(6, 'a'), undefined)).toEqual(ADOPT);
});
