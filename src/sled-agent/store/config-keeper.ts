/**
 * What this sled was told to hold, and whether that can be trusted.
 *
 *     ledgers of all datasets ─▶ the newest ─▶ any doubt? ──no──▶ ready
 *                                                └─yes─▶ a floor ─▶ a config at or above it ─▶ ready
 *
 * K1. A ledger is trusted when every dataset that could hold a newer one was read: those that any ledger names
 *     and those that are configured, none of them new beside an existing config (P5).
 * K2. While there is doubt no ledger with a config is written: a crash must not turn doubt into trust.
 * K3. A config is durable before it is published, and is published while no unlink is under way (P2).
 * K4. A dataset that was named once stays named. One that is gone may have gone on alone elsewhere, with a newer
 *     ledger than this: a sled that lost a disk asks for a floor at each start, which costs one registration.
 * K5. Two configs of one generation are of two databases, one of which was put back: the database that gives the floor
 *     says which of them stands, or gives a newer one. Until then nothing is deleted by either, also when the second
 *     comes with a disk that returns. What was offered by the database in this process is settled.
 * K6. A ledger all of whose datasets have gone cannot be made durable on another one (LC1), and the next start would not
 *     know of it. When others come in their place, what they tell counts, as at a start, and is in doubt.
 */
import { type Adoption, type ArtifactConfig, adoption, sameArtifacts } from '../../core/artifact-config.ts';
import { type DatasetId, type Generation, IncarnationId } from '../../core/ids.ts';
import { DepotError } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import type { Dataset, Inspection } from './dataset.ts';
import type { Ledger } from './ledger.ts';
import { presentIds, repairLedgers, writeLedgers } from './ledger-copies.ts';
import { createKeyedLock, type SharedLock } from './locks.ts';
import type { StoreState } from './store.ts';

export type ConfigKeeper = {
  readonly incarnationId: () => IncarnationId;
  readonly config: () => ArtifactConfig | undefined;
  readonly state: () => StoreState;
  /** Takes in datasets with their ledgers, at the start or when they return. */
  readonly join: (joining: readonly Joining[]) => Promise<void>;
  readonly offer: (config: ArtifactConfig, options: { signal: AbortSignal }) => Promise<'adopted' | 'same'>;
  readonly acceptFloor: (generation: Generation) => Promise<void>;
  /** Writes the ledger where it is damaged or behind (B15). */
  readonly repair: () => Promise<void>;
};

export type Joining = { readonly dataset: Dataset; readonly inspection: Inspection };

export type ConfigKeeperDependencies = {
  readonly datasets: readonly Dataset[];
  /** Unlinks share it. */
  readonly unlinks: SharedLock;
  readonly newId: () => string;
  readonly log: Logger;
  /** After each adoption, and when doubt ends. */
  readonly onChange: (reason: string) => void;
};

/** What the datasets and the floor say; replaced as a whole, so that no reader sees half a change. */
type Knowledge = {
  readonly ledger: Ledger;
  /** Every dataset that some ledger names. */
  readonly named: ReadonlySet<DatasetId>;
  /** Those that came without a ledger. */
  readonly newcomers: ReadonlySet<DatasetId>;
  /** Whether two of them differ at the newest generation (K5). */
  readonly isSplit: boolean;
  /** The last config that was taken from an offer, and not from a disk (K5). */
  readonly settled: Generation | undefined;
  readonly doubt: string | undefined;
  readonly floor: Generation | undefined;
};

const nothingRead = (newId: () => string): Knowledge => ({
  ledger: { incarnationId: IncarnationId.parse(newId()), datasets: [], config: undefined },
  named: new Set(),
  newcomers: new Set(),
  isSplit: false,
  settled: undefined,
  doubt: 'its datasets have not been read yet',
  floor: undefined,
});

const CERTAIN = { isSplit: false, doubt: undefined, floor: undefined } as const;

