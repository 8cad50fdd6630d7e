import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { z } from 'zod';
import { SledId } from '../ids.ts';
import { auditText } from './audit-text.ts';
import { type Blocked, blockedSchemas, renderBlocked } from './blocked.ts';
import { fromDetails, toDetails } from './details.ts';
import { type EventFact, eventSchemas, isFailure, parseEvent, unknownEventText } from './event.ts';
import { renderEvent } from './event-text.ts';
import type { Rendered } from './phrase.ts';
import { type HealthReason, parseReason, reasonSchemas } from './reason.ts';
import { renderReason } from './reason-text.ts';
import {
  obstacleSchemas,
  type RecoveryObstacle,
  renderFinding,
  renderObstacle,
  type SledFinding,
  sledFindingSchemas,
} from './recovery.ts';
import { arbOf, defOf, ID_SCHEMAS } from './schema.fixture.ts';

type Family = {
  readonly name: string;
  readonly tag: 'code' | 'kind';
  readonly schemas: Readonly<Record<string, z.ZodType>>;
  readonly render: (fact: never) => Rendered;
};

const FAMILIES: readonly Family[] = [
  { name: 'reason', tag: 'code', schemas: reasonSchemas, render: (fact: HealthReason) => renderReason(fact) },
  {
    name: 'blocked item',
    tag: 'code',
    schemas: blockedSchemas,
    render: (fact: Blocked) => renderBlocked(fact),
  },
  {
    name: 'finding',
    tag: 'kind',
    schemas: sledFindingSchemas,
    render: (fact: SledFinding) => renderFinding(fact),
  },
  {
    name: 'obstacle',
    tag: 'code',
    schemas: obstacleSchemas,
    render: (fact: RecoveryObstacle) => renderObstacle(fact),
  },
  {
    name: 'event',
    tag: 'kind',
    schemas: eventSchemas,
    render: (fact: EventFact) => ({ message: renderEvent(fact) }),
  },
];
const KINDS = FAMILIES.flatMap(family =>
  Object.entries(family.schemas).map(([kind, schema]) => ({
    family,
    kind,
    schema,
    title: `${family.name} ${kind}`,
  })),
);

/** A sentence may name a sled by its serial number or the reason that it quotes, and an upload by the path of its archive. */
const NAMED_BY: Readonly<Record<string, readonly string[]>> = {
  sledId: ['serial', 'reason'],
  uploadId: ['path'],
};
const ID_CHARS = 12;

/** The ids that such a fact always has. */
const idFieldsOf = (schema: z.ZodType): readonly string[] => {
  const { type, shape = {}, options = [] } = defOf(schema);
  if (type !== 'union') return Object.keys(shape).filter(name => ID_SCHEMAS.has(shape[name]));
  const [first = [], ...rest] = options.map(idFieldsOf);
  return first.filter(name => rest.every(names => names.includes(name)));
};

const isNamed = (text: string, fact: Readonly<Record<string, unknown>>, field: string): boolean =>
  text.includes(String(fact[field]).slice(0, ID_CHARS)) ||
  (NAMED_BY[field] ?? []).some(other =>
    other === 'reason' ? fact.reason !== undefined : other in fact && text.includes(String(fact[other])),
  );

describe.each(KINDS)('$title', ({ family, kind, schema }) => {
  const arbFact = arbOf(schema).map(fields => ({ [family.tag]: kind, ...(fields as object) }));

  test('is rendered as sentences that name its ids', () => {
    fc.assert(
      fc.property(arbFact, fact => {
        const { message, remedy } = family.render(fact as never);
        for (const text of [message, ...(remedy === undefined ? [] : [remedy])]) {
          expect(text).toMatch(/^[A-Z]/);
          expect(text).not.toMatch(
            /undefined|NaN|\[object|\.\.| {2}|\w\(s\)|\b1 (artifacts|sleds|copies|datasets)\b/,
          );
        }
        expect(message).toMatch(/\.$/);
        for (const field of idFieldsOf(schema))
          expect(isNamed(`${message} ${remedy}`, fact, field), `${field} in: ${message}`).toBe(true);
      }),
      { numRuns: 50 },
    );
  });

  test('comes back from its stored form', () => {
    fc.assert(
      fc.property(arbFact, fact => {
        const back = fromDetails(JSON.parse(JSON.stringify(toDetails(fact))));
        expect(back).toEqual(fact);
        expect(schema.parse(back)).toEqual(schema.parse(fact));
      }),
      { numRuns: 50 },
    );
  });
});

test('what a newer version wrote is not taken for what this one knows, and is shown as it is stored', () => {
  expect(parseEvent({ kind: 'sled_melted', temperatureC: 90 })).toBeUndefined();
  expect(parseEvent({ kind: 'toString' })).toBeUndefined();
  expect(parseReason({ code: 'SLED_MELTED' })).toBeUndefined();
  expect(parseReason('SLED_UNREACHABLE')).toBeUndefined();
  expect(unknownEventText('sled_melted', { temperature_c: 90 })).toContain('"temperature_c":90');
  const inNewer = { kind: 'release_state', systemVersion: '1.0.0', generation: 1, state: 'blocked' };
  expect(parseEvent(inNewer)).toEqual(inNewer);
  expect(parseEvent({ ...inNewer, reason: { code: 'SLED_MELTED' } })).toBeUndefined();
});

test('an event that a failure ended is no failure, and neither is what went well', () => {
  const event = (fields: object) => fields as EventFact;
  expect(isFailure(event({ kind: 'put', errorCode: 'NO_SPACE' }))).toBe(true);
  expect(isFailure(event({ kind: 'put' }))).toBe(false);
  expect(isFailure(event({ kind: 'sled_state', errorCode: 'SLED_REFUSES', isOver: false }))).toBe(true);
  expect(isFailure(event({ kind: 'sled_state', errorCode: 'SLED_REFUSES', isOver: true }))).toBe(false);
  expect(isFailure(event({ kind: 'history_lost', events: 3 }))).toBe(true);
});

test('a sled that was forgotten and never registered is named by its id alone', () => {
  const sledId = SledId.parse('11111111-1111-4111-8111-111111111111');
  const forgotten = { kind: 'sled_forgotten', sledId, serial: '', address: '' } as const;
  expect(renderEvent(forgotten)).toBe(
    `An operator removed the record of sled ${sledId}, which was expunged and never registered.`,
  );
  expect(auditText({ action: forgotten, details: forgotten })).toBe(
    `Sled ${sledId}, which never registered, was expunged before, and its record was removed.`,
  );
});
