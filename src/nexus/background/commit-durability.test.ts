import { expect, test } from 'vitest';
import { silentLogger } from '../../lib/log.ts';
import type { CommitDurability } from '../datastore/ports/durability-port.ts';
import { createCommitDurability } from './commit-durability.ts';

const SAFE: CommitDurability = {
  synchronousCommit: 'on',
  synchronousStandbys: 'ANY 1 (*)',
  standbys: 1,
};
const AT_RISK: CommitDurability = { ...SAFE, synchronousStandbys: '' };

test('a failover that may lose commits is looked at again each minute, and logged once, until it is put right', async () => {
  const warned: string[] = [];
  const log = { ...silentLogger, warn: (_: object, text: string) => void warned.push(text) } as never;
  let found: CommitDurability | undefined = AT_RISK;
  const { task, reasons } = createCommitDurability({
    datastore: { commitDurability: async () => found },
    databaseUrl: 'postgresql://localhost/tuf_depot',
  });
  const look = () => task.activate({ reason: 'timeout', log, signal: new AbortController().signal });
  expect((await look()).againInMs).toBe(60_000);
  expect((await look()).againInMs).toBe(60_000);
  expect(reasons().map(({ code }) => code)).toEqual(['DATABASE_MAY_LOSE_COMMITS']);
  expect(warned).toHaveLength(1);
  found = SAFE;
  expect((await look()).againInMs).toBeUndefined();
  expect(reasons()).toEqual([]);
  found = undefined;
  expect((await look()).summary, 'an engine without such settings').toEqual({
    engine: 'has no such settings',
  });
});