export const createConfigKeeper = (deps: ConfigKeeperDependencies): ConfigKeeper => {
  const { datasets, unlinks, log, onChange } = deps;
  const queue = createKeyedLock();
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => queue('ledger', work);
  let known = nothingRead(deps.newId);

  const publish = (config: ArtifactConfig, reason: string, settled?: Generation): Promise<void> =>
    unlinks.exclusive(async () => {
      const { named, ...next } = withPresent(known, datasets); // K4
      const ledger = { ...next.ledger, config };
      await writeLedgers(datasets, known.ledger, ledger);
      known = { ledger, named, newcomers: new Set(), settled, ...CERTAIN };
      onChange(reason);
    });

  const repair = async (): Promise<void> => {
    if (known.doubt !== undefined && known.ledger.config !== undefined) return; // K2
    const next = withPresent(known, datasets); // K4
    if (await repairLedgers(datasets, known.ledger, next.ledger, log)) known = { ...known, ...next };
  };

  return {
    incarnationId: () => known.ledger.incarnationId,
    config: () => known.ledger.config,
    state: () => stateOf(known),
    repair: () => inTurn(repair),
    join: joining =>
      inTurn(() =>
        unlinks.exclusive(async () => {
          const before = known;
          if (isOrphaned(known, datasets, joining)) known = orphaned(known, deps); // K6
          known = joining.reduce((knowledge, each) => learn(knowledge, each, log), known);
          for (const { dataset, inspection } of joining) await dataset.admit(inspection);
          if (known.doubt !== undefined || known.isSplit) known = reconsider(known, datasets);
          await repair();
          const isNews = before.doubt !== undefined || known.ledger.config !== before.ledger.config;
          if (known.doubt === undefined && isNews) onChange('the ledgers were read');
        }),
      ),
    offer: (offered, { signal }) =>
      inTurn(async () => {
        signal.throwIfAborted();
        const { ledger, doubt, floor } = known;
        if (doubt !== undefined && floor === undefined) throw awaitingFloor(doubt);
        const verdict = judge(known, offered);
        if (verdict.kind === 'refuse') throw refusal(verdict.reason, offered, known);
        const config = verdict.kind === 'same' ? withMoreSizes(ledger.config!, offered) : offered;
        if (config === ledger.config && doubt === undefined)
          known = { ...known, settled: config.generation }; // K5
        else await publish(config, `config of generation ${config.generation}`, config.generation);
        return verdict.kind === 'same' ? 'same' : 'adopted';
      }),
    acceptFloor: generation =>
      inTurn(async () => {
        const { ledger, doubt, isSplit } = known;
        if (doubt === undefined) return;
        // The latest counts: each was read after the doubt began, and an earlier one may be of a database that went back.
        known = { ...known, floor: generation };
        log.info({ floor: generation, generation: ledger.config?.generation, doubt }, 'floor accepted');
        if (ledger.config === undefined || isSplit || ledger.config.generation < generation) return;
        await publish(ledger.config, 'the ledger is at or above the floor').catch(stayInDoubt(log));
      }),
  };
};

/** K5: of the generation at which two configs differ the database's is taken. */
const judge = ({ ledger, floor, isSplit }: Knowledge, offered: ArtifactConfig): Adoption => {
  const isOfSplit = isSplit && offered.generation === ledger.config?.generation;
  const verdict = adoption(isOfSplit ? undefined : ledger.config, offered, floor);
  const isBelow = verdict.kind !== 'refuse' && offered.generation < (floor ?? 0);
  return isBelow ? { kind: 'refuse', reason: 'below_floor' } : verdict;
};

/** K6 */
const isOrphaned = (
  { ledger }: Knowledge,
  datasets: readonly Dataset[],
  joining: readonly Joining[],
): boolean => {
  if (ledger.datasets.length === 0) return false;
  const present = [...presentIds(datasets), ...joining.map(({ inspection }) => inspection.id)];
  return !present.some(id => ledger.datasets.includes(id));
};

/** K6: that they were there once stays known (K4). */
const orphaned = ({ ledger, named }: Knowledge, { newId, log }: ConfigKeeperDependencies): Knowledge => {
  log.error(
    { generation: ledger.config?.generation, datasets: ledger.datasets },
    'the datasets of the ledger are gone, and others are there: what those tell counts',
  );
  return { ...nothingRead(newId), named: new Set([...named, ...ledger.datasets]) };
};

/** K4 */
const withPresent = (known: Knowledge, datasets: readonly Dataset[]): Pick<Knowledge, 'ledger' | 'named'> => {
  const named = new Set([...known.ledger.datasets, ...known.named, ...presentIds(datasets)]);
  return { named, ledger: { ...known.ledger, datasets: [...named] } };
};

