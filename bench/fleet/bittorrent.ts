/**
 * The folder of a release to every sled by libtorrent: Nexus's machine is the seed, each sled a leecher. Every machine is told the
 * addresses of the others, as a tracker does.
 */
import { execFile } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import type { TestNetwork } from '../../test/network.fixture.ts';
import { spawnOn } from './spawned.ts';

const run = promisify(execFile);
const PROGRAM = join(import.meta.dirname, 'torrent.py');
const PORT = 6881;

/** Why libtorrent cannot take part, or undefined. */
export const missingForBittorrent = async (python: string): Promise<string | undefined> => {
  try {
    await run(python, ['-c', 'import libtorrent']);
    return undefined;
  } catch {
    return `${python} has no libtorrent (python3 -m venv DIR, DIR/bin/pip install libtorrent, --python DIR/bin/python)`;
  }
};

type Options = { readonly folder: string; readonly directory: string; readonly python: string };

/** In seconds, from the moment when the leechers learn of each other until the last one has everything. */
export const fillByBittorrent = async (
  network: TestNetwork,
  { folder, directory, python }: Options,
  signal: AbortSignal,
): Promise<number> => {
  await using undo = new AsyncDisposableStack();
  const torrent = join(directory, 'release.torrent');
  await run(python, [PROGRAM, 'make', folder, torrent], { signal });
  const enter = async (within: readonly string[], save: string, address: string) => {
    const machine = undo.use(
      spawnOn(within, [python, PROGRAM, 'join', torrent, save, address, `${PORT}`], { signal }),
    );
    await machine.line('ready');
    return machine;
  };
  const seed = await enter([], dirname(folder), network.address);
  await seed.line('done');
  const leechers = [];
  for (const [n, peer] of network.peers.entries()) {
    const save = join(directory, `torrent-${n + 1}`);
    await mkdir(save);
    leechers.push(await enter(peer.within, save, peer.address));
  }
  const began = performance.now();
  for (const [n, leecher] of leechers.entries()) {
    // Of two sleds one connects to the other.
    for (const { address } of network.peers.slice(0, n)) leecher.tell(address);
    leecher.tell(network.address);
  }
  await Promise.all(leechers.map(leecher => leecher.line('done')));
  return (performance.now() - began) / 1000;
};
