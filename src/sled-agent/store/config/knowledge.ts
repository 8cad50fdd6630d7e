/**
 * A sled's knowledge of its last config, from its datasets and from the answers of Nexus. Pure.
 *
 *     ledgers ─▶ learn ─▶ one head, or heads that differ ─▶ doubt? ─▶ a registration is answered ─▶ settle
 *
 * KN1. A ledger is trusted when every dataset that could hold a newer one was read: those that any ledger names
 *      and those that are configured, none of them new beside an existing config (P5).
 * KN2. A dataset that was named once stays named. A missing one may have been used alone elsewhere, and have a newer
 *      ledger: a sled that lost a disk asks for a floor at each start, which costs one registration.
 * KN3. Heads that differ cause doubt until the database has answered for each whether it recorded it (P13). Points that
 *      this sled has left behind cause none: the one that a ledger names as its previous point, which a crash leaves on
 *      some datasets, and those that this process has seen.
 * KN4. The sled's point is the highest head; at equal generations it is the one that the database does not know. Every
 *      other unknown head is kept with its set. A known head is replaced if the database knows the highest head too; below an
 *      unknown one it is kept, since the database may be about to be restored again.
 * KN5. A ledger that may not be the newest is trusted if it is at or above the floor and its point is known.
 * KN6. Only a sled that has never adopted a lineage trusts a control plane that does not answer about heads.
 * KN7. A hold in one ledger counts, even beside a newer ledger without one: that may be half of an adoption from before the
 *      refusal, which was never acknowledged. The next offer of the sled's own point ends the hold.
 */
import type { ArtifactConfig } from '../../../core/artifact-config.ts';
import { type DatasetId, IncarnationId, type Point, pointText } from '../../../core/ids.ts';
import { type RegisteredHead, samePoint } from '../../../core/lineage.ts';
import type { Dataset } from '../dataset/dataset.ts';
import { type KeptConfigs, withKept } from '../files/kept-configs.ts';
import type { Ledger } from '../files/ledger.ts';
import { pointOf } from '../point.ts';
import type { Floor, StoreState } from '../store.ts';
import { presentIds } from './ledger-copies.ts';

/** A config that some ledger has. */
type Head = {
  readonly config: ArtifactConfig;
  readonly previous: Point | undefined;
  readonly hasLineage: boolean;
};

/** Replaced as a whole, so that no reader sees half a change. */
export type Knowledge = {
  readonly ledger: Ledger;
  /** Every dataset that some ledger names. */
  readonly named: ReadonlySet<DatasetId>;
  /** Datasets without a ledger. */
  readonly newcomers: ReadonlySet<DatasetId>;
  /** Heads on which the database has not answered yet, by their points: none, or two and more (KN3). */
  readonly heads: ReadonlyMap<string, Head>;
  /** Points that this process has left behind by adoptions (KN3). */
  readonly past: ReadonlySet<string>;
  readonly kept: KeptConfigs;
  readonly doubt: string | undefined;
  readonly floor: Floor | undefined;
};

export const nothingRead = (newId: () => string): Knowledge => ({
  ledger: {
    incarnationId: IncarnationId.parse(newId()),
    datasets: [],
    config: undefined,
    previous: undefined,
    hasLineage: false,
    hold: undefined,
    releases: undefined,
  },
  named: new Set(),
  newcomers: new Set(),
  heads: new Map(),
  past: new Set(),
  kept: new Map(),
  doubt: 'its datasets have not been read yet',
  floor: undefined,
});

export const CERTAIN = { doubt: undefined, floor: undefined } as const;

