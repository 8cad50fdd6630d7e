/**
 * A base backup of a running PostgreSQL, as pg_basebackup makes it, which the embedded binaries lack.
 *
 *     pg_backup_start ─▶ copy the files ─▶ pg_backup_stop ─▶ backup_label
 *
 * BB1. Files may change and vanish while they are copied: the copy replays the log, which has every change.
 */
import { chown, copyFile, mkdir, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import type { Home } from '../../src/local-fleet/embedded-postgres/home.ts';
import type { PostgresServer } from './postgres-server.fixture.ts';

/** Files of the running server alone are left out; its folders are copied empty. */
const EMPTY = [
  'pg_wal',
  'pg_dynshmem',
  'pg_notify',
  'pg_replslot',
  'pg_serial',
  'pg_snapshots',
  'pg_subtrans',
];
const ABSENT = ['postmaster.pid', 'postmaster.opts', 'backup_label', 'standby.signal', 'recovery.signal'];

export const writeBaseBackup = async (primary: PostgresServer, target: Home): Promise<void> => {
  await rm(target.dataPath, { recursive: true, force: true });
  const client = new pg.Client({ connectionString: primary.url() });
  await client.connect();
  try {
    await client.query(`SELECT pg_backup_start('failover', true)`);
    await copyTree(primary.dataPath, target.dataPath, target);
    const { rows } = await client.query<{ labelfile: string }>('SELECT labelfile FROM pg_backup_stop(false)');
    const label = join(target.dataPath, 'backup_label');
    await writeFile(label, rows[0]!.labelfile, { mode: 0o600 });
    await own(label, target);
  } finally {
    await client.end();
  }
};

const copyTree = async (from: string, to: string, home: Home): Promise<void> => {
  await mkdir(to, { mode: 0o700 });
  await own(to, home);
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (ABSENT.includes(entry.name)) continue;
    if (!entry.isDirectory()) {
      await copyFile(source, target).then(
        () => own(target, home),
        error => {
          if (error.code !== 'ENOENT') throw error;
        },
      );
    } else if (!EMPTY.includes(entry.name)) {
      await copyTree(source, target, home);
    } else {
      await mkdir(target, { mode: 0o700 });
      await own(target, home);
    }
  }
};

const own = async (path: string, { account }: Home): Promise<void> => {
  if (account.kind === 'unprivileged') await chown(path, account.uid, account.gid);
};
