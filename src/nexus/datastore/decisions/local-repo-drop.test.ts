import { expect, test } from 'vitest';
import { asGeneration, SystemVersion } from '../../../core/ids.ts';
import { wantedSetDigest } from './generation.ts';
import { decideDrop } from './local-repo-drop.ts';

const held = { systemVersion: SystemVersion.parse('1.0.0') };
const once = { repeated: false };
const planned = { generation: asGeneration(4), digest: wantedSetDigest(['a' as never]) };

test('P1: it goes at the wanted set that it was counted for', () => {
  expect(decideDrop(held, planned, planned, once)).toEqual({ kind: 'dropped' });
});

test('P1: it is kept at any other generation, be the set the same', () => {
  for (const generation of [3, 5].map(asGeneration))
    expect(decideDrop(held, { ...planned, generation }, planned, once)).toMatchObject({ kind: 'kept' });
});

test('P1, B5: it is kept when the generation is another set’s now: the database went back', () => {
  const stored = { ...planned, digest: wantedSetDigest(['b' as never]) };
  expect(decideDrop(held, stored, planned, once)).toEqual({
    kind: 'kept',
    reason: 'release 1.0.0 was counted at generation 4, which is another one now: the database went back',
  });
});

test('P4: without a row it was dropped by an earlier attempt, or was not there', () => {
  expect(decideDrop(undefined, planned, planned, { repeated: true })).toEqual({ kind: 'dropped' });
  expect(decideDrop(undefined, planned, planned, once)).toEqual({ kind: 'absent' });
});
