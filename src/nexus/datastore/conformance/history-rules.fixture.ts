/** The rules of every datastore for the history. */
import { describe, expect, test } from 'vitest';
import { asGeneration, EventId, NexusId, SledId } from '../../../core/ids.ts';
import type { Datastore } from '../datastore.ts';
import type { FleetEvent, FleetEventFilter } from '../ports/history-port.ts';
import {
  artifact,
  hashOf,
  insertTrustRoot,
  newId,
  type OpenDatastore,
  uploadOf,
  version,
  wait,
} from './records.fixture.ts';

const NEXUS = newId(NexusId);
const START_MS = 1_790_000_000_000;

/** The n-th event, a second after the one before it. */
const eventOf = (n: number, differing: Partial<FleetEvent> = {}): FleetEvent => ({
  id: newId(EventId),
  timeMs: START_MS + n * 1000,
  nexusId: NEXUS,
  kind: 'put',
  message: `event ${n}`,
  ...differing,
});

const messages = async (datastore: Datastore, filter: FleetEventFilter = {}) =>
  (await datastore.fleetEventList({ limit: 100, ...filter }, wait)).items.map(({ message }) => message);

export const historyRules = (open: OpenDatastore): void => {
  describe('the history', () => {
    test('gives back every field of an event, and no field that it had not', async () => {
      await using opened = await open();
      const whole = eventOf(1, {
        kind: 'copy',
        sledId: newId(SledId),
        sha256: hashOf('a'),
        generation: asGeneration(7),
        systemVersion: '1.2.0',
        sourceSledId: newId(SledId),
        elapsedMs: 1_234,
        errorCode: 'COPY_SOURCE',
        message: 'of no use: "ünïcode" \\ \u{1f680}',
        details: {
          error: '"ünïcode" \\ \u{1f680}',
          datasets: [{ path: '/m2/0', used: 2 ** 53 - 1 }],
          last: null,
        },
      });
      const bare: FleetEvent = {
        id: newId(EventId),
        timeMs: START_MS,
        nexusId: NEXUS,
        kind: 'nexus_started',
      };
      await opened.datastore.fleetEventInsert(
        [{ ...bare, sha256: undefined, message: undefined, details: undefined }, whole],
        wait,
      );
      expect(await opened.datastore.fleetEventList({ limit: 10 }, wait)).toStrictEqual({
        items: [whole, bare],
      });
    });

    test('an event that is there already is left as it is, and the rest of its batch is recorded (P4)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const first = eventOf(1);
      await datastore.fleetEventInsert([first], wait);
      await datastore.fleetEventInsert([{ ...first, message: 'another' }, eventOf(2)], wait);
      await datastore.fleetEventInsert([], wait);
      expect(await messages(datastore)).toEqual(['event 2', 'event 1']);
    });

    test('is paged from the newest to the oldest, through events of one time, whatever is added meanwhile', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const events = Array.from({ length: 7 }, (_, n) => eventOf(Math.floor(n / 4)));
      await datastore.fleetEventInsert(events, wait);
      const seen: FleetEvent[] = [];
      let pageToken: string | undefined;
      do {
        const page = await datastore.fleetEventList({ limit: 2, pageToken }, wait);
        expect(page.items.length).toBeLessThanOrEqual(2);
        seen.push(...page.items);
        pageToken = page.nextPage;
        await datastore.fleetEventInsert([eventOf(100)], wait);
      } while (pageToken !== undefined);
      const expected = events.toSorted((a, b) => b.timeMs - a.timeMs || (a.id < b.id ? 1 : -1));
      expect(seen.map(({ id }) => id)).toEqual(expected.map(({ id }) => id));
      for (const token of ['', 'x', '1_', `x_${seen[0]!.id}`, `99999999999999999_${seen[0]!.id}`]) {
        await expect(datastore.fleetEventList({ limit: 2, pageToken: token }, wait)).rejects.toMatchObject({
          code: 'INVALID_REQUEST',
        });
      }
    });

    test('is filtered by sled, artifact, kind and time, all of them together (S12)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const sledId = newId(SledId);
      const [sha256, kind] = [hashOf('a'), 'deletion'] as const;
      await datastore.fleetEventInsert(
        [
          eventOf(0),
          eventOf(1, { sledId }),
          eventOf(2, { sha256 }),
          eventOf(3, { kind }),
          eventOf(4, { sledId, sha256, kind }),
          eventOf(5, { sledId: newId(SledId), sha256: hashOf('b'), kind: 'copy' }),
        ],
        wait,
      );
      const at = (n: number) => START_MS + n * 1000;
      expect(await messages(datastore, { sledId })).toEqual(['event 4', 'event 1']);
      expect(await messages(datastore, { sha256 })).toEqual(['event 4', 'event 2']);
      expect(await messages(datastore, { kind })).toEqual(['event 4', 'event 3']);
      expect(await messages(datastore, { sinceMs: at(2), untilMs: at(4) })).toEqual(['event 3', 'event 2']);
      expect(await messages(datastore, { sledId, sha256, kind, sinceMs: at(4), untilMs: at(5) })).toEqual([
        'event 4',
      ]);
    });

    test('of a release has the events that name it, and all events of its artifacts, deleted or not (S12)', async () => {
      await using opened = await open();
      const { datastore } = opened;
      const root = await insertTrustRoot(datastore);
      await datastore.releaseInsert(uploadOf(root, '1.0.0', [artifact('a')]), wait);
      await datastore.releaseInsert(uploadOf(root, '2.0.0', [artifact('a'), artifact('b')]), wait);
      await datastore.repoPrune(version('1.0.0'), wait);
      await datastore.fleetEventInsert(
        [
          eventOf(1, { sha256: hashOf('a') }),
          eventOf(2, { sha256: hashOf('b') }),
          eventOf(3, { systemVersion: '1.0.0' }),
          eventOf(4, { systemVersion: '2.0.0' }),
          eventOf(5),
        ],
        wait,
      );
      expect(await messages(datastore, { systemVersion: version('1.0.0') })).toEqual(['event 3', 'event 1']);
      expect(await messages(datastore, { systemVersion: version('2.0.0') })).toEqual([
        'event 4',
        'event 2',
        'event 1',
      ]);
      expect(await messages(datastore, { systemVersion: version('3.0.0') })).toEqual([]);
    });

    test('is trimmed from the oldest, a bounded number at a time, up to a time', async () => {
      await using opened = await open();
      const { datastore } = opened;
      await datastore.fleetEventInsert(
        Array.from({ length: 6 }, (_, n) => eventOf(n)),
        wait,
      );
      const untilMs = START_MS + 3_000;
      expect(await datastore.fleetEventTrim({ untilMs, limit: 3 }, wait)).toBe(3);
      expect(await messages(datastore)).toEqual(['event 5', 'event 4', 'event 3']);
      expect(await datastore.fleetEventTrim({ untilMs, limit: 3 }, wait)).toBe(1);
      expect(await datastore.fleetEventTrim({ untilMs, limit: 3 }, wait)).toBe(0);
      expect(await messages(datastore)).toEqual(['event 5', 'event 4']);
    });

    test('has the time of the newest event over the limit, and the time of the database', async () => {
      await using opened = await open();
      const { datastore } = opened;
      expect(await datastore.fleetEventBounds(0, wait)).toEqual({
        databaseMs: expect.any(Number),
        beyondMs: null,
      });
      await datastore.fleetEventInsert(
        Array.from({ length: 4 }, (_, n) => eventOf(n)),
        wait,
      );
      const beyond = async (keepCount: number) =>
        (await datastore.fleetEventBounds(keepCount, wait)).beyondMs;
      expect(await beyond(3)).toBe(START_MS);
      expect(await beyond(1)).toBe(START_MS + 2_000);
      expect(await beyond(4)).toBeNull();
    });
  });
};
