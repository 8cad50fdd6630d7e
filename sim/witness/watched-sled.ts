/** A sled whose answers are checked against its disks before they are sent. */
import type { z } from 'zod';
import type { ArtifactListResponse } from '../../src/api/sled-agent-api.ts';
import type { ArtifactConfig } from '../../src/core/artifact-config.ts';
import { ArtifactHash } from '../../src/core/ids.ts';
import type { Caller } from '../../src/http/caller.ts';
import { NOT_MODIFIED } from '../../src/http/handlers.ts';
import { errorCodeOf, findDepotError } from '../../src/lib/errors.ts';
import { newestOn, pointOfLedger } from '../checkers/ledgers.ts';
import type { RunningSled } from '../fleet/sled-machine.ts';
import type { SimSled, World } from '../fleet/world.ts';
import type { Volume } from '../machine/volume.ts';
import type { Watch } from './watch.ts';

/**
 * An acknowledged config is durable on a disk (ST2), an acknowledged put on as many disks as the answer says (G4). The
 * generation of a list never falls (G6).
 */
export const watchAnswers = (watch: Watch, sled: SimSled, running: RunningSled): RunningSled => {
  const { trace } = watch.world;
  const arriving = new Set<string>();
  return {
    ...running,
    agent: {
      ...running.agent,
      async artifactConfigPut(request) {
        const session = sessionsOf(sled);
        const before = running.store.config();
        sled.isInDoubt = running.store.state().kind !== 'ready';
        noteHostileOffer(watch, sled, request);
        try {
          const answer = await running.agent.artifactConfigPut(request);
          // A ledger on a read-only disk may not be durable, and cannot be made so.
          const isWatched = sessionsOf(sled) === session && !wasUnmounted(sled) && !wasReadOnly(sled);
          if (isWatched && newestOn(sled) < request.body.generation)
            watch.fail(
              'G6',
              `${sled.plan.serial} acknowledged generation ${request.body.generation}, and has ${newestOn(sled)} durably`,
            );
          else if (isWatched) watch.removals.onAcknowledged(sled);
          noteAdoption(watch.world, sled, { before, request });
          return answer;
        } catch (error) {
          if (errorCodeOf(error) === 'CONFIG_GENERATION') trace.reached('a sled refused an older config');
          noteRefusal(watch, sled, { error, running, isSame: sessionsOf(sled) === session });
          throw error;
        }
      },
      async artifactPut(request) {
        const { sha256 } = request.params;
        if (arriving.has(sha256)) trace.reached('an artifact was put twice at once');
        arriving.add(sha256);
        const answer = await running.agent.artifactPut(request).finally(() => arriving.delete(sha256));
        const isWanted = watch.removals.highest(sled)?.artifacts.has(sha256) === true;
        const isExcused = watch.copies.wasJustTaken(sled, sha256);
        if (
          isWanted &&
          !wasUnmounted(sled) &&
          !isExcused &&
          watch.holdings.copiesOn(sled, sha256) < answer.successful_writes
        )
          watch.fail(
            'G4',
            `${sled.plan.serial} acknowledged a put of ${sha256} on ${answer.successful_writes} datasets, and has it durably on ${watch.holdings.copiesOn(sled, sha256)}`,
          );
        return answer;
      },
      async artifactList(request) {
        const asked = watch.removals.reported(sled);
        const before = rightCopies(watch, sled);
        const had = new Set<string>(watch.holdings.heldBy(sled));
        const answer = await running.agent.artifactList(request);
        if (answer === NOT_MODIFIED) trace.reached('a sled affirmed its last list');
        else noteList(watch, sled, { answer, asked, had });
        if (answer !== NOT_MODIFIED && !isOfHostile(watch.world, running))
          requireRightLengths(watch, sled, answer.list, before);
        return answer;
      },
    },
    depot: {
      async artifactGetBySha256(request) {
        const file = await running.depot.artifactGetBySha256(request);
        watch.planted.onServed(sled, request.params.sha256);
        return file;
      },
    },
    arriving: watchArriving(watch, sled, running),
  };
};

/** Each chunk that is sent is compared. */
const watchArriving = (
  { planted, arriving, holdings, world: { trace } }: Watch,
  sled: SimSled,
  running: RunningSled,
): RunningSled['arriving'] => ({
  async arrivingGetBySha256(request) {
    const { sha256 } = request.params;
    const file = await running.arriving.arrivingGetBySha256(request);
    planted.onServed(sled, sha256);
    return {
      ...file,
      async read(target, position) {
        const count = await file.read(target, position);
        if (count > 0 && !holdings.heldBy(sled).includes(sha256))
          trace.reached('a sled passed on what it was still receiving');
        arriving.onPassedOn(sled, sha256, { bytes: target.subarray(0, count), position });
        return count;
      },
    };
  },
});

const noteList = (
  { removals, arriving, copies, world: { trace } }: Watch,
  sled: SimSled,
  {
    answer: { incarnation_id: incarnation, generation, list, deletions_deferred: deferred = [] },
    asked,
    had,
  }: {
    readonly answer: z.input<typeof ArtifactListResponse>;
    readonly asked: ReturnType<Watch['removals']['reported']>;
    readonly had: ReadonlySet<string>;
  },
): void => {
  // A fault may take a file while a slow disk makes the list.
  const listed = Object.keys(list).filter(sha256 => !copies.wasJustTaken(sled, ArtifactHash.parse(sha256)));
  arriving.onListed(sled, listed, had);
  if (!wasUnmounted(sled)) removals.onListed(sled, asked, { incarnation, generation });
  if (deferred.length > 0) trace.reached('a deletion was deferred by a lease');
};

