import { describe, expect, test } from 'vitest';
import { renderReason } from '../../core/facts/reason-text.ts';
import { requireDatabaseTarget } from '../datastore/database-url.ts';
import type { CommitDurability } from '../datastore/ports/durability-port.ts';
import { databaseReasons } from './database-reasons.ts';

const ALONE: CommitDurability = { synchronousCommit: 'on', synchronousStandbys: '', standbys: 0 };
const ONE_HOST = 'postgresql://localhost/db';
const THREE_HOSTS = 'postgresql://localhost:1,localhost:2,localhost:3/db';

const codes = (url: string, durability?: CommitDurability) =>
  databaseReasons(requireDatabaseTarget(url), durability).map(({ code }) => code);
const loss = (durability: Partial<CommitDurability>, url = ONE_HOST) =>
  databaseReasons(requireDatabaseTarget(url), { ...ALONE, ...durability })[0];

describe('a database that may lose commits', () => {
  test('is not one that is alone, waits for a standby, or runs another engine', () => {
    expect(codes(ONE_HOST, ALONE)).toEqual([]);
    expect(codes(ONE_HOST, { ...ALONE, standbys: undefined })).toEqual([]);
    expect(codes(ONE_HOST, { ...ALONE, standbys: 2, synchronousStandbys: 'ANY 1 (*)' })).toEqual([]);
    expect(codes(THREE_HOSTS, { ...ALONE, synchronousStandbys: 'ANY 1 (*)' })).toEqual([]);
    expect(codes(THREE_HOSTS, undefined)).toEqual([]);
  });

  test('has a standby that no commit waits for, and the reason names the loss and the settings', () => {
    expect(loss({ standbys: 2 })).toEqual({
      code: 'DATABASE_MAY_LOSE_COMMITS',
      because: 'no_standby_named',
      synchronousCommit: 'on',
      standbys: 2,
      hosts: 1,
      standbysWaitedFor: 0,
      standbysNeeded: 1,
    });
    expect(renderReason(loss({ standbys: 2 })!)).toEqual({
      message: expect.stringMatching(/has 2 standbys, but .* A failover may lose the latest releases/),
      remedy: expect.stringContaining("synchronous_standby_names, for example to 'ANY 1 (*)'"),
    });
    expect(loss({ standbys: 1, synchronousStandbys: '*', synchronousCommit: 'local' })).toMatchObject({
      because: 'commit_not_on_standby',
      synchronousCommit: 'local',
    });
  });

  test('has commits that wait for fewer standbys than make a majority, and the reason says how many do', () => {
    const tooFew = { because: 'too_few_standbys', standbysWaitedFor: 1, standbysNeeded: 2 };
    const found = loss({ standbys: 4, synchronousStandbys: 'ANY 1 (*)' });
    expect(found).toMatchObject(tooFew);
    expect(renderReason(found!).remedy).toContain("'ANY 2 (*)'");
    for (const names of ['s1', 's1, s2', '*', '1 (s1, s2)', 'first 1 (s1)', 'any 1 (s1, s2, s3)'])
      expect(loss({ standbys: 3, synchronousStandbys: names }), names).toMatchObject(tooFew);
    for (const names of ['2 (s1, s2)', 'FIRST 2 (s1, s2, s3)', ' any  3 (*)'])
      expect(loss({ standbys: 3, synchronousStandbys: names }), names).toBeUndefined();
  });

  test('has commits that a standby has in memory alone', () => {
    const inMemory = loss({ standbys: 1, synchronousStandbys: '*', synchronousCommit: 'remote_write' });
    expect(inMemory).toMatchObject({ because: 'commit_not_on_standby', synchronousCommit: 'remote_write' });
    expect(renderReason(inMemory!).message).toContain('waits until a standby has it on disk');
  });

  test('has several hosts, whether or not a standby is connected now', () => {
    expect(loss({}, THREE_HOSTS)).toMatchObject({ because: 'no_standby_named', standbys: 0, hosts: 3 });
  });

  test('does not write its own commits to disk, with or without a standby', () => {
    expect(loss({ synchronousCommit: 'off' })).toMatchObject({ because: 'asynchronous_commit' });
  });
});

describe('a database that is reached without TLS', () => {
  test('is a reason for each host of another machine, and no password is in it', () => {
    const [reason] = databaseReasons(
      requireDatabaseTarget('postgresql://u:secret@db1,10.0.0.2,127.0.0.1/db'),
      ALONE,
    );
    expect(reason).toEqual({ code: 'DATABASE_PLAIN_TEXT', hosts: ['db1:5432', '10.0.0.2:5432'] });
  });

  test('causes no reason over a socket, over loopback, or when it is encrypted', () => {
    for (const url of [
      'postgresql:///db?host=/run/pg',
      'postgresql://localhost/db',
      'postgresql://127.0.0.2,[::1]/db',
      'postgresql://db1/db?sslmode=require',
    ]) {
      expect(codes(url), url).toEqual([]);
    }
  });
});