/** What no dataset takes now is offered again by Nexus, and refused with the reason. */
const stayInDoubt =
  (log: Logger) =>
  (error: unknown): void =>
    log.error({ err: error }, 'the ledger cannot be written, so the doubt stays');

const stateOf = ({ doubt, floor, isSplit, ledger: { config } }: Knowledge): StoreState => {
  if (doubt === undefined) return { kind: 'ready' };
  if (floor === undefined) return { kind: 'awaiting_floor', reason: doubt };
  const held = config === undefined ? 'none is held' : `generation ${config.generation} is held`;
  return {
    kind: 'awaiting_config',
    floor,
    reason: isSplit
      ? `${doubt}: a Nexus offers the one that stands`
      : `a config of generation ${floor} or later is needed, and ${held}`,
  };
};

/** Adds what one dataset says: the newest ledger wins. */
const learn = (known: Knowledge, { dataset, inspection }: Joining, log: Logger): Knowledge => {
  const { ledger: read, id } = inspection;
  if (read.kind === 'none') return { ...known, newcomers: new Set([...known.newcomers, id]) };
  if (read.kind === 'damaged') {
    log.error({ dataset: dataset.path, reason: read.reason }, 'ledger is damaged');
    return known;
  }
  // Where a ledger is it was written: a mount that came between leaves one that does not name its own dataset.
  const found = { ...read.ledger, datasets: [...new Set([...read.ledger.datasets, id])] };
  const named = new Set([...known.named, ...found.datasets]);
  const { ledger } = known;
  const differs =
    ledger.config !== undefined &&
    found.config?.generation === ledger.config.generation &&
    !sameArtifacts(ledger.config, found.config);
  const isSplit = differs && found.config!.generation !== known.settled;
  if (isSplit) log.error({ generation: found.config!.generation }, 'two ledgers of one generation differ');
  // A ledger without a config only says which incarnation this is: it replaces the one made up for this start.
  const isNewer =
    (found.config?.generation ?? -1) > (ledger.config?.generation ?? -1) || ledger.datasets.length === 0;
  return {
    ...known,
    ledger: isNewer ? found : ledger,
    named,
    isSplit: isSplit || (known.isSplit && !isNewer),
  };
};

/** A floor is only for as long as there is doubt. */
const reconsider = (known: Knowledge, datasets: readonly Dataset[]): Knowledge => {
  const doubt = findDoubt(known, datasets);
  return { ...known, doubt, floor: doubt === undefined ? undefined : known.floor };
};

/** Why a newer ledger than the one held may exist; undefined when none can (K1). */
const findDoubt = (
  { ledger, named, newcomers, isSplit }: Knowledge,
  datasets: readonly Dataset[],
): string | undefined => {
  if (ledger.config === undefined) return 'no config was adopted yet';
  if (isSplit)
    return `its datasets have two configs of generation ${ledger.config.generation}, one of which the database has lost`;
  const absent = datasets.find(each => !each.isReadable());
  if (absent !== undefined) return `dataset ${absent.path} cannot be read, and may hold a newer ledger`;
  const present = new Set(presentIds(datasets));
  const gone = [...named].find(id => !present.has(id));
  if (gone !== undefined) return `dataset ${gone} is not there, and may hold a newer ledger`;
  const newcomer = datasets.find(each => newcomers.has(each.id()!));
  if (newcomer !== undefined) return `dataset ${newcomer.path} is new, and may stand for a lost one`;
  return undefined;
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

const refusal = (
  reason: 'older' | 'differs' | 'below_floor',
  offered: ArtifactConfig,
  { ledger, floor }: Knowledge,
): DepotError => {
  const held = ledger.config?.generation ?? null;
  const words = {
    older: `it is older than generation ${held}, which this sled holds`,
    differs: 'this sled holds other artifacts at the same generation',
    below_floor: `this sled takes none below ${floor}`,
  };
  return new DepotError('CONFIG_GENERATION', `config of generation ${offered.generation}: ${words[reason]}`, {
    detail: { reason, offered: offered.generation, held, floor: floor ?? null },
  });
};
