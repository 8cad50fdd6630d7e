/**
 * A hostile caller: somebody with the key of a Nexus or of a sled, or with none, calls processes of the fleet at random times.
 *
 *     takes a Nexus's key: configs, puts, copy orders, replays, revocations, statements and trust roots, and false answers to
 *                          registrations
 *     takes a sled's key:  speaks as other sleds and as a Nexus
 *     has none:            the same without a certificate, or with one that it made itself
 *
 * ITR1. It sends what the schemas of the routes accept: what the parsers refuse is tested with real bytes elsewhere.
 * ITR2. It goes on until the end of the run, also after it is expunged.
 */
import type { ArtifactConfigBody } from '../../src/api/sled-agent-api.ts';
import { digestInput } from '../../src/core/artifact-config.ts';
import { ArtifactHash, asGeneration } from '../../src/core/ids.ts';
import type { Rng } from '../../src/core/rng.ts';
import type { SignedStatement } from '../../src/core/statement.ts';
import { endpointUrl } from '../../src/lib/endpoint.ts';
import { chunksOf, receive } from '../network/body.ts';
import type { Incoming } from '../network/call.ts';
import { requestContext } from '../network/request-context.ts';
import { EPOCH_MS } from '../time/process.ts';
import { pick, spread } from '../time/streams.ts';
import { sayAllOfIt, speakForAPerson, tellChain } from './false-word.ts';
import { type Ask, askerOf, type HostileCaller } from './hostile-call.ts';
import { drawPlantedRelease } from './planted-release.ts';
import { sha256Of } from './sha256.ts';
import type { SimSled, World } from './world.ts';

export type Intruder = HostileCaller & {
  readonly rng: Rng;
  /** Bytes that no release lists. */
  readonly planted: readonly Uint8Array[];
  /** Whether it also tells sleds that others are revoked, which only a person can undo. */
  readonly revokes: boolean;
};

const LEAST_PAUSE_MS = 200;
const MOST_PAUSE_MS = 20_000;

/** Until its process ends. */
export const intrude = (world: World, intruder: Intruder): void => {
  const seen: Seen = { configs: [], statements: new Map() };
  const again = (): void => {
    const sled = world.sleds.filter(({ standing }) => standing === 'in_service');
    if (sled.length > 0) void act(world, intruder, pick(intruder.rng, sled), seen);
    intruder.process.after(spread(intruder.rng, LEAST_PAUSE_MS, MOST_PAUSE_MS), again);
  };
  intruder.process.after(spread(intruder.rng, 1, MOST_PAUSE_MS), again);
};

/** What it has read from sleds, and says again. */
type Seen = {
  readonly configs: ArtifactConfigBody[];
  readonly statements: Map<string, SignedStatement>;
};

const act = async (world: World, intruder: Intruder, sled: SimSled, seen: Seen): Promise<void> => {
  const { rng } = intruder;
  const ask = askerOf(world, intruder, sled);
  const held = await ask('reads the config', incoming =>
    incoming.endpoint.agent.artifactConfigGet({
      ...requestContext(incoming),
      params: {},
      query: { point: undefined },
      body: undefined,
    }),
  );
  if (held !== undefined) seen.configs.push(held as ArtifactConfigBody);
  const known = (held as ArtifactConfigBody | undefined) ?? seen.configs.at(-1);
  switch (rng.below(intruder.revokes ? 9 : 8)) {
    case 0:
      return offerHostile(ask, hostileDraft(intruder, known, []));
    case 1:
      return offerHostile(
        ask,
        hostileDraft(
          intruder,
          known,
          (known?.artifacts ?? []).filter(() => rng.below(2) === 0),
        ),
      );
    case 2:
      return plant(world, intruder, ask, known);
    case 3: {
      const old = seen.configs[rng.below(Math.max(1, seen.configs.length))];
      return old === undefined ? undefined : offerHostile(ask, old);
    }
    case 4:
      return put(world, intruder, ask, known);
    case 5:
      return copy(world, intruder, ask, known);
    case 6:
      return speakForAPerson({ ...intruder, world, ask, known, heard: seen.statements });
    case 7:
      await sayAllOfIt({ ...intruder, world, ask, known });
      return plant(world, intruder, ask, known);
    default:
      return revoke(world, intruder, ask);
  }
};

/** From the next generation to one that no database can follow. */
const HIGHER = [1, 1, 2, 500, 5_000, 2 ** 33, Number.MAX_SAFE_INTEGER];

/** With a made-up predecessor: the sled's own point, mostly. */
const hostileDraft = (
  { rng }: Intruder,
  known: ArtifactConfigBody | undefined,
  artifacts: readonly ArtifactHash[],
): ArtifactConfigBody => {
  const generation = known?.generation ?? 1;
  const above = pick(rng, HIGHER);
  const config_digest = sha256Of(Buffer.from(digestInput(known?.artifacts ?? [])));
  return {
    generation: asGeneration(Math.min(Number.MAX_SAFE_INTEGER, generation + above)),
    artifacts: [...artifacts],
    ...(rng.below(8) > 0 && {
      succeeds: rng.below(6) === 0 ? 'unknown' : { generation: asGeneration(generation), config_digest },
    }),
  };
};

const offerHostile = async (ask: Ask, body: ArtifactConfigBody): Promise<void> => {
  await ask(`orders ${body.artifacts.length} artifacts at ${body.generation}`, incoming =>
    incoming.endpoint.agent.artifactConfigPut({ ...requestContext(incoming), params: {}, query: {}, body }),
  );
};

