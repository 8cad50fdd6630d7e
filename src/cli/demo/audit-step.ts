/** The demo's own check of the disks, as a table; a fault is an error. */
import { basename } from 'node:path';
import { plural } from '../../core/facts/phrase.ts';
import type { ArtifactHash } from '../../core/ids.ts';
import { DepotError } from '../../lib/errors.ts';
import {
  type Audit,
  type AuditedDataset,
  type AuditedSled,
  auditDisks,
} from '../../local-fleet/disk-audit.ts';
import { createLiveRegion } from '../output/live-region.ts';
import { formatBytes, formatRate } from '../output/quantities.ts';
import { tableLines } from '../output/table.ts';
import { createTransferMeter, transferBarCells, transferLine } from '../output/transfer.ts';
import type { Session } from '../session/session.ts';
import type { Narrator } from './narrator.ts';

/** Hashes that an error quotes. */
const MAX_QUOTED = 3;

export type Expected = { readonly hashes: ReadonlySet<ArtifactHash>; readonly bytes: number };

/** @throws `DEMO_FAILED` naming sled, directory and hash */
export const auditStep = async (
  { terminal, clock, signal }: Session,
  narrator: Narrator,
  sleds: readonly AuditedSled[],
  expected: Expected,
): Promise<Audit> => {
  const region = createLiveRegion(terminal, clock);
  const startMs = clock.monotonicMs();
  const meter = createTransferMeter(startMs);
  const totalBytes = expected.bytes * sleds.reduce((sum, sled) => sum + sled.datasets.length, 0);
  const audit = await auditDisks(sleds, expected.hashes, {
    signal,
    onProgress(hashedBytes) {
      const nowMs = clock.monotonicMs();
      meter.record(hashedBytes - meter.bytes(), nowMs);
      const line = (barCells: number) =>
        `hashing  ${transferLine({ bytes: hashedBytes, totalBytes, rate: meter.rate(nowMs) }, barCells)}`;
      region.show(
        () => [line(transferBarCells(terminal.columns()))],
        () => line(0),
      );
    },
  }).finally(region.close);
  const { style } = narrator;
  const table = tableLines(
    audit.datasets,
    [
      { title: 'SLED', cell: dataset => dataset.sled, paint: style.bold },
      { title: 'DATASET', cell: dataset => basename(dataset.directory) },
      { title: 'GOOD', cell: dataset => `${dataset.good}/${expected.hashes.size}`, align: 'right' },
      { title: 'BYTES', cell: dataset => formatBytes(dataset.goodBytes), align: 'right' },
      { title: 'MISSING', cell: dataset => String(dataset.missing.length), align: 'right' },
      { title: 'CORRUPT', cell: dataset => String(dataset.corrupt.length), align: 'right' },
      { title: 'UNEXPECTED', cell: dataset => String(dataset.unexpected.length), align: 'right' },
      {
        title: '',
        cell: dataset => (isGood(dataset) ? '✓' : '✗'),
        paint: (text, dataset) => (isGood(dataset) ? style.good(text) : style.bad(text)),
      },
    ],
    { style },
  );
  for (const line of table) narrator.say(line);
  const elapsedMs = clock.monotonicMs() - startMs;
  narrator.say(
    style.dim(
      `SHA-256 of ${formatBytes(audit.hashedBytes)} in ${plural(audit.datasets.length, 'dataset')}, ` +
        formatRate((audit.hashedBytes * 1000) / Math.max(1, elapsedMs)),
    ),
  );
  const wrong = audit.datasets.find(dataset => !isGood(dataset));
  if (wrong !== undefined) throw new DepotError('DEMO_FAILED', describeFault(wrong));
  return audit;
};

const isGood = ({ missing, corrupt, unexpected }: AuditedDataset): boolean =>
  missing.length + corrupt.length + unexpected.length === 0;

const describeFault = ({ directory, missing, corrupt, unexpected }: AuditedDataset): string => {
  const faults = Object.entries({ missing, corrupt, unexpected })
    .filter(([, hashes]) => hashes.length > 0)
    .map(([what, hashes]) => `${hashes.length} ${what} (${hashes.slice(0, MAX_QUOTED).join(', ')})`);
  return `the artifacts in ${directory} are wrong: ${faults.join('; ')}`;
};
