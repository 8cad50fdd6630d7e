/**
 * A network of its own for a test or a bench: a bridge, and one network namespace per sled, joined by virtual cables.
 *
 *     this process, Nexus ─ cable ┐
 *     sled namespace 1 ── cable ──┤ bridge, in a namespace of its own
 *     sled namespace 2 ── cable ──┘
 *
 * NF1. Every name carries the process id of the test. Disposing removes all of them; the next test removes those of tests
 *      whose process is gone.
 * NF2. The addresses are of 198.18.0.0/15 (RFC 2544: for tests of networks), in a /24 that no route has.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { isAlive } from '../src/lib/process-alive.ts';

const run = promisify(execFile);
const PREFIX = 'tufdepot';
const SUBNETS = 512;
let networks = 0;

/** Runs `ip` or `tc`; its standard output. */
const command = async (name: 'ip' | 'tc', args: string): Promise<string> =>
  (await run(name, args.split(' '))).stdout;
const ip = (args: string) => command('ip', args);

/** Of a cable so far, without what loopback carries. */
export type CableTraffic = { readonly sentBytes: number; readonly receivedBytes: number };

type Cable = {
  /** Sets the queueing of both directions, in the syntax of tc; returns the number of dropped packets so far. */
  readonly shape: (qdisc: string) => Promise<() => Promise<number>>;
};

export type NetworkPeer = Cable & {
  readonly address: string;
  /** The prefix of a command that runs in the namespace. */
  readonly within: readonly string[];
  /** Pulls its cable, and plugs it in again. */
  readonly unplug: () => Promise<void>;
  readonly plugIn: () => Promise<void>;
  /** Packets that it sends to an address are lost, also answers; packets from there arrive. */
  readonly loseWhatItSendsTo: (address: string) => Promise<void>;
  readonly sendAgainTo: (address: string) => Promise<void>;
};

/** The address and the cable are those of this process, for Nexus. */
export type TestNetwork = AsyncDisposable &
  Cable & {
    readonly address: string;
    readonly peers: readonly NetworkPeer[];
    readonly traffic: () => Promise<{ readonly own: CableTraffic; readonly peers: readonly CableTraffic[] }>;
  };

