/**
 * The config of this sled, and whether it can be trusted; the rules are in knowledge.ts.
 *
 *     ledgers of all datasets ─▶ the newest ─▶ any doubt? ──no──▶ ready
 *                                                └─yes─▶ a floor ─▶ a config at or above it ─▶ ready
 *     a config ─▶ adopted | the same | refused: every deletion is held, durably, before the answer
 *
 * K1. While there is doubt no ledger gets a new config or a new name: a crash must not turn doubt into trust.
 * K2. A config is durable before it is published, and is published while no unlink is in flight (P2).
 * K3. A config that is refused by number or lineage comes from a database that lost commits, or from a slow Nexus. Until
 *     the sled is offered its own point again or adopts a successor of it, nothing is deleted, across restarts and
 *     returning disks: a hold in one ledger holds for the sled (P13). In doubt the hold is added to the ledgers that have
 *     the config, without other changes (K1).
 * K4. A ledger whose datasets are all gone cannot be made durable on another one (LC1), and the next start would not
 *     know it. When other datasets take their place, their ledgers count, as at a start, and are in doubt.
 * K5. A kept config that the database knows is dropped once this sled has the database's present config. Before that a
 *     known point is not a decision: a restored database may know points that no recovery has decided on.
 * K6. Releases are as the last Nexus named them, at the same point too. One that names none leaves them as they are: what was admitted
 *     stays so.
 */
import { isDeepStrictEqual } from 'node:util';
import {
  type ArtifactConfig,
  adoption,
  isCalledUnknown,
  type OfferedConfig,
  type RefusalReason,
} from '../../../core/artifact-config.ts';
import {
  type ArtifactHash,
  type DatasetId,
  type IncarnationId,
  type Point,
  pointText,
} from '../../../core/ids.ts';
import { samePoint, shortPoint } from '../../../core/lineage.ts';
import type { OfferedRelease } from '../../../core/release-trust.ts';
import type { Clock } from '../../../lib/clock.ts';
import { DepotError } from '../../../lib/errors.ts';
import type { Logger } from '../../../lib/log.ts';
import { refusedClaimDetail } from '../../../sled-wire/refused-claim.ts';
import type { Dataset, Inspection } from '../dataset/dataset.ts';
import { keptUse } from '../files/kept-configs.ts';
import type { Ledger } from '../files/ledger.ts';
import { createKeyedLock, type SharedLock } from '../locks.ts';
import { pointOf } from '../point.ts';
import type { ArtifactStore, Decisions, Floor, Hold, StoreState, Use } from '../store.ts';
import {
  CERTAIN,
  claimsOf,
  configAt,
  isTrusted,
  type Knowledge,
  learnKept,
  learnLedger,
  nothingRead,
  reconsider,
  settleHeads,
  stateOf,
  type Verdicts,
  withPresent,
} from './knowledge.ts';
import { holdLedgers, presentIds, repairLedgers, writeLedgers } from './ledger-copies.ts';

export type ConfigKeeper = {
  readonly incarnationId: () => IncarnationId;
  readonly config: () => ArtifactConfig | undefined;
  /** Those that the config was offered with; undefined from a Nexus that names none. */
  readonly releases: () => readonly OfferedRelease[] | undefined;
  readonly state: () => StoreState;
  /** Takes in datasets with their ledgers, at the start or when they return. */
  readonly join: (joining: readonly Joining[]) => Promise<void>;
  readonly offer: ArtifactStore['offerConfig'];
  readonly acceptFloor: (floor: Floor, verdicts?: Verdicts) => Promise<void>;
  /** Rewrites a damaged or stale ledger (B15). */
  readonly repair: () => Promise<void>;
  readonly claims: ArtifactStore['claims'];
  readonly configAt: ArtifactStore['configAt'];
  /** Why an artifact is kept although the config does not list it (KC1). */
  readonly keeps: (sha256: ArtifactHash) => Use | undefined;
  readonly lineage: () => {
    readonly hasLineage: boolean;
    readonly hold: Hold | undefined;
    readonly pointsKept: readonly Point[];
  };
};

export type Joining = { readonly dataset: Dataset; readonly inspection: Inspection };

export type ConfigKeeperDependencies = {
  readonly datasets: readonly Dataset[];
  /** Unlinks share it. */
  readonly unlinks: SharedLock;
  readonly newId: () => string;
  readonly clock: Clock;
  readonly log: Logger;
  /** An artifact that this config lists does not wait for its deletion any more; before and after it is in force. */
  readonly takeBack: (listed: ArtifactConfig['artifacts']) => Promise<void>;
  readonly decisions: Decisions;
  /** As soon as deletions are held. */
  readonly onHold: () => void;
  /** After each adoption, and when doubt ends. */
  readonly onChange: (reason: string) => void;
};