/** Adds the records of one dataset: the newest ledger wins until the database has answered (KN4). */
export const learnLedger = (known: Knowledge, found: Ledger): Knowledge => {
  const { ledger } = known;
  const named = new Set([...known.named, ...found.datasets]);
  // A ledger without a config only has the incarnation, which replaces the one made up for this start.
  const isNewer =
    (found.config?.generation ?? -1) > (ledger.config?.generation ?? -1) || ledger.datasets.length === 0;
  const top = isNewer ? found : ledger;
  const next: Ledger = {
    ...top,
    hasLineage: found.hasLineage || ledger.hasLineage,
    hold: withBoth(ledger.hold, found.hold), // KN7
  };
  const heads = sameHead(found, ledger) ? known.heads : withHeads(known, found);
  return { ...known, ledger: next, named, heads };
};

/** That the point was unknown to a database is not forgotten because one dataset missed it (C5). */
const withBoth = (known: Ledger['hold'], found: Ledger['hold']): Ledger['hold'] => {
  if (known === undefined || found === undefined) return known ?? found;
  return { ...known, isUnknown: known.isUnknown === true || found.isUnknown === true };
};

const sameHead = ({ config: a }: Ledger, { config: b }: Ledger): boolean =>
  a !== undefined && b !== undefined && samePoint(pointOf(a), pointOf(b));

/** KN3: the heads read so far that no other head succeeds. */
const withHeads = ({ ledger, heads, past }: Knowledge, found: Ledger): Knowledge['heads'] => {
  const [own, other] = [headOf(ledger), headOf(found)];
  if (own === undefined || other === undefined) return heads;
  const text = pointText(pointOf(other.config));
  const before = heads.size > 0 ? heads : new Map([[pointText(pointOf(own.config)), own]]);
  if (past.has(text) || before.has(text)) return heads;
  if ([...before.values()].some(head => isPrevious(text, head))) return heads;
  const left = [...before].filter(([each]) => !isPrevious(each, found));
  return left.length === 0 ? new Map() : new Map([...left, [text, other]]);
};

const headOf = ({ config, previous, hasLineage }: Ledger): Head | undefined =>
  config && { config, previous, hasLineage };

const isPrevious = (text: string, { previous }: Pick<Ledger, 'previous'>): boolean =>
  previous !== undefined && pointText(previous) === text;

export const learnKept = (known: Knowledge, found: Parameters<typeof withKept>[1]): Knowledge =>
  found.length === 0 ? known : { ...known, kept: withKept(known.kept, found) };

/** KN2 */
export const withPresent = (
  known: Knowledge,
  datasets: readonly Dataset[],
): Pick<Knowledge, 'ledger' | 'named'> => {
  const named = new Set([...known.ledger.datasets, ...known.named, ...presentIds(datasets)]);
  return { named, ledger: { ...known.ledger, datasets: [...named] } };
};

/** A floor counts only while there is doubt, and differing heads need their own answer. */
export const reconsider = (known: Knowledge, datasets: readonly Dataset[]): Knowledge => {
  const doubt = findDoubt(known, datasets);
  const isAnswered = doubt !== undefined && known.heads.size === 0;
  return { ...known, doubt, floor: isAnswered ? known.floor : undefined };
};

/** Why a ledger newer than, or different from, the known one may exist; undefined when none can (KN1, KN3). */
const findDoubt = (known: Knowledge, datasets: readonly Dataset[]): string | undefined => {
  const { ledger, heads } = known;
  if (ledger.config === undefined) return 'no config was adopted yet';
  if (heads.size > 0)
    return `its datasets have ${heads.size} different configs, and the database has not answered yet which it knows`;
  return findAbsence(known, datasets);
};

/** KN1 */
const findAbsence = ({ named, newcomers }: Knowledge, datasets: readonly Dataset[]): string | undefined => {
  const absent = datasets.find(each => !each.isReadable());
  if (absent !== undefined) return `dataset ${absent.path} cannot be read, and may hold a newer ledger`;
  const present = new Set(presentIds(datasets));
  const gone = [...named].find(id => !present.has(id));
  if (gone !== undefined) return `dataset ${gone} is missing, and may hold a newer ledger`;
  const newcomer = datasets.find(each => {
    const id = each.id();
    return id !== undefined && newcomers.has(id);
  });
  if (newcomer !== undefined) return `dataset ${newcomer.path} is new, and may replace a lost one`;
  return undefined;
};

