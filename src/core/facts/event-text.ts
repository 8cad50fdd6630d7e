/** Events of the history in plain English: one renderer for each kind. */
import type { ArtifactHash, SledId } from '../ids.ts';
import type { EventFact, EventKind } from './event.ts';
import { listed, plural, quoted, seconds, sentences, spaced } from './phrase.ts';
import { renderReason } from './reason-text.ts';

/** What ids are called in a sentence. */
export type Names = {
  /** Behind the word sled. */
  readonly sled: (id: SledId) => string;
  /** With the word artifact. */
  readonly artifact: (sha256: ArtifactHash) => string;
};
const FULL_IDS: Names = { sled: id => id, artifact: sha256 => `artifact ${sha256}` };

type Renderers = { readonly [K in EventKind]: (event: EventFact<K>, names: Names) => string };

/** More versions than a fleet keeps. */
const MOST_VERSIONS = 20;

const renderers: Renderers = {
  put_config: (event, { sled }) =>
    outcome(
      event,
      `Sled ${sled(event.sledId)} took the config.`,
      `Sled ${sled(event.sledId)} did not take the config`,
    ),
  list: (event, { sled }) =>
    outcome(
      event,
      `Sled ${sled(event.sledId)} listed its artifacts.`,
      `Sled ${sled(event.sledId)} did not list its artifacts`,
    ),
  put: (event, { sled, artifact }) =>
    outcome(
      event,
      `Sled ${sled(event.sledId)} stored ${artifact(event.sha256)}.`,
      `Sled ${sled(event.sledId)} did not store ${artifact(event.sha256)}`,
    ),
  copy: (event, names) => {
    const what = `the copy of ${names.artifact(event.sha256)}${from(event.sourceSledId, names)}`;
    const sled = names.sled(event.sledId);
    return outcome(event, `Sled ${sled} began ${what}.`, `Sled ${sled} did not begin ${what}`);
  },
  copy_done: ({ sledId, sha256, sourceSledId, datasetsHolding, datasets }, names) =>
    `Sled ${names.sled(sledId)} copied ${names.artifact(sha256)}${from(sourceSledId, names)}. It is on ${datasetsHolding} of ${plural(datasets, 'dataset')}.`,
  copy_failed: ({ sledId, sha256, source, error, sledTime }, { sled, artifact }) =>
    sentences(
      `Sled ${sled(sledId)} could not copy ${artifact(sha256)} from ${source}: ${quoted(error)}`,
      bySledsClock(sledTime),
    ),
  copy_lost: ({ sledId, sha256, sourceSledId }, names) =>
    sentences(
      `The copy of ${names.artifact(sha256)}${from(sourceSledId, names)} to sled ${names.sled(sledId)} ended without a result.`,
      'The artifact is no longer wanted, or the agent restarted, or the file was quarantined.',
    ),
  deletion: ({ sledId, sha256, why, sledTime }, { sled, artifact }) =>
    sentences(`Sled ${sled(sledId)} deleted ${artifact(sha256)}: ${quoted(why)}`, bySledsClock(sledTime)),
  quarantine: ({ sledId, sha256, datasetId, why, sledTime }, { sled, artifact }) =>
    sentences(
      `Sled ${sled(sledId)} quarantined a copy of ${artifact(sha256)} in dataset ${datasetId}: ${quoted(why)}`,
      bySledsClock(sledTime),
    ),
  generation: event => generationText(event),
  release_state: ({ systemVersion, state, previousState, reason }) =>
    sentences(
      `Release ${systemVersion} is ${state}.`,
      previousState === undefined ? undefined : `It was ${previousState}.`,
      reason && renderReason(reason).message,
    ),
  sled_state: ({ reason, isOver }) => {
    const { message } = renderReason(reason);
    return isOver ? `Over: ${message}` : message;
  },
  release_recorded: ({ systemVersion, uploadId, wasThere, waitedMs, overrides }) =>
    sentences(
      wasThere
        ? `Release ${systemVersion} was recorded before. Upload ${uploadId} brought the same archive.`
        : `Release ${systemVersion} was recorded from upload ${uploadId}.`,
      waitedMs > 0 ? `The upload waited ${seconds(waitedMs)} for the database.` : undefined,
      overrides.length === 0 ? undefined : `Accepted by an override: ${quoted(overrides.join('; '))}`,
    ),
  release_deleted: ({ systemVersion, by }) =>
    `Release ${systemVersion} was deleted by ${by === 'operator' ? 'an operator' : 'the retention policy'}.`,
  target_release: ({ systemVersion, previousVersion, isForced }) =>
    sentences(
      `Release ${systemVersion} became the target release.`,
      previousVersion === undefined ? 'None was set before.' : `It was ${previousVersion} before.`,
      isForced ? 'The change was forced.' : undefined,
    ),
  generation_recovered: (event, { sled }) =>
    event.by === 'operator'
      ? `An operator recovered the generation from ${event.previousGeneration} to ${event.generation}: ${plural(event.pointsAccepted, 'point')} of other histories became known.`
      : `Nexus raised the generation from ${event.previousGeneration} to ${event.generation}, above generation ${event.foreignGeneration} of another history on sled ${sled(event.sledId)}. All that it lists is wanted.`,
  local_repo_held: ({ systemVersion, uploadId, how }) =>
    `A Nexus holds the archive of release ${systemVersion} (upload ${uploadId}), ${HOW_HELD[how]}.`,
  local_repo_dropped: ({ systemVersion, uploadId }) =>
    `A Nexus deleted the archive of release ${systemVersion} (upload ${uploadId}). Enough sleds hold all of it, or the release is deleted.`,
  sled_registered: ({ sledId, serial, address, incarnationId, datasets }) =>
    sentences(
      `Sled ${serial} (${sledId}) registered at ${address}${incarnationId === undefined ? '' : ` in incarnation ${incarnationId}`}.`,
      datasets.length === 0
        ? undefined
        : `Its datasets: ${datasets.map(({ path, state }) => `${path} ${spaced(state)}`).join(', ')}.`,
    ),
  trust_root_added: ({ trustRootId, rootVersion }) =>
    `An operator added trust root ${trustRootId} (root version ${rootVersion}).`,
  trust_root_deleted: ({ trustRootId }) => `An operator deleted trust root ${trustRootId}.`,
  trust_root_recovered: ({ trustRootId, sledId, version, previousVersion }, { sled }) =>
    `Trust root ${trustRootId} moved from version ${previousVersion} to ${version}: the database had forgotten these roots, and sled ${sled(sledId)} had pinned them.`,
  sled_policy: ({ sledId, policy }, { sled }) =>
    policy === 'expunged'
      ? `An operator expunged sled ${sled(sledId)}.`
      : `An operator put sled ${sled(sledId)} in service.`,
  sled_transport: ({ sledId, plainAddress, because }, { sled }) => {
    if (plainAddress !== undefined)
      return `An operator approved sled ${sled(sledId)} to speak plain HTTP at ${plainAddress}.`;
    return because === 'registered'
      ? `Sled ${sled(sledId)} registered with an identity, which ended its approval to speak plain HTTP.`
      : `An operator ended the approval of sled ${sled(sledId)} to speak plain HTTP.`;
  },
  sled_forgotten: ({ sledId, serial, address }) =>
    serial === ''
      ? `An operator removed the record of sled ${sledId}, which was expunged and never registered.`
      : `An operator removed sled ${serial} (${sledId}), which was expunged, from the list. Its address was ${address}.`,
  nexus_expunged: ({ expungedNexusId }) => `An operator expunged Nexus ${expungedNexusId}.`,
  nexus_started: ({ operatorAddress }) => `The Nexus that serves operators at ${operatorAddress} started.`,
  nexus_stopped: ({ operatorAddress }) =>
    `The Nexus that served operators at ${operatorAddress} stopped cleanly.`,
  history_lost: ({ events }) =>
    `Before this, ${plural(events, 'event was', 'events were')} not recorded: the database did not take them in time.`,
};