/** The mutable state. */
type Keeping = ConfigKeeperDependencies & {
  known: Knowledge;
  /** False while a hold may be in memory only: the next refusal writes it before it is answered (K3). */
  isHoldDurable: boolean;
};

export const createConfigKeeper = (deps: ConfigKeeperDependencies): ConfigKeeper => {
  const keeping: Keeping = { ...deps, known: nothingRead(deps.newId), isHoldDurable: true };
  const queue = createKeyedLock();
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => queue('ledger', work);
  return {
    incarnationId: () => keeping.known.ledger.incarnationId,
    config: () => keeping.known.ledger.config,
    releases: () => keeping.known.ledger.releases,
    state: () => stateOf(keeping.known),
    claims: () => claimsOf(keeping.known),
    configAt: point => configAt(keeping.known, point),
    keeps: sha256 => keptUse(keeping.known.kept, sha256),
    lineage() {
      const { ledger, kept } = keeping.known;
      const { hasLineage, hold } = ledger;
      return { hasLineage, hold, pointsKept: [...kept.values()].map(({ point }) => point) };
    },
    repair: () => inTurn(() => repair(keeping)),
    join: joining => inTurn(() => deps.unlinks.exclusive(() => join(keeping, joining))),
    offer: (offered, { signal }) =>
      inTurn(async () => {
        signal.throwIfAborted();
        return offer(keeping, offered);
      }),
    acceptFloor: (floor, verdicts) => inTurn(() => acceptFloor(keeping, floor, verdicts)),
  };
};

/** Makes a ledger durable and trusts it. */
const publish = (keeping: Keeping, ledger: Ledger, reason: string): Promise<void> =>
  keeping.unlinks.exclusive(async () => {
    const { known, datasets, takeBack, onChange } = keeping;
    const { named, ...present } = withPresent(known, datasets); // KN2
    const next = { ...ledger, datasets: present.ledger.datasets };
    const listed = next.config?.artifacts ?? new Map();
    await takeBack(listed);
    keeping.isHoldDurable = false; // a write that fails may have reached a disk all the same, without the hold
    await writeLedgers(datasets, known.ledger, next, known.kept);
    const past = pastAfter(known, next);
    const settled = { newcomers: new Set<DatasetId>(), heads: new Map(), ...CERTAIN };
    keeping.known = { ...known, ledger: next, named, past, ...settled };
    keeping.isHoldDurable = true;
    await takeBack(listed);
    onChange(reason);
  });

const repair = async (keeping: Keeping): Promise<void> => {
  const { known, datasets, log } = keeping;
  if (known.doubt !== undefined && known.ledger.config !== undefined) return; // K1
  const next = withPresent(known, datasets); // KN2
  const files = { ledger: next.ledger, kept: known.kept };
  if (await repairLedgers(datasets, known.ledger, files, log)) keeping.known = { ...known, ...next };
};

const join = async (keeping: Keeping, joining: readonly Joining[]): Promise<void> => {
  const { datasets, log, onChange } = keeping;
  const before = keeping.known;
  const isFresh = isOrphaned(before, datasets, joining); // K4
  const known = isFresh ? orphaned(before, keeping) : before;
  if (isFresh) keeping.isHoldDurable = false; // on the datasets that are gone
  keeping.known = joining.reduce((knowledge, each) => learn(knowledge, each, log), known);
  for (const { dataset, inspection } of joining) await dataset.admit(inspection);
  if (keeping.known.doubt !== undefined || keeping.known.heads.size > 0)
    keeping.known = reconsider(keeping.known, datasets);
  await keeping.takeBack(keeping.known.ledger.config?.artifacts ?? new Map());
  await repair(keeping);
  const isNews = before.doubt !== undefined || keeping.known.ledger.config !== before.ledger.config;
  if (keeping.known.doubt === undefined && isNews) onChange('the ledgers were read');
};

const offer = async (keeping: Keeping, offered: OfferedConfig): Promise<'adopted' | 'same'> => {
  const { ledger, doubt, floor } = keeping.known;
  if (doubt !== undefined && floor === undefined) throw awaitingFloor(doubt);
  const { config, hasLineage } = ledger;
  const isUnaccepted = isToBeAccepted(ledger, keeping.decisions);
  const verdict = adoption({ config, hasLineage, pointOf, isUnaccepted }, offered, floor?.generation);
  if (verdict.kind === 'refuse') {
    const refusal = refusalOf(verdict.reason, offered, keeping.known);
    const isUnknown = config !== undefined && isCalledUnknown(pointOf(config), offered);
    await holdDeletions(keeping, refusal.message, isUnknown);
    throw refusal;
  }
  await takeConfig(keeping, offered, verdict.kind === 'same');
  return verdict.kind === 'same' ? 'same' : 'adopted';
};