export const createTestNetwork = async (amount: number): Promise<TestNetwork> => {
  await removeLeftovers();
  await using undo = new AsyncDisposableStack();
  const number = networks++;
  const subnet = await freeSubnet(number);
  const name = `${PREFIX}-${process.pid}-${number}`;
  const hub = await addNamespace(`${name}-hub`, undo);
  await ip(`-n ${hub} link add hub type bridge`);
  await ip(`-n ${hub} link set hub up`);

  // An interface's name has at most 15 characters.
  const own = `td${process.pid}n${number}`;
  await ip(`link add ${own} type veth peer name root netns ${hub}`);
  undo.defer(async () => void (await ip(`link delete ${own}`)));
  await ip(`addr add ${subnet}.1/24 dev ${own}`);
  await ip(`link set ${own} up`);
  await ip(`-n ${hub} link set root master hub up`);

  const peers: NetworkPeer[] = [];
  for (let n = 1; n <= amount; n += 1) {
    const namespace = await addNamespace(`${name}-sled-${n}`, undo);
    const address = `${subnet}.${n + 1}`;
    await ip(`-n ${namespace} link add eth0 type veth peer name sled${n} netns ${hub}`);
    await ip(`-n ${namespace} addr add ${address}/24 dev eth0`);
    await ip(`-n ${namespace} link set eth0 up`);
    await ip(`-n ${hub} link set sled${n} master hub up`);
    peers.push(peer(namespace, address, { hub, port: `sled${n}` }));
  }
  const ends = [
    { at: '', device: own },
    { at: `-n ${hub} `, device: 'root' },
  ];
  const owned = undo.move();
  return {
    ...{ address: `${subnet}.1`, peers, ...cable(ends) },
    traffic: () => trafficOf(hub, amount),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
};

const addNamespace = async (name: string, undo: AsyncDisposableStack): Promise<string> => {
  await ip(`netns add ${name}`);
  undo.defer(async () => void (await ip(`netns delete ${name}`)));
  await ip(`-n ${name} link set lo up`);
  return name;
};

/** Of tc; `at` names the namespace. */
type CableEnd = { readonly at: string; readonly device: string };

const cable = (ends: readonly CableEnd[]): Cable => ({
  async shape(qdisc) {
    for (const { at, device } of ends) await command('tc', `${at}qdisc replace dev ${device} root ${qdisc}`);
    return async () => {
      const told = await Promise.all(
        ends.map(({ at, device }) => command('tc', `-s ${at}qdisc show dev ${device}`)),
      );
      return told.reduce((sum, text) => sum + Number(/dropped (\d+)/.exec(text)?.[1] ?? 0), 0);
    };
  },
});

const peer = (namespace: string, address: string, bridge: { hub: string; port: string }): NetworkPeer => {
  const { hub, port } = bridge;
  const ends = [
    { at: `-n ${namespace} `, device: 'eth0' },
    { at: `-n ${hub} `, device: port },
  ];
  return {
    ...{ address, within: ['ip', 'netns', 'exec', namespace], ...cable(ends) },
    unplug: async () => void (await ip(`-n ${hub} link set ${port} down`)),
    plugIn: async () => void (await ip(`-n ${hub} link set ${port} up`)),
    loseWhatItSendsTo: async to => void (await ip(`-n ${namespace} route add blackhole ${to}/32`)),
    sendAgainTo: async to => void (await ip(`-n ${namespace} route delete blackhole ${to}/32`)),
  };
};

/** What the bridge receives at a port is what the machine at the other end has sent. */
const trafficOf = async (hub: string, amount: number): ReturnType<TestNetwork['traffic']> => {
  const ports: { ifname: string; stats64: Record<'rx' | 'tx', { bytes: number }> }[] = JSON.parse(
    await ip(`-n ${hub} -s -j link show`),
  );
  const of = (name: string): CableTraffic => {
    const { rx, tx } = ports.find(({ ifname }) => ifname === name)!.stats64;
    return { sentBytes: rx.bytes, receivedBytes: tx.bytes };
  };
  return { own: of('root'), peers: Array.from({ length: amount }, (_, n) => of(`sled${n + 1}`)) };
};

/** Networks that are made at the same time start their search at different addresses. */
const freeSubnet = async (number: number): Promise<string> => {
  const routes = await ip('route show table all');
  const start = (process.pid * 7 + number) % SUBNETS;
  for (let turn = 0; turn < SUBNETS; turn += 1) {
    const at = (start + turn) % SUBNETS;
    const subnet = `198.${18 + (at >> 8)}.${at & 0xff}`;
    if (!routes.includes(`${subnet}.`)) return subnet;
  }
  throw new Error('every network of 198.18.0.0/15 has a route on this machine');
};

/** NF1: of tests whose process is gone. */
const removeLeftovers = async (): Promise<void> => {
  const names = (await ip('netns list')).split('\n').map(line => line.split(' ')[0] ?? '');
  for (const name of names) {
    const pid = new RegExp(`^${PREFIX}-(\\d+)-`).exec(name)?.[1];
    if (pid !== undefined && !isAlive(Number(pid))) await ip(`netns delete ${name}`).catch(() => undefined);
  }
};

/** Tries to make a network; the reason why this machine cannot, or undefined. */
export const missingForNetworks = async (): Promise<string | undefined> => {
  if (process.getuid?.() !== 0) return 'network namespaces need root';
  try {
    await ip('-V');
  } catch {
    return 'iproute2 is not installed (apt-get install iproute2)';
  }
  try {
    await using _ = await createTestNetwork(1);
    return undefined;
  } catch (error) {
    return `this kernel or container refuses a network of one's own: ${(error as Error).message.trim()}`;
  }
};

/** Why this machine has no such queueing discipline, or undefined. Call it only if networks can be made. */
export const missingForShaping = async (qdisc: string): Promise<string | undefined> => {
  try {
    await using network = await createTestNetwork(1);
    await network.peers[0]!.shape(qdisc);
    return undefined;
  } catch (error) {
    return `tc cannot do "${qdisc}": ${(error as Error).message.trim().split('\n').at(-1)}`;
  }
};
