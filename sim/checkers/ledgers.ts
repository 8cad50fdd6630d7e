/** The ledgers of a simulated sled, read from its media without the code of the store, which the checkers do not trust. */
import { digestInput } from '../../src/core/artifact-config.ts';
import { isArtifactHash } from '../../src/core/ids.ts';
import { sha256Of } from '../fleet/sha256.ts';
import type { SimSled } from '../fleet/world.ts';
import type { DirectoryNode } from '../machine/medium.ts';
import type { Volume } from '../machine/volume.ts';

const LEDGER_FILE = 'artifact-config.json';

export type SeenLedger = {
  readonly incarnation: string;
  readonly generation: number;
  readonly artifacts: ReadonlySet<string>;
  /** The sled has adopted a config that named its predecessor. */
  readonly hasLineage: boolean;
  readonly isHeld: boolean;
  /** It was told that the database does not know its point. */
  readonly isUnknown: boolean;
  /** The point that this config replaced, by the ledger. */
  readonly previous: string | undefined;
};

/** A config of another history, kept beside the ledger. */
export type SeenKept = {
  readonly name: string;
  readonly point: string;
  readonly artifacts: ReadonlySet<string>;
};

export const isLedgerPath = (path: string): boolean =>
  path.split('/').length === 3 && path.endsWith(`/${LEDGER_FILE}`);

/** Undefined for a ledger without a config, and for a file that is no ledger. */
export const readLedger = (content: Uint8Array): SeenLedger | undefined => {
  try {
    const { body } = JSON.parse(Buffer.from(content).toString('utf8'));
    if (body.config === undefined) return undefined;
    return {
      incarnation: body.incarnation_id,
      generation: body.config.generation,
      artifacts: artifactsOf(body.config),
      hasLineage: body.lineage === true,
      isHeld: body.deletions_held !== undefined,
      isUnknown: body.deletions_held?.unknown === true,
      previous: body.previous && `${body.previous.generation}:${body.previous.digest}`,
    };
  } catch {
    return undefined;
  }
};

const artifactsOf = ({ artifacts }: { artifacts: { sha256: string }[] }): ReadonlySet<string> =>
  new Set(artifacts.map(({ sha256 }) => sha256));

const digests = new WeakMap<ReadonlySet<string>, string>();

/** Generation and digest, as the database names a point. */
export const pointOfLedger = ({
  generation,
  artifacts,
}: Pick<SeenLedger, 'generation' | 'artifacts'>): string => {
  const digest =
    digests.get(artifacts) ?? sha256Of(Buffer.from(digestInput([...artifacts].filter(isArtifactHash))));
  digests.set(artifacts, digest);
  return `${generation}:${digest}`;
};

const KEPT = /^kept-config-(\d+)-([0-9a-f]{64})\.json$/;

/** Durably. */
export const keptOn = ({ medium }: Volume): readonly SeenKept[] =>
  [...medium.top.durable].flatMap(([name, node]) => {
    const match = KEPT.exec(name);
    if (match === null || node.kind !== 'file') return [];
    const point = `${match[1]}:${match[2]}`;
    try {
      return [
        { name, point, artifacts: artifactsOf(JSON.parse(Buffer.from(node.durable).toString('utf8')).body) },
      ];
    } catch {
      return [{ name, point, artifacts: new Set<string>() }];
    }
  });

/** The volumes that a process can read now. */
export const readableOn = ({ machine }: SimSled): readonly Volume[] =>
  [...machine.volumes.values()].filter(({ state }) => state === 'ok' || state === 'read_only');

/** The ledger of a volume, whatever the state of the volume. */
export const ledgerOn = ({ medium }: Volume): SeenLedger | undefined => {
  const node = medium.top.durable.get(LEDGER_FILE);
  return node?.kind === 'file' ? readLedger(node.durable) : undefined;
};

/** The newest that is durable on any of its disks. */
export const newestLedgerOn = ({ machine }: SimSled): SeenLedger | undefined =>
  newestOf([...machine.volumes.values()].map(ledgerOn));

/** The newest on any of its disks, durable or not: the sled's config, unless a power cut takes it. */
export const newestLedgerSeenOn = ({ machine }: SimSled): SeenLedger | undefined =>
  newestOf([...machine.volumes.values()].map(({ medium }) => ledgerIn(medium.top)));

/** The ledger in a directory, as processes see it. */
export const ledgerIn = ({ now }: DirectoryNode): SeenLedger | undefined => {
  const node = now.get(LEDGER_FILE);
  return node?.kind === 'file' ? readLedger(node.content) : undefined;
};

const newestOf = (ledgers: readonly (SeenLedger | undefined)[]): SeenLedger | undefined =>
  ledgers.filter(ledger => ledger !== undefined).sort((a, b) => b.generation - a.generation)[0];

/** 0 without one. */
export const newestOn = (sled: SimSled): number => newestLedgerOn(sled)?.generation ?? 0;
