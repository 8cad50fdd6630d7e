import { expect, test } from 'vitest';
import { asGeneration, DatasetId, IncarnationId, pointText } from '../../../core/ids.ts';
import { configOf, testArtifact } from '../artifact.fixture.ts';
import type { Ledger } from '../files/ledger.ts';
import { pointOf } from '../point.ts';
import { type Knowledge, learnLedger, nothingRead, settleHeads } from './knowledge.ts';

const [a, b] = [testArtifact(1), testArtifact(2)];
const [FIRST, FOURTH, FIFTH] = [configOf(1, []), configOf(4, [a]), configOf(5, [a, b])];
const id = '00000000-0000-4000-8000-000000000001';

const ledger = (config: Ledger['config'], previous?: Ledger['config']): Ledger => ({
  incarnationId: IncarnationId.parse(id),
  datasets: [DatasetId.parse(id)],
  config,
  previous: previous && pointOf(previous),
  hasLineage: true,
  hold: undefined,
  releases: undefined,
});

const read = (...ledgers: readonly Ledger[]): Knowledge =>
  ledgers.reduce(
    learnLedger,
    nothingRead(() => id),
  );

const ORDERS = [
  [0, 1, 2],
  [0, 2, 1],
  [1, 0, 2],
  [1, 2, 0],
  [2, 0, 1],
  [2, 1, 0],
] as const;

test.each(ORDERS)(
  'of datasets at three points the highest is held, whatever the order in which they are read: %i %i %i (KN3, G6)',
  (...order) => {
    // The third took the place of the second on a disk that alone took it; the first was away for all of it.
    const ledgers = [ledger(FIRST), ledger(FOURTH, configOf(3, [a])), ledger(FIFTH, FOURTH)];
    const known = read(...order.map(at => ledgers[at]!));
    expect([...known.heads.keys()].sort()).toEqual(
      [FIRST, FIFTH].map(config => pointText(pointOf(config))).sort(),
    );
    const verdicts = new Map([...known.heads.keys()].map(text => [text, true] as const));
    const settled = settleHeads(known, verdicts, 0)!;
    expect(settled.ledger.config?.generation).toBe(asGeneration(5));
  },
);

test('a dataset at the predecessor of another one’s point causes no doubt (KN3)', () => {
  for (const ledgers of [
    [ledger(FOURTH), ledger(FIFTH, FOURTH)],
    [ledger(FIFTH, FOURTH), ledger(FOURTH)],
  ])
    expect(read(...ledgers)).toMatchObject({ heads: new Map(), ledger: { config: { generation: 5 } } });
});