/** C5 */
const isToBeAccepted = ({ config, hold }: Ledger, decisions: Decisions): boolean =>
  config !== undefined &&
  hold?.isUnknown === true &&
  decisions.areRequired() &&
  !decisions.accept(pointOf(config));

/** K3. In memory first: even if no dataset takes it, nothing is deleted. */
const holdDeletions = async (keeping: Keeping, reason: string, isUnknown: boolean): Promise<void> => {
  const { datasets, unlinks, clock, log } = keeping;
  const { ledger, doubt } = keeping.known;
  if (ledger.config === undefined) return;
  const before = ledger.hold;
  const isAsBefore = before !== undefined && (before.isUnknown === true || !isUnknown);
  if (isAsBefore && keeping.isHoldDurable) return;
  const hold = isAsBefore ? before : { timeMs: clock.nowMs(), ...before, reason, isUnknown };
  const held = { ...ledger, hold };
  const point = pointOf(ledger.config);
  if (ledger.hold === undefined)
    log.warn({ generation: ledger.config.generation, reason }, 'every deletion is held');
  await unlinks.exclusive(async () => {
    keeping.known = { ...keeping.known, ledger: held };
    keeping.isHoldDurable = false;
    keeping.onHold();
    if (doubt === undefined) await writeLedgers(datasets, ledger, held, keeping.known.kept);
    else await holdLedgers(datasets, point, hold);
    keeping.isHoldDurable = true;
  });
};

const takeConfig = async (keeping: Keeping, offered: OfferedConfig, isSame: boolean): Promise<void> => {
  const { ledger, doubt } = keeping.known;
  const config =
    isSame && ledger.config !== undefined ? withMoreSizes(ledger.config, offered) : configOnly(offered);
  const hasLineage = ledger.hasLineage || offered.succeeds !== undefined;
  const releases = offered.releases ?? ledger.releases; // K6
  const isAsBefore =
    config === ledger.config &&
    ledger.hold === undefined &&
    hasLineage === ledger.hasLineage &&
    isDeepStrictEqual(releases, ledger.releases);
  if (isAsBefore && doubt === undefined) return;
  const previous = isSame || ledger.config === undefined ? ledger.previous : pointOf(ledger.config);
  const next = { ...ledger, config, previous, hasLineage, hold: undefined, releases };
  await publish(keeping, next, `config of generation ${config.generation}`);
};

const acceptFloor = async (keeping: Keeping, floor: Floor, verdicts: Verdicts): Promise<void> => {
  const { datasets, clock, log } = keeping;
  await forgetDecided(keeping, floor, verdicts);
  if (keeping.known.doubt === undefined) return;
  // The latest counts: each was read after the doubt began, and the database may have been restored since an earlier one.
  const settled = settleHeads({ ...keeping.known, floor }, verdicts, clock.nowMs());
  if (settled === undefined) {
    log.warn({ doubt: keeping.known.doubt }, 'this Nexus does not say which configs the database knows');
    return;
  }
  if (settled.ledger.hold !== keeping.known.ledger.hold) keeping.isHoldDurable = false;
  keeping.known = reconsider(settled, datasets);
  const { ledger, doubt } = keeping.known;
  log.info({ floor: floor.generation, generation: ledger.config?.generation, doubt }, 'floor accepted');
  if (ledger.config === undefined) return;
  if (doubt !== undefined && !isTrusted(keeping.known, verdicts)) return;
  await publish(keeping, ledger, 'the ledger is at or above the floor').catch(stayInDoubt(log));
};

/** K5 */
const forgetDecided = async (keeping: Keeping, floor: Floor, verdicts: Verdicts): Promise<void> => {
  const { datasets, unlinks, log, onChange } = keeping;
  if (!isAtFloor(keeping.known, floor)) return;
  const decided = [...keeping.known.kept].filter(([text]) => verdicts?.get(text) === true);
  if (decided.length === 0) return;
  const kept = new Map(keeping.known.kept);
  for (const [text, { point }] of decided) {
    await removeEverywhere(datasets, point);
    kept.delete(text);
    log.warn({ point: shortPoint(point) }, 'a point of another history was decided on');
  }
  await unlinks.exclusive(async () => {
    keeping.known = { ...keeping.known, kept };
  });
  onChange('a recovery has decided on a kept config');
};

const isAtFloor = ({ ledger: { config }, doubt }: Knowledge, { generation, digest }: Floor): boolean =>
  doubt === undefined &&
  config !== undefined &&
  digest !== undefined &&
  samePoint(pointOf(config), { generation, digest });

