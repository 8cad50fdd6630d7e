/**
 * Many stand-ins for sleds in a process of their own, beside the Nexus that is measured.
 *
 *     bench ── order ─▶ this file, forked: identities, servers, registrations ── ready ─▶ bench
 *           ── 'traffic' ─▶                                                    ── bytes ─▶
 */
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { ArtifactHash } from '../../src/core/ids.ts';
import type { Credentials } from '../../src/identity/credentials.ts';
import { replaceableCredentials } from '../../src/identity/identity.fixture.ts';
import { seededBytes } from '../../src/signing/release.fixture.ts';
import { startStandIn } from './sled.ts';
import type { SharedContents } from './store.ts';
import { countTraffic } from './traffic.ts';

export type SeededArtifact = { readonly seed: string; readonly sizeBytes: number };

type StandInOrder = {
  /** `host:port` of the internal API. */
  readonly nexus: string;
  /** One for each stand-in. */
  readonly credentials: readonly Credentials[];
  /** What the stand-ins can serve without having received it. */
  readonly artifacts: readonly SeededArtifact[];
  /** Whether each has all artifacts of its config at once. */
  readonly holdsAll: boolean;
};

type TrafficSeen = { readonly bytes: number; readonly connections: number };

export type StandInFleet = AsyncDisposable & {
  /** Since the start, of all connections between stand-ins and Nexus, in both directions, below TLS. */
  readonly traffic: () => Promise<TrafficSeen>;
};

const ask = async <T>(child: ChildProcess, message: unknown): Promise<T> => {
  const ended = once(child, 'exit').then(() => {
    throw new Error('the process of the stand-ins has ended');
  });
  const answer = once(child, 'message');
  child.send(message as never);
  return (await Promise.race([answer, ended]))[0];
};

/** Resolves when all of them serve; they register by themselves. */
export const startStandIns = async (order: StandInOrder): Promise<StandInFleet> => {
  const child = fork(import.meta.filename, { execArgv: [...process.execArgv, '--max-old-space-size=16384'] });
  await ask(child, order);
  return {
    traffic: () => ask(child, 'traffic'),
    async [Symbol.asyncDispose]() {
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    },
  };
};

const hashOf = async (bytes: Uint8Array): Promise<ArtifactHash> =>
  ArtifactHash.parse(
    Buffer.from(await crypto.subtle.digest('SHA-256', Uint8Array.from(bytes))).toString('hex'),
  );

const contentsOf = async (artifacts: readonly SeededArtifact[]): Promise<SharedContents> => {
  const contents: SharedContents = new Map();
  for (const { seed, sizeBytes } of artifacts) {
    const bytes = seededBytes(seed, sizeBytes);
    contents.set(await hashOf(bytes), bytes);
  }
  return contents;
};

const serve = async ({ nexus, credentials, artifacts, holdsAll }: StandInOrder) => {
  const traffic = countTraffic();
  const contents = await contentsOf(artifacts);
  for (const [number, own] of credentials.entries())
    await startStandIn({
      ...{ number, nexus, contents, holdsAll, count: traffic.count },
      credentials: replaceableCredentials(own),
    });
  return traffic;
};

if (process.send !== undefined && process.argv[1] === import.meta.filename) {
  let traffic: Awaited<ReturnType<typeof serve>> | undefined;
  process.on('message', async (message: StandInOrder | 'traffic') => {
    if (message !== 'traffic') traffic = await serve(message);
    process.send?.({ bytes: traffic?.bytes() ?? 0, connections: traffic?.connections() ?? 0 });
  });
  process.on('disconnect', () => process.exit());
}
