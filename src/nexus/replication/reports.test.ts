import { expect, test } from 'vitest';
import { IncarnationId } from '../../core/ids.ts';
import { pairKey } from '../../core/plan/input.ts';
import { seededRng } from '../../core/rng.ts';
import { sledReport } from '../../core/sled-report.fixture.ts';
import type { SledReport } from '../../core/sled-report.ts';
import { systemClock } from '../../lib/clock.ts';
import { endpointUrl } from '../../lib/endpoint.ts';
import { DepotError } from '../../lib/errors.ts';
import { type Logger, silentLogger } from '../../lib/log.ts';
import { createRequestLog } from '../history/request-log.ts';
import { fakeSled, generation, hashOf } from '../sleds/fleet.fixture.ts';
import type { CollectedSled } from '../sleds/sled-draft.ts';
import { createFleetMemory } from '../sleds/sled-memory.ts';
import { noteReports } from './reports.ts';

const incarnation = (n: number) => IncarnationId.parse(`0000000${n}-0000-4000-8000-000000000000`);

const listening = () => {
  const { target } = fakeSled(1);
  const memory = createFleetMemory({ clock: systemClock, rng: seededRng(1) });
  const requests = createRequestLog({ clock: systemClock, log: silentLogger });
  const lines: object[] = [];
  const log = {
    ...silentLogger,
    info: (fields: object) => void lines.push(fields),
    warn: (fields: object) => void lines.push(fields),
  } as Logger;
  const report = (differing: Partial<SledReport>) => {
    noteReports(
      { memory, requests, clock: systemClock },
      [
        {
          ...target,
          target,
          report: sledReport({ incarnationId: incarnation(1), ...differing }),
        } as unknown as CollectedSled,
      ],
      log,
    );
    return requests.takeRun();
  };
  return { target, memory, lines, report };
};

const deletion = (n: number) => ({
  sha256: hashOf(n),
  generation: generation(2),
  reason: `deleted ${n}`,
  timeMs: n * 1000,
});
const failure = (n: number) => ({
  sha256: hashOf(n),
  depotBaseUrl: 'http://depot',
  errorCode: 'COPY_SOURCE',
  message: `failed ${n}`,
  timeMs: n * 1000,
});

test('deletions that a sled reports since its last list are counted and logged, each once (S10, S11)', () => {
  const { report, lines } = listening();
  report({ deletionsTotal: 1, deletions: [deletion(1)] });
  expect(lines, 'what was before this Nexus looked is not of its time').toEqual([]);
  const later = { deletionsTotal: 3, deletions: [deletion(3), deletion(1), deletion(2)] };
  expect(report(later).deletions).toBe(2);
  expect(lines).toMatchObject([{ reason: 'deleted 2' }, { reason: 'deleted 3' }]);
  expect(report(later).deletions).toBe(0);
});

test('a full sled that reports a deletion is sent artifacts again (S16)', () => {
  const { report, memory, target } = listening();
  report({ deletionsTotal: 1 });
  memory.transferFailed(target.id, hashOf(1), new DepotError('NO_SPACE', 'full'));
  report({ deletionsTotal: 1 });
  expect(memory.sled(target.id).pause, 'nothing was deleted since').toBeDefined();
  report({ deletionsTotal: 2, deletions: [deletion(1)] });
  expect(memory.sled(target.id).pause).toBeUndefined();
});

test('finished copies are counted, and a failed one waits before it is requested again (B7, S10)', () => {
  const { report, memory, target } = listening();
  report({ copiesDoneTotal: 4, copiesFailedTotal: 1, copiesFailed: [failure(1)] });
  expect(memory.backoff().size).toBe(0);
  const counters = report({
    copiesDoneTotal: 6,
    copiesFailedTotal: 2,
    copiesFailed: [failure(1), { ...failure(2), depotBaseUrl: endpointUrl(target.depot) }],
  });
  expect(counters).toMatchObject({ copy_done: 2, copy_failed: 1 });
  expect(memory.backoff().size).toBe(0);
  expect(memory.routes().get(target.id)?.get(target.id)).toMatchObject({ because: 'failed 2' });
});

test('a copy that the sled could not store is not held against its source (B21)', () => {
  const { report, memory, target } = listening();
  report({});
  const depotBaseUrl = endpointUrl(target.depot);
  report({ copiesFailedTotal: 1, copiesFailed: [{ ...failure(1), depotBaseUrl, errorCode: 'IO' }] });
  expect(memory.routes().size).toBe(0);
  expect([...memory.backoff().keys()]).toEqual([pairKey(target.id, hashOf(1))]);
});

test('totals that fell are those of a restarted agent; another incarnation starts anew', () => {
  const { report } = listening();
  report({ copiesDoneTotal: 10 });
  expect(report({ copiesDoneTotal: 2 }).copy_done).toBe(2);
  expect(report({ copiesDoneTotal: 9, incarnationId: incarnation(2) }).copy_done).toBe(0);
  expect(report({ copiesDoneTotal: 10, incarnationId: incarnation(2) }).copy_done).toBe(1);
});