/** @param names for people who see few sleds and artifacts; ids in full otherwise */
export const renderEvent = (event: EventFact, names: Names = FULL_IDS): string =>
  (renderers[event.kind] as (event: EventFact, names: Names) => string)(event, names);

type RequestEvent = EventFact<'put_config' | 'list' | 'put' | 'copy'>;

const outcome = (
  { error, errorCode, failures = 1, hadFailed }: RequestEvent,
  ok: string,
  failed: string,
): string =>
  errorCode === undefined
    ? sentences(ok, hadFailed === true ? 'The attempt before it had failed.' : undefined)
    : sentences(
        `${failed}: ${quoted(error ?? errorCode)}`,
        failures > 1 ? `It failed ${failures} times in a row.` : undefined,
      );

const from = (sourceSledId: SledId | undefined, { sled }: Names): string =>
  sourceSledId === undefined ? '' : ` from sled ${sled(sourceSledId)}`;

const bySledsClock = (time: string | undefined): string | undefined =>
  time === undefined ? undefined : `By the clock of the sled it was at ${time}.`;

const generationText = ({
  generation,
  previousGeneration: before,
  added,
  removed,
  present,
}: EventFact<'generation'>) =>
  sentences(
    before === undefined
      ? `Generation ${generation} is the first that a Nexus read after its start.`
      : before > generation
        ? `The generation fell from ${before} to ${generation}: the database was restored, or lost commits in a failover.`
        : `The generation rose from ${before} to ${generation}.`,
    added.length === 0 ? undefined : `Added: ${listed(added, MOST_VERSIONS)}.`,
    removed.length === 0 ? undefined : `Removed: ${listed(removed, MOST_VERSIONS)}.`,
    present.length === 0 ? 'No release is present.' : `Present: ${listed(present, MOST_VERSIONS)}.`,
  );

const HOW_HELD = {
  uploaded: 'which it has just received',
  adopted: 'which it found at its start',
  recorded_again: 'which it recorded again, as the database had lost it',
  listed_again: 'which the database lists again after having lost it',
} as const satisfies Record<EventFact<'local_repo_held'>['how'], string>;
