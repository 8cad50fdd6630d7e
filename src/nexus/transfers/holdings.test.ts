import { expect, test } from 'vitest';
import type { ArtifactHash } from '../../core/ids.ts';
import type { InventorySled } from '../../core/inventory.ts';
import { hash, listing, silentSled, sled, sledId } from '../../core/plan/fleet.fixture.ts';
import { createHoldings } from './holdings.ts';

const wanted = new Map<ArtifactHash, number>([1, 2, 3].map(n => [hash(n), 1024 * n]));
const pair = (n: number, artifact: number) => ({ sledId: sledId(n), sha256: hash(artifact) });
const having = (n: number, ...artifacts: number[]) =>
  sled(n, listing(artifacts.map(artifact => [hash(artifact), 2])));

const following = (...sleds: InventorySled[]) => {
  const holdings = createHoldings();
  const follow = (beganMs: number) => holdings.follow({ beganMs, wanted, sleds });
  follow(0);
  const open = () => holdings.open().map(([sha256]) => [1, 2, 3].find(n => hash(n) === sha256));
  return { holdings, follow, open };
};

test('what sleds lack is open, the rarest first, then the largest; a silent sled lacks nothing', () => {
  const { holdings, open } = following(having(1, 1), having(2, 1, 3), silentSled(3));
  expect(open()).toEqual([2, 3]);
  expect([1, 2, 3].map(n => holdings.isShort(sledId(n)))).toEqual([true, true, false]);
  const empty = following(having(1), having(2));
  expect(empty.open()).toEqual([3, 2, 1]);
});

test('what has arrived is held from then on, also in a census that began before, and not in one that began later (HLD2)', () => {
  const { holdings, follow, open } = following(having(1, 1, 2), having(2, 1, 2, 3));
  expect(holdings.ended(pair(1, 3), 100, 2)).toBe(true);
  expect([open(), holdings.isAnyShort()]).toEqual([[], false]);
  follow(50);
  expect(open(), 'its listing may be older').toEqual([]);
  follow(101);
  expect(open(), 'its listing is newer, and has it no longer').toEqual([3]);
});

test('what is on fewer datasets than its sled lists is a source, and still open (B9)', () => {
  const { holdings, open } = following(having(1, 1, 2));
  expect(holdings.ended(pair(1, 3), 100, 1)).toBe(false);
  expect(open()).toEqual([3]);
  const [{ answer }] = holdings.sleds() as [InventorySled];
  expect(answer.kind === 'ok' && answer.held.get(hash(3))).toBe(1);
});

test('a sled that is left out neither lacks nor counts as a holder until the next census (HLD3)', () => {
  const { holdings, follow, open } = following(having(1, 1, 3), having(2, 1, 2));
  holdings.leaveOut(sledId(1));
  expect(open(), 'of the other one').toEqual([3]);
  expect(holdings.sleds().map(({ id }) => id)).toEqual([sledId(2)]);
  expect(holdings.ended(pair(1, 2), 100, 2), 'what ends there changes nothing').toBe(true);
  follow(200);
  expect(open().toSorted()).toEqual([2, 3]);
});
