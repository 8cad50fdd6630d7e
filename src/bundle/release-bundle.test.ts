import { expect, test } from 'vitest';
import { ArtifactHash, SystemVersion } from '../core/ids.ts';
import type { ReleaseDescription } from '../core/release.ts';
import { MAX_BUNDLE_BYTES } from '../core/release-trust.ts';
import { parseBundle } from './bundle.ts';
import { bundleOfArtifacts, bundleOfRelease } from './release-bundle.ts';

const sha256 = ArtifactHash.parse('a'.repeat(64));
const release = {
  systemVersion: SystemVersion.parse('1.0.0'),
  artifacts: [{ sha256, sizeBytes: 3 }] as unknown as ReleaseDescription['artifacts'],
};
const files = (bytes: number) =>
  new Map([
    ['1.root.json', Buffer.from('{}')],
    ['targets.json', Buffer.alloc(bytes, 'x')],
  ]);

test('the bundle of a release has its files but for the roots, and what no signed target lists', () => {
  const bundle = bundleOfRelease(release, files(10), new Map());
  expect(bundle?.kind).toBe('partly');
  const { metadata, unsigned } = parseBundle(bundle?.bytes ?? new Uint8Array());
  expect([...metadata]).toEqual([['targets.json', 'x'.repeat(10)]]);
  expect([...unsigned]).toEqual([[sha256, 3]]);
});

test('the bundle names the address of what is signed by a SHA-512 alone, and is signed as a whole then', () => {
  const sha512 = 'b'.repeat(128);
  const target = { lengthBytes: 3, custom: undefined, hashes: { sha256: undefined, sha512 } };
  const artifacts = release.artifacts.map(artifact => ({ ...artifact, targetName: 'a.bin' }));
  const bundle = bundleOfRelease({ ...release, artifacts }, files(10), new Map([['a.bin', target]]));
  expect(bundle?.kind).toBe('signed');
  const { unsigned, addresses } = parseBundle(bundle?.bytes ?? new Uint8Array());
  expect([...unsigned]).toEqual([]);
  expect([...(addresses ?? [])]).toEqual([[sha256, sha512]]);
});

test('a release whose metadata is beyond 64 MiB has no bundle of it, and the one of its artifacts in its place', () => {
  expect(bundleOfRelease(release, files(MAX_BUNDLE_BYTES), new Map())).toBe(undefined);
  const { kind, bytes } = bundleOfArtifacts(release);
  expect(kind).toBe('unsigned');
  expect([...parseBundle(bytes).unsigned]).toEqual([[sha256, 3]]);
});