/** A config that lists it, with what is to vouch for it, and the bytes. */
const plant = async (
  world: World,
  intruder: Intruder,
  ask: Ask,
  known: ArtifactConfigBody | undefined,
): Promise<void> => {
  const { rng, planted } = intruder;
  const { bytes, bundle, systemVersion, root } = await drawPlantedRelease({ world, rng, planted });
  if (root !== undefined) await tellChain(ask, [root]);
  const sha256 = ArtifactHash.parse(sha256Of(bytes));
  const named = { system_version: systemVersion, bundle: bundle.sha256, exempt: rng.below(2) === 0 };
  const body = {
    ...hostileDraft(intruder, known, [...(known?.artifacts ?? []), sha256]),
    releases: [...(known?.releases ?? []), named],
  };
  await offerHostile(ask, body);
  await sendBundle(world, ask, bundle);
  await send(world, ask, { sha256, bytes, generation: body.generation });
};

/** Bytes that the sled may not want, under a hash that may be another's. */
const put = (world: World, { rng, planted }: Intruder, ask: Ask, known: ArtifactConfigBody | undefined) => {
  const bytes = pick(rng, planted);
  const wanted = known?.artifacts[rng.below(Math.max(1, known.artifacts.length))];
  const sha256 = rng.below(2) === 0 && wanted !== undefined ? wanted : ArtifactHash.parse(sha256Of(bytes));
  return send(world, ask, { sha256, bytes, generation: known?.generation ?? 1 });
};

const sendBundle = async (
  { network }: World,
  ask: Ask,
  { sha256, bytes }: { readonly sha256: string; readonly bytes: Uint8Array },
): Promise<void> => {
  await ask('sends metadata of its own', incoming =>
    incoming.endpoint.agent.releaseMetadataPut({
      ...requestContext(incoming),
      params: { sha256 },
      query: {},
      body: { contentLength: bytes.length, chunks: receive(network, chunksOf(bytes), incoming) },
    }),
  );
};

const send = async (
  { network }: World,
  ask: Ask,
  { sha256, bytes, generation }: { sha256: ArtifactHash; bytes: Uint8Array; generation: number },
): Promise<void> => {
  await ask(`puts ${sha256.slice(0, 8)}`, incoming =>
    incoming.endpoint.agent.artifactPut({
      ...requestContext(incoming),
      params: { sha256 },
      query: { generation: asGeneration(generation), config_digest: undefined },
      body: {
        contentLength: bytes.length,
        chunks: slowly(incoming, receive(network, chunksOf(bytes), incoming)),
      },
    }),
  );
};

/** A slow put on each sled: it is running when the intruder is expunged. */
export const putEverywhere = (world: World, intruder: Intruder): void => {
  for (const sled of world.sleds.filter(({ standing }) => standing === 'in_service')) {
    const ask = askerOf(world, intruder, sled);
    void ask('reads the config', incoming =>
      incoming.endpoint.agent.artifactConfigGet({
        ...requestContext(incoming),
        params: {},
        query: { point: undefined },
        body: undefined,
      }),
    ).then(held => put(world, intruder, ask, held as ArtifactConfigBody | undefined));
  }
};

/** Just fast enough for the deadline of a body. */
const SLOW_MS = 4_000;

async function* slowly(
  { process, signal }: Incoming<unknown>,
  chunks: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  for await (const chunk of chunks) {
    yield chunk;
    await process.clock.sleep(SLOW_MS, { signal });
  }
}

/** An order to copy from a sled that has it, or from one that does not exist. */
const copy = async (
  { sleds }: World,
  { rng, planted }: Intruder,
  ask: Ask,
  known: ArtifactConfigBody | undefined,
): Promise<void> => {
  const source = pick(rng, sleds).plan;
  const wanted = known?.artifacts[rng.below(Math.max(1, known.artifacts.length))];
  const sha256 = wanted ?? ArtifactHash.parse(sha256Of(pick(rng, planted)));
  const host = rng.below(3) === 0 ? 'elsewhere' : source.serial;
  await ask(`orders a copy of ${sha256.slice(0, 8)} from ${host}`, incoming =>
    incoming.endpoint.agent.artifactCopyFromDepot({
      ...requestContext(incoming),
      params: { sha256 },
      query: { generation: asGeneration(known?.generation ?? 1), config_digest: undefined },
      body: {
        depot_base_url: endpointUrl({ scheme: 'https', host, port: 12_348 }),
        source_sled_id: source.id,
      },
    }),
  );
};

const HOUR_MS = 3_600_000;

/** Of the past, of this moment, and of next year. */
const revoke = async ({ sleds, nexuses, scheduler }: World, { rng }: Intruder, ask: Ask): Promise<void> => {
  const { kind, id } = pick(rng, [...sleds, ...nexuses]).machine.box.passport.identity;
  const timeMs = EPOCH_MS + scheduler.nowMs() + pick(rng, [-HOUR_MS, 0, 8_760 * HOUR_MS]);
  await ask(`revokes ${kind} ${id}`, incoming =>
    incoming.endpoint.agent.revokedIdentitiesPut({
      ...requestContext(incoming),
      params: {},
      query: {},
      body: { revoked: [{ kind, id, time: new Date(timeMs).toISOString() }] },
    }),
  );
};
