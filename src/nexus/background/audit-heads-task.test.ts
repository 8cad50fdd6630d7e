import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { type AuditRow, EMPTY_LOG, nextAuditRow } from '../../core/audit-chain.ts';
import { type KeptHead, keepHeads } from '../../core/audit-heads.ts';
import { type AuditAction, auditContent } from '../../core/facts/audit.ts';
import { systemClock } from '../../lib/clock.ts';
import { DepotError } from '../../lib/errors.ts';
import { silentLogger } from '../../lib/log.ts';
import { originBy } from '../datastore/conformance/records.fixture.ts';
import { PositionToken } from '../datastore/paging.ts';
import type { SledRecord } from '../datastore/ports/sled-port.ts';
import { type FakeSled, fakeConnection, fakeSled, unreachable } from '../sleds/fleet.fixture.ts';
import { createAuditHeads } from './audit-heads-task.ts';

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');
const grown = (rows: readonly AuditRow[], ...contents: readonly string[]): readonly AuditRow[] => {
  const all = [...rows];
  for (const content of contents) all.push(nextAuditRow(all.at(-1) ?? EMPTY_LOG, content, sha256));
  return all;
};
const many = (count: number): readonly string[] => Array.from({ length: count }, (_, at) => `entry ${at}`);
const recordOf = ({ target }: FakeSled) =>
  ({
    id: target.id,
    info: { agentAddress: '127.0.0.1:1', depotPort: 1, baseboard: { serial: target.serial } },
  }) as unknown as SledRecord;

/** A Nexus of a log that the test changes, and of two sleds. */
const fleetOf = (...contents: readonly string[]) => {
  const sleds = [fakeSled(1), fakeSled(2)] as const;
  const connection = fakeConnection([...sleds]);
  const fleet = { log: grown([], ...contents), sleds };
  const start = () => {
    const { task, reasons } = createAuditHeads({
      datastore: {
        sledList: async () => ({ items: sleds.map(recordOf), nextPage: undefined }),
        auditHead: async () => fleet.log.at(-1) ?? EMPTY_LOG,
        async auditList({ limit, pageToken }) {
          const after = PositionToken.parse(pageToken);
          const rest = fleet.log.filter(({ seq }) => seq > after);
          const items = rest.slice(0, limit);
          return { items, nextPage: rest.length > limit ? String(items.at(-1)?.seq) : undefined };
        },
      },
      connection,
      clock: systemClock,
    });
    const activate = () =>
      task.activate({ reason: 'timeout', log: silentLogger, signal: new AbortController().signal });
    return Object.assign(activate, { reasons });
  };
  const tellings = () => connection.log.filter(line => line.startsWith('tell_audit_heads')).length;
  return Object.assign(fleet, { start, activate: start(), tellings });
};
const hashesOf = (heads: readonly KeptHead[]) => heads.map(({ seq, hash }) => [seq, hash]);
const entry = (log: readonly AuditRow[], seq: number) => [seq, log[seq - 1]?.hash];

test('every sled in service is told the newest head, once, and keeps that one alone while the log grows (T6a)', async () => {
  const fleet = fleetOf('a', 'b');
  expect((await fleet.activate()).summary).toEqual({ newest_entry: 2, waiting: [], contradicting: [] });
  await fleet.activate();
  expect(fleet.tellings()).toBe(2);
  fleet.log = grown(fleet.log, ...many(250));
  expect((await fleet.activate()).summary).toEqual({ newest_entry: 252, waiting: [], contradicting: [] });
  for (const { auditHeads } of fleet.sleds) expect(hashesOf(auditHeads)).toEqual([entry(fleet.log, 252)]);
});

test('a sled that does not answer is told later, and nothing waits for it (HT3)', async () => {
  const fleet = fleetOf('a');
  const [first, second] = fleet.sleds;
  second.fault = { auditHeads: unreachable };
  expect((await fleet.activate()).summary).toMatchObject({ waiting: [second.target.id] });
  expect(hashesOf(first.auditHeads)).toEqual([entry(fleet.log, 1)]);
  second.fault = {};
  expect((await fleet.activate()).summary).toMatchObject({ waiting: [] });
  expect(hashesOf(second.auditHeads)).toEqual([entry(fleet.log, 1)]);
  expect(fleet.tellings()).toBe(2);
});

