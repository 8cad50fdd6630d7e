import { expect, test } from 'vitest';
import { asGeneration, RoundNonce } from '../../../core/ids.ts';
import { decideDrop } from './drop-decision.ts';
import { wantedSetDigest } from './generation.ts';

const once = { repeated: false };
const nonceOf = (digit: string) => RoundNonce.parse(`00000000-0000-4000-8000-00000000000${digit}`);
const planned = {
  generation: asGeneration(4),
  digest: wantedSetDigest(['a' as never]),
  nonce: nonceOf('1'),
};

test('an archive is dropped only at the point and in the round for which it was counted (P1)', () => {
  expect(decideDrop(true, planned, planned, once)).toEqual({ kind: 'dropped' });
});

test('it is kept at any other generation, even with the same set (P1)', () => {
  for (const generation of [3, 5].map(asGeneration))
    expect(decideDrop(true, { ...planned, generation }, planned, once)).toEqual({
      kind: 'kept',
      because: 'generation_changed',
      generation,
    });
});

test('it is kept when the generation is another set’s now, as in a restored database (P1, B5)', () => {
  const stored = { ...planned, digest: wantedSetDigest(['b' as never]) };
  expect(decideDrop(true, stored, planned, once)).toEqual({
    kind: 'kept',
    because: 'set_changed',
    generation: 4,
  });
});

test('it is kept when the database does not have the nonce of the round any more, or has none (P13)', () => {
  for (const nonce of [nonceOf('2'), null])
    expect(decideDrop(true, { ...planned, nonce }, planned, once)).toEqual({
      kind: 'kept',
      because: 'round_lost',
      generation: 4,
    });
});

test('without a row and without the nonce of the round it was lost by the database, also when the drop is repeated (P4, P13)', () => {
  for (const nonce of [nonceOf('2'), null])
    expect(decideDrop(false, { ...planned, nonce }, planned, { repeated: true })).toEqual({
      kind: 'absent',
    });
});

test('without a row it was dropped by an earlier attempt, or was not there (P4)', () => {
  expect(decideDrop(false, planned, planned, { repeated: true })).toEqual({ kind: 'dropped' });
  expect(decideDrop(false, planned, planned, once)).toEqual({ kind: 'absent' });
});
