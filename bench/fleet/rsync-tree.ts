/**
 * The folder of a release to every sled by rsync, in a binomial tree: each machine that has the whole folder sends it to one
 * that lacks it, until none does.
 */
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { NetworkPeer, TestNetwork } from '../../test/network.fixture.ts';
import { spawnOn } from './spawned.ts';

const run = promisify(execFile);
const PORT = 8730;

/** Why rsync cannot take part, or undefined. */
export const missingForRsync = async (): Promise<string | undefined> => {
  try {
    await run('rsync', ['--version']);
    return undefined;
  } catch {
    return 'rsync is not installed (apt-get install rsync)';
  }
};

type Machine = { readonly within: readonly string[]; readonly folder: string };

const serve = async (peer: NetworkPeer, home: string, signal: AbortSignal) => {
  const folder = join(home, 'received');
  await mkdir(folder, { recursive: true });
  const config = join(home, 'rsyncd.conf');
  await writeFile(
    config,
    `use chroot = no\nuid = root\ngid = root\n[files]\npath = ${folder}\nread only = no\n`,
  );
  const args = [
    '--daemon',
    '--no-detach',
    `--config=${config}`,
    `--port=${PORT}`,
    `--address=${peer.address}`,
  ];
  const daemon = spawnOn(peer.within, ['rsync', ...args], { signal, input: 'ignore' });
  while (!(await isListening(peer.address))) await delay(50, undefined, { signal });
  return { daemon, folder };
};

const isListening = async (host: string): Promise<boolean> => {
  const socket = connect({ host, port: PORT });
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
};

/** In seconds, from the first start of rsync to the last end. */
export const fillByRsync = async (
  network: TestNetwork,
  { folder, directory }: { readonly folder: string; readonly directory: string },
  signal: AbortSignal,
): Promise<number> => {
  await using undo = new AsyncDisposableStack();
  const waiting: (Machine & { readonly address: string })[] = [];
  for (const [n, peer] of network.peers.entries()) {
    const served = await serve(peer, join(directory, `rsync-${n + 1}`), signal);
    undo.use(served.daemon);
    waiting.push({ within: peer.within, folder: served.folder, address: peer.address });
  }
  const sendOn = async (from: Machine): Promise<void> => {
    const to = waiting.shift();
    if (to === undefined) return;
    const target = `rsync://${to.address}:${PORT}/files/`;
    await using sender = spawnOn(from.within, ['rsync', '-rW', `${from.folder}/`, target], { signal });
    await sender.ended;
    await Promise.all([sendOn(from), sendOn(to)]);
  };
  const began = performance.now();
  await sendOn({ within: [], folder });
  return (performance.now() - began) / 1000;
};
