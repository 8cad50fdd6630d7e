/**
 * The installinator document of a v1 release, made anew: the one in the release lists composite artifacts, which no
 * sled holds, so this one lists their parts. It is signed as little as they are.
 *
 *     { "system_version": "1.2.3", "artifacts": [{ "kind": "zone", "zone_name": "nexus", "hash": "…", "name": "nexus.tar.gz" }, …] }
 *
 * ID1. The same artifacts give the same bytes, in any order: entries are sorted by kind, zone, hash and name, by their bytes.
 */
import { createHash } from 'node:crypto';
import { ArtifactHash } from '../core/ids.ts';
import { collectPrefixes, PREFIX_UNIT_BYTES, type PrefixDigests } from '../core/prefix-digests.ts';
import type { ReleaseArtifact } from '../core/release.ts';
import { INSTALLINATOR_KIND } from './kinds.ts';

/** In the order in which they are listed. */
const LISTED_KINDS = ['host_phase2', 'measurement_corpus', 'zone'] as const;

type Entry = {
  readonly kind: (typeof LISTED_KINDS)[number];
  readonly zone_name?: string;
  readonly hash: string;
  readonly name: string;
};

type MadeDocument = {
  readonly document: ReleaseArtifact;
  readonly content: Uint8Array;
  readonly prefixes: PrefixDigests | undefined;
};

export const makeInstallinatorDocument = (
  { targetName, version }: Pick<ReleaseArtifact, 'targetName' | 'version'>,
  artifacts: readonly ReleaseArtifact[],
  { prefixUnitBytes: unitBytes = PREFIX_UNIT_BYTES }: { readonly prefixUnitBytes?: number | undefined } = {},
): MadeDocument => {
  const entries = new Map(artifacts.flatMap(entryOf).map(entry => [sortKey(entry), entry]));
  const sorted = [...entries]
    .sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    .map(([, entry]) => entry);
  const text = `${JSON.stringify({ system_version: version, artifacts: sorted }, undefined, 2)}\n`;
  // Of its own memory, so that it can be handed to another thread.
  const content = new TextEncoder().encode(text);
  const hash = createHash('sha256');
  const prefixes = collectPrefixes(hash, { sizeBytes: content.length, unitBytes });
  prefixes.update(content);
  const sha256 = ArtifactHash.parse(hash.digest('hex'));
  return {
    document: {
      ...{ sha256, sizeBytes: content.length, version },
      targetName: `${targetName}/v2.json`,
      tags: { kind: INSTALLINATOR_KIND },
    },
    content,
    prefixes: prefixes.collected(),
  };
};

const entryOf = ({ tags, sha256, targetName }: ReleaseArtifact): readonly Entry[] => {
  const file = { hash: sha256, name: targetName.slice(targetName.lastIndexOf('/') + 1) };
  switch (tags.kind) {
    case 'os_phase2':
      return tags.os_variant === 'host' ? [{ kind: 'host_phase2', ...file }] : [];
    case 'measurement_corpus':
      return [{ kind: 'measurement_corpus', ...file }];
    case 'zone':
      return [{ kind: 'zone', zone_name: tags.zone_name ?? '', ...file }];
    default:
      return [];
  }
};

const sortKey = ({ kind, zone_name = '', hash, name }: Entry): string =>
  [LISTED_KINDS.indexOf(kind), zone_name, hash, name].join('\0');
