/** The ledgers of a simulated sled, read from its media by code of their own: the checkers do not trust the store's. */
import type { SimSled } from '../fleet/world.ts';
import type { DirectoryNode } from '../machine/medium.ts';
import type { Volume } from '../machine/volume.ts';

const LEDGER_FILE = 'artifact-config.json';

export type SeenLedger = {
  readonly incarnation: string;
  readonly generation: number;
  readonly artifacts: ReadonlySet<string>;
};

export const isLedgerPath = (path: string): boolean =>
  path.split('/').length === 3 && path.endsWith(`/${LEDGER_FILE}`);

/** Undefined for a ledger without a config, and for what is not one. */
export const readLedger = (content: Uint8Array): SeenLedger | undefined => {
  try {
    const { body } = JSON.parse(Buffer.from(content).toString('utf8'));
    if (body.config === undefined) return undefined;
    return {
      incarnation: body.incarnation_id,
      generation: body.config.generation,
      artifacts: new Set(body.config.artifacts.map(({ sha256 }: { sha256: string }) => sha256)),
    };
  } catch {
    return undefined;
  }
};

/** What a process can read now. */
export const readableOn = ({ machine }: SimSled): readonly Volume[] =>
  [...machine.volumes.values()].filter(({ state }) => state === 'ok' || state === 'read_only');

/** What a volume says, whatever its state. */
export const ledgerOn = ({ medium }: Volume): SeenLedger | undefined => {
  const node = medium.top.durable.get(LEDGER_FILE);
  return node?.kind === 'file' ? readLedger(node.durable) : undefined;
};

/** The newest that any of its disks has, durably. */
export const newestLedgerOn = ({ machine }: SimSled): SeenLedger | undefined =>
  newestOf([...machine.volumes.values()].map(ledgerOn));

/** The newest that any of its disks shows, durable or not: what it goes by unless a power cut takes it. */
export const newestLedgerSeenOn = ({ machine }: SimSled): SeenLedger | undefined =>
  newestOf([...machine.volumes.values()].map(({ medium }) => ledgerIn(medium.top)));

/** What a directory shows. */
export const ledgerIn = ({ now }: DirectoryNode): SeenLedger | undefined => {
  const node = now.get(LEDGER_FILE);
  return node?.kind === 'file' ? readLedger(node.content) : undefined;
};

const newestOf = (ledgers: readonly (SeenLedger | undefined)[]): SeenLedger | undefined =>
  ledgers.filter(ledger => ledger !== undefined).sort((a, b) => b.generation - a.generation)[0];

/** 0 for none. */
export const newestOn = (sled: SimSled): number => newestLedgerOn(sled)?.generation ?? 0;
