import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { RefusedRequest } from './facts/refusal.ts';
import { OperatorTokenId } from './ids.ts';
import { createRefusalTally, MAX_NAMED_ROWS, MAX_STRANGER_ROWS, type RefusalBatch } from './refusal-tally.ts';

const tokenIdOf = (n: number) =>
  OperatorTokenId.parse(`00000000-0000-4000-8000-${String(n).padStart(12, '0')}`);
const ofStranger = (n: number, why: RefusedRequest['why'] = 'token_unknown'): RefusedRequest => ({
  ...{ why, address: `10.0.0.${n}`, network: `10.0.0.${n}` },
  request: 'GET /v1/sleds',
});
const ofToken = (n: number, address = '10.9.9.9'): RefusedRequest => ({
  ...{ why: 'token_revoked', tokenId: tokenIdOf(n), address, network: address },
  request: 'GET /v1/sleds',
});

const arbRefused = fc.oneof(
  fc
    .tuple(fc.nat(60), fc.constantFrom('no_token', 'token_unknown', 'cross_site'))
    .map(([n, why]) => ofStranger(n, why)),
  fc.tuple(fc.nat(60), fc.nat(3)).map(([n, host]) => ofToken(n, `10.1.1.${host}`)),
);

const sizesOf = ({ refusals, total }: RefusalBatch) => {
  const named = refusals.filter(({ tokenId }) => tokenId !== undefined).length;
  const counted = refusals.reduce((sum, { count }) => sum + count, 0);
  return { named, strangers: refusals.length - named, counted, total };
};

test('whatever is refused, each request is counted once, rows are bounded, and callers with a name lose none to strangers (RFT1)', () => {
  fc.assert(
    fc.property(fc.array(arbRefused, { minLength: 1, maxLength: 400, size: 'max' }), refused => {
      const tally = createRefusalTally();
      for (const [n, each] of refused.entries()) tally.note(each, n);
      const batch = tally.take()!;
      const { named, strangers, counted, total } = sizesOf(batch);
      expect(total).toBe(refused.length);
      expect({ from: batch.fromMs, until: batch.untilMs }).toEqual({ from: 0, until: refused.length - 1 });
      const tokens = new Set(refused.flatMap(({ tokenId }) => tokenId ?? [])).size;
      expect(named).toBe(Math.min(tokens, MAX_NAMED_ROWS));
      const others = new Set(
        refused.flatMap(({ tokenId, why, network }) => (tokenId ? [] : `${why} ${network}`)),
      );
      expect(strangers).toBe(Math.min(others.size, MAX_STRANGER_ROWS));
      if (strangers < MAX_STRANGER_ROWS && tokens <= MAX_NAMED_ROWS) expect(counted).toBe(total);
      expect(tally.take(), 'each is given once').toBeUndefined();
    }),
  );
});

test('strangers have all their rows beside tokens that fill theirs, and tokens beside strangers (RFT1)', () => {
  const strangers = Array.from({ length: MAX_STRANGER_ROWS + 1 }, (_, n) => ofStranger(n));
  const tokens = Array.from({ length: MAX_NAMED_ROWS + 1 }, (_, n) => ofToken(n));
  for (const refused of [
    [...tokens, ...strangers],
    [...strangers, ...tokens],
  ]) {
    const tally = createRefusalTally();
    for (const each of refused) tally.note(each, 0);
    expect(sizesOf(tally.take()!)).toEqual({
      named: MAX_NAMED_ROWS,
      strangers: MAX_STRANGER_ROWS,
      counted: refused.length - 2,
      total: refused.length,
    });
  }
});

test('one caller has a row for each reason: a stranger by its network, a token by its id, whatever its address (RFT2)', () => {
  const tally = createRefusalTally();
  tally.note(ofStranger(1), 5);
  tally.note({ ...ofStranger(1), request: 'PUT /other' }, 9);
  tally.note(ofStranger(1, 'cross_site'), 10);
  tally.note({ ...ofStranger(2), address: 'fd00::1', network: 'fd00:0:0:0::/64' }, 11);
  tally.note({ ...ofStranger(2), address: 'fd00::2', network: 'fd00:0:0:0::/64' }, 12);
  tally.note(ofToken(1, '10.0.0.1'), 13);
  tally.note(ofToken(1, '10.0.0.2'), 14);
  expect(tally.take()).toEqual({
    ...{ total: 7, fromMs: 5, untilMs: 14 },
    refusals: [
      {
        why: 'token_unknown',
        address: '10.0.0.1',
        request: 'GET /v1/sleds',
        count: 2,
        firstMs: 5,
        lastMs: 9,
      },
      { why: 'cross_site', address: '10.0.0.1', request: 'GET /v1/sleds', count: 1, firstMs: 10, lastMs: 10 },
      {
        why: 'token_unknown',
        address: 'fd00::1',
        request: 'GET /v1/sleds',
        count: 2,
        firstMs: 11,
        lastMs: 12,
      },
      {
        ...{ why: 'token_revoked', tokenId: tokenIdOf(1), address: '10.0.0.1', request: 'GET /v1/sleds' },
        ...{ count: 2, firstMs: 13, lastMs: 14 },
      },
    ],
  });
  expect(tally.isEmpty()).toBe(true);
});