/** The answer of Nexus about points: by {@link pointText}, whether the database recorded it. Undefined without an answer. */
export type Verdicts = ReadonlyMap<string, boolean> | undefined;

/** KN4. Undefined when the answer lacks a head. */
export const settleHeads = (known: Knowledge, verdicts: Verdicts, nowMs: number): Knowledge | undefined => {
  const { ledger, heads } = known;
  const judged: JudgedHead[] = [];
  for (const [text, head] of heads) {
    const isKnown = verdictOf(text, verdicts, ledger.hasLineage);
    if (isKnown === undefined) return undefined;
    judged.push({ text, head, isKnown });
  }
  const [top, ...others] = judged.sort(byRank);
  if (top === undefined) return known;
  const kept = others.flatMap(({ head: { config }, isKnown }) =>
    isKnown && top.isKnown ? [] : [{ point: pointOf(config), config }],
  );
  return {
    ...known,
    ledger: {
      ...ledger,
      config: top.head.config,
      previous: undefined,
      hold: withBoth(
        ledger.hold,
        top.isKnown ? undefined : { reason: UNKNOWN_POINT, timeMs: nowMs, isUnknown: true },
      ),
    },
    heads: new Map(),
    past: new Set([...known.past, ...others.map(({ text }) => text)]),
    kept: withKept(known.kept, kept),
  };
};

const UNKNOWN_POINT = 'the database does not know the config that this sled holds';

type JudgedHead = { readonly text: string; readonly head: Head; readonly isKnown: boolean };

/** The highest first; at equal generations the unknown one first, then in a fixed order. */
const byRank = (a: JudgedHead, b: JudgedHead): number =>
  b.head.config.generation - a.head.config.generation ||
  Number(a.isKnown) - Number(b.isKnown) ||
  (a.text < b.text ? -1 : 1);

/** KN6 */
const verdictOf = (text: string, verdicts: Verdicts, hasLineage: boolean): boolean | undefined =>
  verdicts === undefined ? (hasLineage ? undefined : true) : verdicts.get(text);

/** KN5: whether the ledger may be trusted although another one may be newer. */
export const isTrusted = ({ ledger, floor }: Knowledge, verdicts: Verdicts): boolean => {
  if (ledger.config === undefined || floor === undefined) return false;
  const text = pointText(pointOf(ledger.config));
  return (
    ledger.config.generation >= floor.generation && verdictOf(text, verdicts, ledger.hasLineage) === true
  );
};

/** The points that a registration asks about: every head, and every kept one. */
export const claimsOf = ({ ledger, heads, kept }: Knowledge): readonly RegisteredHead[] => {
  const own = headOf(ledger);
  const present = heads.size > 0 ? [...heads.values()] : own === undefined ? [] : [own];
  return [
    ...present.map(({ config, hasLineage }) => ({ ...pointOf(config), hasLineage, isKept: false })),
    // A kept point is of another history: a number below the first recorded point proves nothing about it.
    ...[...kept.values()].map(({ point }) => ({ ...point, hasLineage: true, isKept: true })),
  ];
};

/** The config of a point: in force, between heads, or kept. */
export const configAt = ({ ledger, heads, kept }: Knowledge, point: Point): ArtifactConfig | undefined => {
  if (ledger.config !== undefined && samePoint(pointOf(ledger.config), point)) return ledger.config;
  const text = pointText(point);
  return heads.get(text)?.config ?? kept.get(text)?.config;
};

export const stateOf = ({ doubt, floor, ledger: { config } }: Knowledge): StoreState => {
  if (doubt === undefined) return { kind: 'ready' };
  if (floor === undefined) return { kind: 'awaiting_floor', reason: doubt };
  const held = config === undefined ? 'this sled has none' : `this sled has generation ${config.generation}`;
  const reason = `a config of generation ${floor.generation} or later is needed, and ${held}`;
  return { kind: 'awaiting_config', floor: floor.generation, reason };
};
