/**
 * What this sled was told to hold, and whether that can be trusted.
 *
 *     ledgers of all datasets ─▶ the newest ─▶ any doubt? ──no──▶ ready
 *                                                └─yes─▶ a floor ─▶ a config at or above it ─▶ ready
 *
 * K1. A ledger is trusted when every dataset that could hold a newer one was read: those that any ledger names
 *     and those that are configured, none of them new beside an existing ledger (P5).
 * K2. While there is doubt no ledger with a config is written: a crash must not turn doubt into trust.
 * K3. A config is durable before it is published, and is published while no unlink is under way (P2).
 */
import { type ArtifactConfig, adoption } from '../../core/artifact-config.ts';
import { type DatasetId, type Generation, IncarnationId } from '../../core/ids.ts';
import { DepotError } from '../../lib/errors.ts';
import type { Logger } from '../../lib/log.ts';
import type { Dataset, Inspection } from './dataset.ts';
import { encodeLedger, LEDGER_FILE, type Ledger } from './ledger.ts';
import { createKeyedLock, type SharedLock } from './locks.ts';
import type { StoreState } from './store.ts';

export type ConfigKeeper = {
  readonly incarnationId: () => IncarnationId;
  readonly config: () => ArtifactConfig | undefined;
  readonly state: () => StoreState;
  /** Takes in a dataset with its ledger, at the start or when it returns. */
  readonly join: (joining: readonly Joining[]) => Promise<void>;
  readonly offer: (config: ArtifactConfig, options: { signal: AbortSignal }) => Promise<'adopted' | 'same'>;
  readonly acceptFloor: (generation: Generation) => Promise<void>;
  /** Writes the ledger where it is damaged or behind. */
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

export const createConfigKeeper = (deps: ConfigKeeperDependencies): ConfigKeeper => {
  const { datasets, unlinks, log, onChange } = deps;
  const queue = createKeyedLock();
  const inTurn = <T>(work: () => Promise<T>): Promise<T> => queue('ledger', work);
  /** Every dataset that some ledger names. */
  const named = new Set<DatasetId>();
  const newcomers = new Set<DatasetId>();
  let ledger: Ledger = { incarnationId: IncarnationId.parse(deps.newId()), datasets: [], config: undefined };
  let doubt: string | undefined = 'its datasets have not been read yet';
  let floor: Generation | undefined;

  const merge = (found: Ledger): void => {
    for (const id of found.datasets) named.add(id);
    const ours = ledger.config?.generation ?? -1;
    // A ledger without a config says only which incarnation this is; the first one found decides.
    const isNewer = (found.config?.generation ?? -1) > ours || (ours === -1 && ledger.datasets.length === 0);
    if (isNewer) ledger = found;
    else if (found.config !== undefined && ledger.config !== undefined) {
      if (
        adoption(ledger.config, found.config, undefined).kind === 'refuse' &&
        found.config.generation === ours
      )
        log.error({ generation: ours }, 'two ledgers of one generation list different artifacts');
    }
  };

  const findDoubt = (): string | undefined => {
    if (ledger.config === undefined) return 'no config was adopted yet';
    const present = new Set(datasets.filter(each => each.isReadable()).map(each => each.id()));
    const absent = datasets.find(each => !each.isReadable());
    if (absent !== undefined) return `dataset ${absent.path} is not there, and may hold a newer ledger`;
    const unknown = [...named].find(id => !present.has(id));
    if (unknown !== undefined) return `dataset ${unknown} is not there, and may hold a newer ledger`;
    const newcomer = datasets.find(each => newcomers.has(each.id()!));
    if (newcomer !== undefined)
      return `dataset ${newcomer.path} is new, and may stand for one with a newer ledger`;
    return undefined;
  };

  /** To every dataset that takes writes; one is enough (ST5). */
  const persist = async (config: ArtifactConfig | undefined): Promise<Ledger> => {
    const next = {
      ...ledger,
      config,
      datasets: datasets.flatMap(each => (each.isReadable() ? each.id()! : [])),
    };
    const targets = datasets.filter(each => each.isWritable());
    const errors: unknown[] = [];
    await Promise.all(
      targets.map(target =>
        target.writeLedger(next).catch((error: unknown) => {
          errors.push(error);
          target.reportFailure(error, 'write its ledger');
        }),
      ),
    );
    if (errors.length === targets.length) {
      throw new DepotError('NO_USABLE_DATASET', `no dataset took the config (${targets.length} tried)`, {
        cause: errors[0],
      });
    }
    return next;
  };

  const settle = (next: Ledger, reason: string): void => {
    ledger = next;
    named.clear();
    for (const id of next.datasets) named.add(id);
    newcomers.clear();
    doubt = undefined;
    floor = undefined;
    onChange(reason);
  };

  const repair = async (): Promise<void> => {
    if (doubt !== undefined && ledger.config !== undefined) return; // K2
    const present = datasets.flatMap(each => (each.isReadable() ? each.id()! : []));
    // A dataset that is away for a while stays named: it may come back with this ledger.
    const next = { ...ledger, datasets: [...new Set([...ledger.datasets, ...present])] };
    for (const dataset of datasets) {
      if (!dataset.isWritable()) continue;
      try {
        const read = await dataset.readLedger();
        if (read.kind === 'whole' && encodeLedger(read.ledger) === encodeLedger(next)) continue;
        if (read.kind === 'damaged') {
          log.error({ dataset: dataset.path, reason: read.reason }, 'ledger is damaged; writing it again');
          await dataset.setAside(LEDGER_FILE, read.reason);
        }
        await dataset.writeLedger(next);
      } catch (error) {
        dataset.reportFailure(error, 'repair its ledger');
      }
    }
    ledger = next;
  };

  return {
    incarnationId: () => ledger.incarnationId,
    config: () => ledger.config,
    state() {
      if (doubt === undefined) return { kind: 'ready' };
      if (floor === undefined) return { kind: 'awaiting_floor', reason: doubt };
      const held =
        ledger.config === undefined ? 'none is held' : `generation ${ledger.config.generation} is held`;
      return { kind: 'awaiting_config', floor, reason: `a config of generation ${floor} or later; ${held}` };
    },
    join: joining =>
      inTurn(() =>
        unlinks.exclusive(async () => {
          const before = ledger.config?.generation;
          const wasInDoubt = doubt !== undefined;
          for (const { dataset, inspection } of joining) {
            if (inspection.ledger.kind === 'whole') merge(inspection.ledger.ledger);
            if (inspection.ledger.kind === 'damaged')
              log.error({ dataset: dataset.path, reason: inspection.ledger.reason }, 'ledger cannot be read');
          }
          for (const { dataset, inspection } of joining) {
            if (inspection.isNew) newcomers.add(inspection.id);
            await dataset.admit(inspection);
          }
          if (wasInDoubt) doubt = findDoubt();
          await repair();
          if (doubt === undefined && (wasInDoubt || ledger.config?.generation !== before))
            onChange('the ledgers were read');
        }),
      ),
    offer: (offered, { signal }) =>
      inTurn(async () => {
        signal.throwIfAborted();
        if (doubt !== undefined && floor === undefined) throw awaitingFloor(doubt);
        const verdict = adoption(ledger.config, offered, floor);
        if (verdict.kind === 'refuse') throw refusal(verdict.reason, offered, ledger.config, floor);
        if (floor !== undefined && offered.generation < floor)
          throw refusal('below_floor', offered, ledger.config, floor);
        const config = verdict.kind === 'same' ? withKnownSizes(ledger.config!, offered) : offered;
        if (config === ledger.config && doubt === undefined) return 'same';
        await unlinks.exclusive(async () => {
          settle(await persist(config), `config of generation ${config.generation}`);
        });
        return verdict.kind === 'same' ? 'same' : 'adopted';
      }),
    acceptFloor: generation =>
      inTurn(async () => {
        if (doubt === undefined) return;
        if (floor === undefined || generation > floor) floor = generation;
        const { config } = ledger;
        log.info({ floor, generation: config?.generation, reason: doubt }, 'floor accepted');
        if (config === undefined || config.generation < floor) return;
        await unlinks.exclusive(async () =>
          settle(await persist(config), 'the ledger is at or above the floor'),
        );
      }),
    repair: () => inTurn(repair),
  };
};

/** The same config, with the lengths that the offer adds (P10); the same object when it adds none. */
const withKnownSizes = (held: ArtifactConfig, offered: ArtifactConfig): ArtifactConfig => {
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
  new DepotError('AWAITING_FLOOR', `this sled waits for its registration with a Nexus: ${reason}`);

const refusal = (
  reason: 'older' | 'differs' | 'below_floor',
  offered: ArtifactConfig,
  held: ArtifactConfig | undefined,
  floor: Generation | undefined,
): DepotError => {
  const detail = {
    reason,
    offered: offered.generation,
    held: held?.generation ?? null,
    floor: floor ?? null,
  };
  const words = {
    older: `it is older than generation ${detail.held}, which this sled holds`,
    differs: 'this sled holds other artifacts at the same generation',
    below_floor: `this sled takes none below ${detail.floor}`,
  };
  return new DepotError('CONFIG_GENERATION', `config of generation ${offered.generation}: ${words[reason]}`, {
    detail,
  });
};
