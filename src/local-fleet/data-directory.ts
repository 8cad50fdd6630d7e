/**
 * The data directory of a local fleet, with everything that belongs to it: a copy of the stopped fleet is a backup, and
 * removing the directory removes the fleet.
 *
 *     DIR/
 *       lock               held while the fleet runs (P12)
 *       fleet.json         its addresses and process id, while it runs
 *       ports.json         the ports of the last run, used again if they are free
 *       identity/          the authority of the fleet: ca.pem, ca-key.pem (mode 0600)
 *       operator-token     the break-glass token of its Nexuses; mode 0600
 *       postgres/          the embedded PostgreSQL, with its log
 *       nexus-1/ …         nexus.toml, identity/ (certificate and key), staging/ (archives that too few sleds hold)
 *       sled-1/ …          sled-agent.toml, identity/, m2-a/ and m2-b/ (its two datasets)
 *       logs/              nexus-1.log, sled-1.log, …
 */
import { readdir, realpath, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';

export type NexusPaths = {
  readonly name: string;
  readonly home: string;
  readonly config: string;
  readonly staging: string;
  readonly identity: string;
  readonly readyFile: string;
  readonly log: string;
};

export type SledPaths = {
  /** Also the sled's serial number, from which its id follows: it is the same sled each time. */
  readonly name: string;
  readonly home: string;
  readonly config: string;
  readonly identity: string;
  readonly datasets: readonly [string, string];
  readonly readyFile: string;
  readonly log: string;
};

export type FleetPaths = {
  readonly root: string;
  readonly ports: string;
  readonly tokenFile: string;
  /** Of the authority. */
  readonly identity: string;
  readonly postgres: string;
  readonly logs: string;
  readonly migrationLog: string;
  /** From 1. */
  readonly nexus: (number: number) => NexusPaths;
  readonly sled: (number: number) => SledPaths;
};

export const fleetPaths = (root: string): FleetPaths => {
  const logs = join(root, 'logs');
  return {
    root,
    ports: join(root, 'ports.json'),
    tokenFile: join(root, 'operator-token'),
    identity: join(root, 'identity'),
    postgres: join(root, 'postgres'),
    logs,
    migrationLog: join(logs, 'migrate.log'),
    nexus(number) {
      const name = `nexus-${number}`;
      const home = join(root, name);
      return {
        name,
        home,
        config: join(home, 'nexus.toml'),
        staging: join(home, 'staging'),
        identity: join(home, 'identity'),
        readyFile: join(home, 'ready.json'),
        log: join(logs, `${name}.log`),
      };
    },
    sled(number) {
      const name = `sled-${number}`;
      const home = join(root, name);
      return {
        name,
        home,
        config: join(home, 'sled-agent.toml'),
        identity: join(home, 'identity'),
        datasets: [join(home, 'm2-a'), join(home, 'm2-b')],
        readyFile: join(home, 'ready.json'),
        log: join(logs, `${name}.log`),
      };
    },
  };
};

/** How many Nexuses and sleds a data directory has had: a fleet never shrinks. */
export const fleetSizeOf = async (root: string): Promise<{ nexuses: number; sleds: number }> => {
  const names = await readdir(root).catch(() => []);
  const highest = (prefix: string) =>
    Math.max(0, ...names.map(name => Number(new RegExp(`^${prefix}-(\\d{1,4})$`).exec(name)?.[1] ?? 0)));
  return { nexuses: highest('nexus'), sleds: highest('sled') };
};

/**
 * Removes a stopped local fleet. If PostgreSQL runs under another account, its database lies elsewhere, behind a link, and
 * is removed too.
 */
export const removeFleet = async (root: string): Promise<void> => {
  const { postgres } = fleetPaths(root);
  const own = await realpath(postgres).catch(() => undefined);
  const database = await realpath(join(postgres, 'data')).catch(() => undefined);
  if (own !== undefined && database !== undefined && dirname(database) !== own) {
    await rm(dirname(database), { recursive: true, force: true });
  }
  await rm(root, { recursive: true, force: true });
};
