import { describe, expect, test } from 'vitest';
import { requireDatabaseTarget } from '../datastore/database-url.ts';
import type { CommitDurability } from '../datastore/ports/durability-port.ts';
import { databaseReasons } from './database-reasons.ts';

const ALONE: CommitDurability = { synchronousCommit: 'on', synchronousStandbys: '', standbys: 0 };
const ONE_HOST = 'postgresql://localhost/db';
const THREE_HOSTS = 'postgresql://localhost:1,localhost:2,localhost:3/db';

const codes = (url: string, durability?: CommitDurability) =>
  databaseReasons(requireDatabaseTarget(url), durability).map(({ code }) => code);
const message = (durability: Partial<CommitDurability>, url = ONE_HOST) =>
  databaseReasons(requireDatabaseTarget(url), { ...ALONE, ...durability })[0]?.message;

describe('a database that may lose commits', () => {
  test('is none that is alone, waits for a standby, or is of another engine', () => {
    expect(codes(ONE_HOST, ALONE)).toEqual([]);
    expect(codes(ONE_HOST, { ...ALONE, standbys: undefined })).toEqual([]);
    expect(codes(ONE_HOST, { ...ALONE, standbys: 2, synchronousStandbys: 'ANY 1 (*)' })).toEqual([]);
    expect(codes(THREE_HOSTS, { ...ALONE, synchronousStandbys: 'ANY 1 (*)' })).toEqual([]);
    expect(codes(THREE_HOSTS, undefined)).toEqual([]);
  });

  test('has a standby that no commit waits for, and the reason says what is lost and what to set', () => {
    expect(message({ standbys: 2 })).toMatch(
      /has 2 standby\(s\), .* synchronous_standby_names is empty: a failover may lose .*; set synchronous_standby_names/,
    );
    expect(message({ standbys: 1, synchronousStandbys: '*', synchronousCommit: 'local' })).toContain(
      'synchronous_commit is local',
    );
  });

  test('has commits that wait for fewer standbys than make a majority, and the reason says how many do', () => {
    const found = message({ standbys: 4, synchronousStandbys: 'ANY 1 (*)' });
    expect(found).toContain('waits for 1 standby(s) only, where 2 and the primary are a majority');
    expect(found).toContain("'ANY 2 (*)'");
    for (const names of ['s1', 's1, s2', '*', '1 (s1, s2)', 'first 1 (s1)', 'any 1 (s1, s2, s3)'])
      expect(message({ standbys: 3, synchronousStandbys: names }), names).toContain('waits for 1');
    for (const names of ['2 (s1, s2)', 'FIRST 2 (s1, s2, s3)', ' any  3 (*)'])
      expect(message({ standbys: 3, synchronousStandbys: names }), names).toBeUndefined();
  });

  test('has commits that a standby has in memory alone', () => {
    expect(message({ standbys: 1, synchronousStandbys: '*', synchronousCommit: 'remote_write' })).toContain(
      'on disk, as synchronous_commit is remote_write',
    );
  });

  test('has several hosts, whether or not a standby is connected now', () => {
    expect(message({}, THREE_HOSTS)).toContain('has 3 hosts in database.url');
  });

  test('does not write its own commits to disk, with or without a standby', () => {
    expect(message({ synchronousCommit: 'off' })).toContain('a crash of the database may lose');
  });
});

describe('a database that is reached without TLS', () => {
  test('is a reason for each host of another machine, and no password is in it', () => {
    const [reason] = databaseReasons(
      requireDatabaseTarget('postgresql://u:secret@db1,10.0.0.2,127.0.0.1/db'),
      ALONE,
    );
    expect(reason?.message).toContain('at db1:5432, 10.0.0.2:5432:');
    expect(reason?.message).not.toContain('secret');
  });

  test('is none over a socket, over loopback, or when it is encrypted', () => {
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
