/**
 * Resets a sled that refuses the configs of every Nexus: it starts over as a new incarnation (P13).
 *
 *     every dataset locked ─▶ every config that any of them has is kept with its whole set ─▶ a ledger of a new incarnation,
 *                                                                                             without a config
 *
 * RS1. No file of an artifact is touched. The artifacts of a kept config are not deleted until a recovery has decided on
 *      it, or until it is given up here by name.
 * RS2. Kept configs are durable before any ledger is replaced, so that a reset that is cut short can be run again.
 * RS3. Every configured dataset takes part: one that is away would bring its old config back.
 */
import { randomUUID } from 'node:crypto';
import { plural } from '../core/facts/phrase.ts';
import { IncarnationId, type Point, pointsNamed, pointText } from '../core/ids.ts';
import { seededRng } from '../core/rng.ts';
import { systemClock } from '../lib/clock.ts';
import { DepotError } from '../lib/errors.ts';
import { acquireExclusiveLock } from '../lib/exclusive-lock.ts';
import { silentLogger } from '../lib/log.ts';
import { realDisk } from '../lib/real-disk.ts';
import { requireEntry } from '../lib/require-entry.ts';
import { readSledAgentConfig, type SledAgentConfig } from './config.ts';
import {
  createDataset,
  type Dataset,
  type DatasetDependencies,
  type Inspection,
} from './store/dataset/dataset.ts';
import { type KeptConfig, type KeptConfigs, withKept } from './store/files/kept-configs.ts';
import type { Ledger } from './store/files/ledger.ts';
import { pointOf } from './store/point.ts';

export type ResetOutcome = {
  readonly incarnationId: IncarnationId;
  /** The kept configs. */
  readonly kept: readonly KeptPoint[];
  readonly givenUp: readonly KeptPoint[];
};

export type KeptPoint = {
  readonly point: Point;
  /** Undefined if no dataset has the set. */
  readonly artifacts: number | undefined;
};

/**
 * @throws `IN_USE_BY_PROCESS` while the sled agent runs, `DATASET_VERSION`, `NO_USABLE_DATASET` when a dataset is away,
 *   cannot be written or has a damaged ledger, `NOT_FOUND` for an unknown point to give up
 */
export const resetSled = async (
  configPath: string,
  { giveUp, newId = randomUUID }: { readonly giveUp: readonly string[]; readonly newId?: () => string },
): Promise<ResetOutcome> => {
  const { store } = await readSledAgentConfig(configPath);
  return resetStore(store, {
    giveUp,
    newId,
    clock: systemClock,
    disk: realDisk,
    lockDirectory: acquireExclusiveLock,
  });
};

type Machine = Pick<DatasetDependencies, 'clock' | 'disk' | 'lockDirectory' | 'newId'>;

/** {@link resetSled} of the datasets of a store. */
export const resetStore = async (
  store: SledAgentConfig['store'],
  { giveUp, ...machine }: Machine & { readonly giveUp: readonly string[] },
): Promise<ResetOutcome> => {
  const { newId } = machine;
  await using opened = new AsyncDisposableStack();
  const inspected: (readonly [Dataset, Inspection])[] = [];
  for (const path of store.directories) inspected.push(await openOne(opened, path, store, machine));
  const found = inspected.reduce<KeptConfigs>((kept, [, each]) => withKept(kept, pointsIn(each)), new Map());
  const given = giveUp.map(name => findConfig(found, name));
  const kept = new Map([...found].filter(([, each]) => !given.includes(each)));
  for (const [dataset] of inspected) await dataset.writeKept(kept); // RS2
  const ledger: Ledger = {
    incarnationId: IncarnationId.parse(newId()),
    datasets: inspected.map(([, { id }]) => id),
    config: undefined,
    previous: undefined,
    hasLineage: false,
    hold: undefined,
    releases: undefined,
  };
  for (const [dataset] of inspected) await dataset.writeLedger(ledger, kept);
  for (const { point } of given) for (const [dataset] of inspected) await dataset.removeKept(point);
  return { incarnationId: ledger.incarnationId, kept: summaryOf(kept.values()), givenUp: summaryOf(given) };
};

const summaryOf = (configs: Iterable<KeptConfig>): KeptPoint[] =>
  Array.from(configs, ({ point, config }) => ({ point, artifacts: config?.artifacts.size }));

const openOne = async (
  opened: AsyncDisposableStack,
  path: string,
  settings: SledAgentConfig['store'],
  machine: Machine,
): Promise<readonly [Dataset, Inspection]> => {
  const dependencies = {
    ...machine,
    rng: seededRng(0),
    log: silentLogger,
    settings,
  };
  const dataset = opened.use(createDataset(path, dependencies));
  const inspection = await dataset.inspect({ mayCreate: false });
  if (inspection === undefined || inspection.readOnlyBecause !== undefined) {
    const condition = dataset.condition();
    const why =
      inspection?.readOnlyBecause ?? (condition.kind === 'ok' ? 'it is read-only' : condition.message);
    throw new DepotError('NO_USABLE_DATASET', `${path} cannot take part in the reset: ${why}`);
  }
  if (inspection.ledger.kind === 'damaged')
    throw new DepotError(
      'NO_USABLE_DATASET',
      `${path} cannot take part in the reset: its ledger is damaged (${inspection.ledger.reason}); if another dataset has a good one, start the sled agent once, which repairs it; otherwise the config of this sled is lost`,
    );
  return [dataset, inspection];
};

const pointsIn = ({ ledger, kept }: Inspection): Parameters<typeof withKept>[1] => {
  const config = ledger.kind === 'whole' ? ledger.ledger.config : undefined;
  return config === undefined ? kept : [...kept, { point: pointOf(config), config }];
};

/** By the text of its point, or the beginning of it. */
const findConfig = (found: KeptConfigs, name: string): KeptConfig => {
  const [text, ...others] = pointsNamed(found.keys(), name);
  if (text !== undefined && others.length === 0) return requireEntry(found, text, 'the config of the point');
  const there = found.size === 0 ? 'there is none' : `there are ${[...found.keys()].join(', ')}`;
  throw new DepotError(
    'NOT_FOUND',
    `--give-up ${name}: no single config of this sled has that point; ${there}`,
  );
};

export const keptPointText = ({ point, artifacts }: KeptPoint): string =>
  `${pointText(point)}  ${artifacts === undefined ? 'its set cannot be read' : plural(artifacts, 'artifact')}`;