test('a sled of a version without heads is not waited for, and is tried again with the next entry (HT3)', async () => {
  const fleet = fleetOf('a');
  const [, second] = fleet.sleds;
  second.fault = {
    auditHeads: async () => {
      throw new DepotError('NOT_FOUND', 'there is nothing at /audit-heads');
    },
  };
  expect((await fleet.activate()).summary).toMatchObject({ waiting: [] });
  second.fault = {};
  await fleet.activate();
  expect(second.auditHeads).toEqual([]);
  fleet.log = grown(fleet.log, 'b');
  await fleet.activate();
  expect(hashesOf(second.auditHeads)).toEqual([entry(fleet.log, 2)]);
});

test('after a cut a sled keeps the head that is gone, also when the log has grown past it (T6a)', async () => {
  const fleet = fleetOf('a', 'b', 'c');
  await fleet.activate();
  const lost = entry(fleet.log, 3);
  const [{ target }, other] = fleet.sleds;
  fleet.log = fleet.log.slice(0, 2);
  expect((await fleet.activate()).summary).toMatchObject({
    newest_entry: 2,
    contradicting: [target.id, other.target.id],
  });
  expect(hashesOf(fleet.sleds[0].auditHeads)).toEqual([lost, entry(fleet.log, 2)]);
  fleet.log = grown(fleet.log, 'x', 'y');
  await fleet.activate();
  const evidence = [lost, entry(fleet.log, 3), entry(fleet.log, 4)];
  expect(hashesOf(fleet.sleds[0].auditHeads)).toEqual(evidence);
  // A Nexus that starts anew remembers nothing, and learns it from the sleds.
  const restarted = fleet.start();
  fleet.log = grown(fleet.log, 'z');
  expect((await restarted()).summary).toMatchObject({ contradicting: [target.id, other.target.id] });
  expect(hashesOf(fleet.sleds[0].auditHeads)).toEqual([...evidence.slice(0, 2), entry(fleet.log, 5)]);
});

test('a head that the log has lost is a reason, until the entry of a recovery names it, also after more entries and a restart (HT4)', async () => {
  const fleet = fleetOf('a', 'b', 'c');
  const { activate } = fleet;
  await activate();
  expect(activate.reasons()).toEqual([]);
  const { seq, hash } = fleet.log[2]!;
  fleet.log = fleet.log.slice(0, 2);
  await activate();
  const [{ target }] = fleet.sleds;
  const reason = { code: 'AUDIT_LOG_CONTRADICTED', sleds: 2, exampleSled: target.id };
  expect(activate.reasons()).toEqual([reason]);
  // More than one page.
  fleet.log = grown(fleet.log, ...many(600));
  await activate();
  expect(activate.reasons(), 'another entry explains nothing').toEqual([reason]);
  const recovery = {
    ...{ kind: 'generation_recovered', generation: 9, previousGeneration: 3 },
    ...{ accepted: [], excludedSleds: [], givenUp: [], givenUpTotal: 0, headsLost: [{ seq, hash }] },
  } as unknown as AuditAction;
  fleet.log = grown(fleet.log, auditContent(originBy(), recovery, 0));
  await activate();
  expect(activate.reasons()).toEqual([]);
  const restarted = fleet.start();
  fleet.log = grown(fleet.log, 'y', 'z');
  await activate();
  await restarted();
  expect([...activate.reasons(), ...restarted.reasons()]).toEqual([]);
});

test('an older head is dropped only over a whole chain: a log that shows it, and has grown from another, keeps it (HT2)', async () => {
  const fleet = fleetOf('a', 'b');
  await fleet.activate();
  const other = grown(fleet.log.slice(0, 1), 'x', 'y');
  fleet.log = [...fleet.log, ...other.slice(2)];
  await fleet.activate();
  const [first] = fleet.sleds;
  expect(hashesOf(first.auditHeads)).toEqual([entry(fleet.log, 2), entry(other, 3)]);
});

test('a head that another Nexus tells while the log is read is no contradiction (HT1)', async () => {
  const fleet = fleetOf('a', 'b');
  const [first] = fleet.sleds;
  let told = false;
  first.fault = {
    auditHeads: async () => {
      if (told) return;
      told = true;
      fleet.log = grown(fleet.log, 'c');
      first.auditHeads = keepHeads(first.auditHeads, fleet.log.slice(-1), 0);
    },
  };
  expect((await fleet.activate()).summary).toMatchObject({ waiting: [], contradicting: [] });
  expect(hashesOf(first.auditHeads)).toEqual([entry(fleet.log, 3)]);
});

test('of an empty log nothing is told', async () => {
  const fleet = fleetOf();
  expect((await fleet.activate()).summary).toEqual({ newest_entry: 0, waiting: [], contradicting: [] });
  expect(fleet.tellings()).toBe(0);
});
