/** The findings of a verification, as sentences in the order of the checks. */
import type { Archive } from '../archive/archive.ts';
import { plural } from '../core/facts/phrase.ts';
import { type LeftOutTarget, leftOutText } from '../core/left-out.ts';
import type { ReleaseArtifact } from '../core/release.ts';
import { isoTime } from '../lib/clock.ts';
import { TOP_LEVEL_ROLES } from '../tuf/role-names.ts';
import type { Override } from '../tuf/trust-policy.ts';
import type { PassedCheck, VerifiedComposite, VerifiedRelease } from './verified-release.ts';

type Findings = Omit<VerifiedRelease, 'report' | 'checks'> & {
  readonly archive: Archive;
  readonly targetCount: number;
  readonly totalBytes: number;
  readonly unknownKinds: readonly ReleaseArtifact[];
  /** {@link SplitRelease.findings} */
  readonly findings: readonly string[];
};

/** More names would help no reader. */
const MAX_NAMES_SHOWN = 5;

export const passedChecks = (findings: Findings): readonly PassedCheck[] => {
  const { archive, description, roles, targetCount, totalBytes, trustRootId, unsignedFiles } = findings;
  const { artifacts, format, systemVersion, leftOut = [] } = description;
  const orPart = findings.composites.length === 0 ? '' : ' or a part of one';
  return [
    {
      check: 'archive',
      text: `a plain ZIP archive: ${archive.entries.size} entries in ${archive.sizeBytes} bytes, without gap or overlap`,
    },
    ...TOP_LEVEL_ROLES.map(role => {
      const by = role === 'root' ? `trust root ${trustRootId}` : `root version ${roles.root.version}`;
      const { version, expiresMs } = roles[role];
      return {
        check: role,
        text: `${role} version ${version} is vouched for by ${by}, until ${isoTime(expiresMs)}`,
      };
    }),
    ...findings.overrides.map(override => ({ check: 'override' as const, text: overrideText(override) })),
    { check: 'sizes', text: `each of the ${targetCount} signed targets is there, with its signed length` },
    {
      check: 'document',
      text: `release ${systemVersion} has ${plural(artifacts.length, 'artifact')} (format ${format}), each of them a signed target${orPart}`,
    },
    { check: 'content', text: `all ${totalBytes} bytes of the targets have their signed hashes` },
    ...findings.composites.map(composite => ({ check: 'parts' as const, text: splitText(composite) })),
    ...(findings.unknownKinds.length === 0
      ? []
      : [{ check: 'parts' as const, text: keptWholeText(findings.unknownKinds) }]),
    ...findings.findings.map(text => ({ check: 'parts' as const, text })),
    ...(leftOut.length === 0 ? [] : [{ check: 'left_out' as const, text: leftOutNote(leftOut) }]),
    ...(unsignedFiles.length === 0
      ? []
      : [{ check: 'unsigned' as const, text: unsignedText(unsignedFiles) }]),
  ];
};

const overrideText = (override: Override): string => {
  switch (override.kind) {
    case 'expired':
      return `accepted by override: ${override.role} expired at ${isoTime(override.expiresMs)}`;
    case 'rollback':
      return (
        `accepted by override: ${override.role} has version ${override.version}, ` +
        `after version ${override.trustedVersion} was trusted`
      );
    default:
      return override satisfies never;
  }
};

export const unsignedText = (names: readonly string[]): string =>
  `ignored, since they are not signed: ${shown(names)}`;

export const leftOutNote = (targets: readonly LeftOutTarget[]): string =>
  `left out, since they are no artifacts: ${shown(targets.map(leftOutText))}`;

export const splitText = ({ artifact, parts, ignored, content }: VerifiedComposite): string => {
  if (content !== undefined)
    return `${artifact.targetName} (${artifact.tags.kind}) is replaced by one that lists the parts: ${parts[0]?.sha256}`;
  const names = parts.map(({ targetName }) => targetName.slice(artifact.targetName.length + 1));
  const rest = ignored.length === 0 ? '' : `; ignored, since they are not parts: ${shown(ignored)}`;
  return `${artifact.targetName} (${artifact.tags.kind}) is split into ${parts.length} artifacts: ${shown(names)}${rest}`;
};

export const keptWholeText = (artifacts: readonly ReleaseArtifact[]): string => {
  const names = artifacts.map(({ targetName, tags }) => `${targetName} (${tags.kind})`);
  return `kept whole, since this version does not know the kind: ${shown(names)}`;
};

const shown = (names: readonly string[]): string => {
  const more = names.length > MAX_NAMES_SHOWN ? `, and ${names.length - MAX_NAMES_SHOWN} more` : '';
  return `${names.slice(0, MAX_NAMES_SHOWN).join(', ')}${more}`;
};