/** Of an adoption that replaces another config. */
const pastAfter = ({ past, ledger }: Knowledge, next: Ledger): Knowledge['past'] => {
  if (ledger.config === undefined || ledger.config === next.config) return past;
  const left = pointOf(ledger.config);
  return next.config !== undefined && samePoint(pointOf(next.config), left)
    ? past
    : new Set([...[...past].slice(-MAX_PAST), pointText(left)]);
};
/** A disk that returns with an older point than these makes the sled ask the database, at the cost of one registration. */
const MAX_PAST = 64;

const removeEverywhere = async (datasets: readonly Dataset[], point: Point): Promise<void> => {
  for (const dataset of datasets) {
    if (!dataset.isWritable()) continue;
    await dataset
      .removeKept(point)
      .catch((error: unknown) => dataset.reportFailure(error, 'remove a kept config'));
  }
};

const configOnly = ({ generation, artifacts }: OfferedConfig): ArtifactConfig => ({ generation, artifacts });

/** K4 */
const isOrphaned = (
  { ledger }: Knowledge,
  datasets: readonly Dataset[],
  joining: readonly Joining[],
): boolean => {
  if (ledger.datasets.length === 0) return false;
  const present = [...presentIds(datasets), ...joining.map(({ inspection }) => inspection.id)];
  return !present.some(id => ledger.datasets.includes(id));
};

/** K4: their names stay known (KN2), and so do kept configs and holds. */
const orphaned = (
  { ledger, named, kept }: Knowledge,
  { newId, log }: ConfigKeeperDependencies,
): Knowledge => {
  log.error(
    { generation: ledger.config?.generation, datasets: ledger.datasets },
    'the datasets of the ledger are gone, and others took their place: their ledgers count',
  );
  const anew = nothingRead(newId);
  return {
    ...anew,
    ledger: { ...anew.ledger, hold: ledger.hold },
    named: new Set([...named, ...ledger.datasets]),
    kept,
  };
};

/** Nexus offers the config again, and the refusal has the reason. */
const stayInDoubt =
  (log: Logger) =>
  (error: unknown): void =>
    log.error({ err: error }, 'the ledger cannot be written, so the sled stays in doubt');

/** Adds the records of one dataset. */
const learn = (before: Knowledge, { dataset, inspection }: Joining, log: Logger): Knowledge => {
  const { ledger: read, id, kept } = inspection;
  const known = learnKept(before, kept);
  if (read.kind === 'none') return { ...known, newcomers: new Set([...known.newcomers, id]) };
  if (read.kind === 'damaged') {
    log.error({ dataset: dataset.path, reason: read.reason }, 'ledger is damaged');
    return known;
  }
  // A ledger counts for the dataset where it lies, even if it does not name it: a mount may have come in between.
  const found = { ...read.ledger, datasets: [...new Set([...read.ledger.datasets, id])] };
  const next = learnLedger(known, found);
  if (next.heads.size > known.heads.size)
    log.error({ dataset: dataset.path, heads: [...next.heads.keys()] }, 'datasets have different configs');
  return next;
};

/** The same config with the lengths that the offer adds (P10); the same object when it adds none. */
const withMoreSizes = (held: ArtifactConfig, offered: ArtifactConfig): ArtifactConfig => {
  const adds = [...held.artifacts].some(
    ([sha256, size]) => size === undefined && offered.artifacts.get(sha256) !== undefined,
  );
  if (!adds) return held;
  const artifacts = [...held.artifacts].map(
    ([sha256, size]) => [sha256, size ?? offered.artifacts.get(sha256)] as const,
  );
  return { generation: held.generation, artifacts: new Map(artifacts) };
};

export const awaitingFloor = (reason: string): DepotError =>
  new DepotError('AWAITING_FLOOR', `this sled waits for a Nexus: ${reason}`);

/** Its detail has the sled's own point, for a Nexus to look up (P13). */
const refusalOf = (
  reason: RefusalReason,
  offered: OfferedConfig,
  { ledger: { config, hasLineage }, floor }: Knowledge,
): DepotError => {
  const held = config && pointOf(config);
  const words: Record<RefusalReason, string> = {
    older: `it is older than this sled's generation ${held?.generation}`,
    differs: 'this sled has other artifacts at the same generation',
    not_accepted: `the database did not know this sled's config ${held && pointText(held)}, and no statement of an admin key accepts it`,
    not_successor: `it lists less than this sled's config ${held && shortPoint(held)}, and does not succeed it`,
    no_lineage: 'it does not name the config that it succeeds, which this sled requires',
    below_floor: `this sled's floor is ${floor?.generation}`,
  };
  return new DepotError('CONFIG_GENERATION', `config of generation ${offered.generation}: ${words[reason]}`, {
    detail: {
      reason,
      offered: offered.generation,
      ...refusedClaimDetail(held, hasLineage),
      floor: floor?.generation ?? null,
    },
  });
};