const noteHostileOffer = (
  { world, lineage }: Watch,
  sled: SimSled,
  { caller, body: { generation, artifacts } }: Parameters<RunningSled['agent']['artifactConfigPut']>[0],
): void => {
  if (isHostile(world, caller))
    lineage.onHostileOffer(sled, pointOfLedger({ generation, artifacts: new Set(artifacts) }));
};

const noteRefusal = (
  { lineage, world: { trace } }: Watch,
  sled: SimSled,
  {
    error,
    running,
    isSame,
  }: { readonly error: unknown; readonly running: RunningSled; readonly isSame: boolean },
): void => {
  const { reason } = findDepotError(error)?.detail ?? {};
  if (reason === 'not_accepted') trace.reached('a sled without the word of a person kept its config');
  if (reason === 'not_successor') trace.reached('a sled refused a config that did not succeed its point');
  if (errorCodeOf(error) !== 'CONFIG_GENERATION') return;
  const isSure = isSame && !wasUnmounted(sled) && !wasReadOnly(sled);
  const isInDoubt = running.store.state().kind !== 'ready';
  const config = running.store.config();
  if (config !== undefined) lineage.onRefused(sled, { point: pointOfConfig(config), isSure, isInDoubt });
};

const noteAdoption = (
  world: World,
  { agent }: SimSled,
  {
    before,
    request: { body, caller },
  }: {
    readonly before: ReturnType<RunningSled['store']['config']>;
    readonly request: {
      readonly caller: Caller;
      readonly body: { readonly generation: number; readonly succeeds?: unknown };
    };
  },
): void => {
  const { trace, database } = world;
  if (before?.generation === body.generation) return;
  noteHostile(world, caller, body.generation);
  if (agent !== 'current') trace.reached('a sled without points was given a config');
  if (before === undefined || agent !== 'current' || body.succeeds !== 'unknown') return;
  if (!database.snapshot().points.has(pointOfConfig(before)))
    trace.reached('a config was adopted by the larger-set rule over an unknown point');
};

/** No database follows a generation that is so far above its own (P7). */
const MOST_ABOVE = 2 ** 32;

/** A hostile Nexus gives no lengths, and every other one does: a recovery may make the point of such a config known. */
const isOfHostile = ({ nexuses }: World, { store }: RunningSled): boolean => {
  const sizes = [...(store.config()?.artifacts.values() ?? [])];
  return sizes.includes(undefined) && nexuses.some(({ standing }) => standing === 'taken');
};

/** By a Nexus that was taken over. */
const isHostile = ({ nexuses }: World, { peer }: Caller): boolean => {
  const id = peer.kind === 'identified' ? peer.identity.id : undefined;
  return nexuses.find(({ machine }) => machine.box.passport.identity.id === id)?.standing === 'taken';
};

const noteHostile = (world: World, caller: Caller, generation: number): void => {
  if (!isHostile(world, caller)) return;
  const { database, trace } = world;
  trace.reached('a hostile config was adopted');
  if (generation > database.snapshot().stored.generation + MOST_ABOVE)
    trace.reached('a hostile config had a generation that nobody follows');
};

const pointOfConfig = ({ generation, artifacts }: ArtifactConfig): string =>
  pointOfLedger({ generation, artifacts: new Set(artifacts.keys()) });

/** Writes into the mount point of an absent disk are durable where this checker does not look. */
const wasUnmounted = ({ machine }: SimSled): boolean =>
  [...machine.volumes.values()].some(volume => volume.wasUnmounted);

const wasReadOnly = ({ machine }: SimSled): boolean =>
  [...machine.volumes.values()].some(volume => volume.wasReadOnly);

/** Changes whenever a disk comes, goes or is replaced. */
const sessionsOf = ({ machine }: SimSled): number =>
  [...machine.volumes.values()].reduce((sum, { session }) => sum + session, 0);

/** How many copies of each wanted artifact have its length, where there are other copies too. */
const rightCopies = ({ holdings }: Watch, { machine }: SimSled): ReadonlyMap<ArtifactHash, number> => {
  const volumes = [...machine.volumes.values()];
  const copies = new Map<ArtifactHash, number>();
  for (const [sha256, sizeBytes] of holdings.wanted()) {
    const lengths = volumes.map(volume => lengthOn(volume, sha256)).filter(length => length !== undefined);
    const right = lengths.filter(length => length === sizeBytes).length;
    copies.set(sha256, right < lengths.length ? right : Number.POSITIVE_INFINITY);
  }
  return copies;
};

/** A truncated file does not count as held, whatever its name (P10), unless it was cut while a slow disk made the list. */
const requireRightLengths = (
  watch: Watch,
  sled: SimSled,
  list: Readonly<Record<string, number>>,
  before: ReadonlyMap<ArtifactHash, number>,
): void => {
  for (const [sha256, right] of rightCopies(watch, sled)) {
    const copies = list[sha256] ?? 0;
    if (copies > right && copies > (before.get(sha256) ?? 0))
      watch.fail(
        'G5',
        `${sled.plan.serial} lists ${copies} copies of ${sha256}, and ${right} have its length`,
      );
  }
};

const lengthOn = (volume: Volume, name: string): number | undefined => {
  const node = volume.top().now.get(name);
  return node?.kind === 'file' ? node.content.length : undefined;
};
