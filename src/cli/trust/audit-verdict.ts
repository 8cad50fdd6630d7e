/** What `audit verify` found: the sleds that were asked, in JSON and in lines. */
import type { SledAuditHeads } from '../../api/operator-audit-api.ts';
import { plural } from '../../core/facts/phrase.ts';
import { isoTime } from '../../lib/clock.ts';
import type { AuditVerdict, HeadFinding } from './audit-check.ts';

export type Sled = Pick<SledAuditHeads['sleds'][number], 'sled_id' | 'serial'>;
type NotAsked = Sled & { readonly message: string };

type Asked = {
  readonly asked: readonly { readonly sled: Sled }[];
  readonly notAsked: readonly NotAsked[];
};

export const verdictView = (verdict: AuditVerdict<Sled>, { asked, notAsked }: Asked) => ({
  ...verdict,
  ...('findings' in verdict && { findings: verdict.findings.map(findingView) }),
  asked: asked.map(({ sled }) => sled),
  not_asked: notAsked,
});

const findingView = ({ kind, seq, hash, logHash, explainedBy, sleds }: HeadFinding<Sled>) => ({
  kind,
  seq,
  hash,
  log_hash: logHash ?? null,
  explained_by: explainedBy ?? null,
  sleds: sleds.map(({ sled: { sled_id, serial }, timeMs }) => ({ sled_id, serial, time: isoTime(timeMs) })),
});

export const verdictLines = (verdict: AuditVerdict<Sled>, { asked, notAsked }: Asked): string[] => [
  ...logLines(verdict),
  ...('findings' in verdict ? verdict.findings.map(findingLine) : []),
  ...(asked.length === 0
    ? []
    : [`${plural(asked.length, 'sled was', 'sleds were')} asked for the heads that they keep.`]),
  ...notAsked.map(({ serial, message }) => `Sled ${serial} was not asked: ${message}`),
];

const logLines = (verdict: AuditVerdict<Sled>): string[] => {
  switch (verdict.state) {
    case 'whole':
      return verdict.head.seq === 0
        ? ['The audit log is empty.']
        : [
            `The audit log is whole, up to entry ${verdict.head.seq}.`,
            `Its head is ${verdict.head.hash}`,
            'Note the head outside of this fleet; a later run checks it with --head.',
          ];
    case 'contradicted':
      return [
        `The chain of the audit log is whole up to entry ${verdict.head.seq}, but it is not the log that sleds were told: the database was restored, or somebody changed the log in it.`,
      ];
    case 'missing':
      return [`Entry ${verdict.seq} of the audit log is missing. The entries before it are whole.`];
    case 'altered':
      return [
        `Entry ${verdict.seq} of the audit log was altered: its hash does not follow from the entry before and its content.`,
      ];
    case 'cut':
      return [
        `The audit log ends with entry ${verdict.head.seq}, and does not have entry ${verdict.expected.seq} with the hash ${verdict.expected.hash}, the newest by the database.`,
      ];
    case 'forked':
      return [
        `No entry of the audit log has the noted hash ${verdict.noted}: entries were removed at its end, or it was written anew. Its chain is whole up to entry ${verdict.head.seq}.`,
      ];
    default:
      return verdict satisfies never;
  }
};

const findingLine = ({ kind, seq, hash, logHash, explainedBy, sleds }: HeadFinding<Sled>): string => {
  const tellers = sleds.map(({ sled: { serial }, timeMs }) => `${serial} (told at ${isoTime(timeMs)})`);
  const found =
    kind === 'cut'
      ? `The log was cut: it ends before entry ${seq}, whose hash was ${hash}`
      : `The log is a fork: its entry ${seq} has the hash ${logHash}, and had ${hash}`;
  const why =
    explainedBy === undefined ? '' : ` Entry ${explainedBy}, a recovery of a database, explains it.`;
  return `${found}, by ${tellers.join(', ')}.${why}`;
};
