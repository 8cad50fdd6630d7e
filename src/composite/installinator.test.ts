import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { ArtifactHash } from '../core/ids.ts';
import { makeInstallinatorDocument } from './installinator.ts';

const made = (...artifacts: readonly { kind: string; file: string; hash: string; zone_name?: string }[]) =>
  makeInstallinatorDocument(
    { targetName: 'installinator_document-1.0.0.json', version: '1.0.0' },
    artifacts.map(({ kind, file, hash, zone_name }) => ({
      targetName: file,
      sha256: ArtifactHash.parse(hash),
      sizeBytes: 1,
      version: '1.0.0',
      tags: {
        kind,
        ...(zone_name !== undefined && { zone_name }),
        ...(kind.startsWith('os_') && { os_variant: 'host' }),
      },
    })),
  );

/** The SHA-256 is that of the text which the original's published crate writes for the parts of its public fixture. */
test('the document of the public fixture has the bytes that the original gives it, in any order of the parts (ID1)', () => {
  const { document } = made(
    {
      kind: 'zone',
      zone_name: 'zone-2',
      file: 'control_plane-fake-control-plane-1.0.0.tar.gz/zones/zone2.tar.gz',
      hash: '1574ecc92edb9ae7e3ebd27697dd50ee18871b5085ce8788769ad546a538efdf',
    },
    {
      kind: 'measurement_corpus',
      file: 'measurement_corpus-fake-corpus-1.0.0.tar.gz',
      hash: '8a0e23157bae655fceec7376926c9758efee6511c7b7ff8355bbb49545a2257f',
    },
    {
      kind: 'os_phase2',
      file: 'host-fake-host-1.0.0.tar.gz/image/zfs.img',
      hash: 'd944ae205b61ccf4322448f7d0311a819c53d9844769de066c5307c1682abb47',
    },
    {
      kind: 'zone',
      zone_name: 'zone-1',
      file: 'control_plane-fake-control-plane-1.0.0.tar.gz/zones/zone1.tar.gz',
      hash: 'd3be131aec5d7a3c9f2c52f8f77f4113b97b22fbf538cf21cfd972be64689b31',
    },
  );
  expect(document).toMatchObject({
    sha256: 'f0deed1f2a1ed15736d8aa39d064f6ba607962ca1ba28e6e83de807511f6d825',
    sizeBytes: 742,
  });
});

test('names are in the order of their bytes, as the original sorts them, and escaped as it escapes them (ID1)', () => {
  const hash = 'a'.repeat(64);
  const [before, after] = ['\uffee', '\u{1f991}'];
  const zones = [after, before, '"\\\n\u0001\u007f'].map(zone_name => ({
    ...{ kind: 'zone', zone_name, file: 'x', hash },
  }));
  const text = Buffer.from(made(...zones).content).toString();
  const named = [...text.matchAll(/"zone_name": (".*"),/g)].map(([, name]) => name);
  expect(named).toEqual([String.raw`"\"\\\n\u0001${'\u007f'}"`, `"${before}"`, `"${after}"`]);
});

test('an artifact that is listed twice is one entry, and a document without any has an empty list', () => {
  const zone = { kind: 'zone', zone_name: 'z', file: 'z.tar.gz', hash: 'b'.repeat(64) };
  const { content, document } = made(zone, { ...zone, file: 'other/z.tar.gz' });
  expect(JSON.parse(Buffer.from(content).toString()).artifacts).toHaveLength(1);
  expect(createHash('sha256').update(content).digest('hex')).toBe(document.sha256);
  expect(Buffer.from(made().content).toString()).toBe(
    '{\n  "system_version": "1.0.0",\n  "artifacts": []\n}\n',
  );
});
