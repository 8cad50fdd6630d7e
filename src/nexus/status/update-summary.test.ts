import { expect, test } from 'vitest';
import { SledId, SystemVersion } from '../../core/ids.ts';
import { sledReport } from '../../core/sled-report.fixture.ts';
import type { Observation } from '../replication/observation.ts';
import { replicationSummary } from './update-summary.ts';

const id = (n: number) => SledId.parse(`00000001-0000-4000-8000-${String(n).padStart(12, '0')}`);
const version = (text: string) => SystemVersion.parse(text);

/** Sleds that hold what is listed first and run what is listed second; `silent` ones answer nothing. */
const observed = (sleds: readonly { holds: readonly string[]; runs?: string; silent?: boolean }[]) => {
  const versions = [...new Set(sleds.flatMap(({ holds }) => holds))];
  return {
    sleds: sleds.map(({ runs, silent }, n) => ({
      id: id(n),
      answer: { kind: silent ? 'unreachable' : 'ok' },
      report: sledReport(runs === undefined ? {} : { runningVersion: version(runs) }),
    })),
    releases: versions.map(systemVersion => ({
      reasons: [],
      progress: {
        systemVersion,
        sleds: sleds.map(({ holds, silent }, n) => ({
          sledId: id(n),
          answered: silent !== true,
          artifactsHeld: holds.includes(systemVersion) ? 1 : 0,
          artifactsWanted: 1,
        })),
      },
    })),
  } as unknown as Observation;
};

const summaryOf = (sleds: Parameters<typeof observed>[0]) => {
  const facts = { timeLastPlannedMs: 0, suspended: false };
  const { componentsByReleaseVersion, componentsCountedBy } = replicationSummary(observed(sleds), facts);
  return [componentsByReleaseVersion, componentsCountedBy];
};

test('sleds are counted by what they run where they say so, else by the newest release that they hold whole', () => {
  expect(summaryOf([{ holds: ['1.0.0', '1.1.0'] }, { holds: [] }])).toEqual([
    { '1.1.0': 1, unknown: 1 },
    'held',
  ]);
  expect(summaryOf([{ holds: ['1.1.0'], runs: '1.0.0' }, { holds: ['1.1.0'] }])).toEqual([
    { '1.0.0': 1, '1.1.0': 1 },
    'running_or_held',
  ]);
  expect(summaryOf([1, 2].map(() => ({ holds: ['1.1.0'], runs: '0.9.0' })))).toEqual([
    { '0.9.0': 2 },
    'running',
  ]);
});

test('a sled that does not answer runs nothing that is known', () => {
  expect(
    summaryOf([
      { holds: [], runs: '1.0.0', silent: true },
      { holds: [], runs: '1.0.0' },
    ]),
  ).toEqual([{ '1.0.0': 1, unknown: 1 }, 'running']);
});
