import { createHash } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { type HandMadeFile, handMadeTar, handMadeTarGz, inPieces } from '../archive/hand-made-tar.fixture.ts';
import { ARCHIVE_LIMITS, type ArchiveLimits } from '../archive/limits.ts';
import { controlPlane, description, osImage, rotImage, silentRotImage, zone } from './composites.fixture.ts';
import { type PartSink, splitComposite } from './split.ts';

const split = (
  kind: string,
  bytes: Uint8Array,
  { limits = {}, sink, name = 'n' }: { limits?: Partial<ArchiveLimits>; sink?: PartSink; name?: string } = {},
) =>
  splitComposite(
    { targetName: `${kind}.tar.gz`, version: '1.0.0', sizeBytes: bytes.length, tags: { kind, name } },
    inPieces(bytes),
    { limits: { ...ARCHIVE_LIMITS, ...limits }, readsFirmware: true, ...(sink && { sink }) },
  );
const sha256 = (bytes: string | Uint8Array) => createHash('sha256').update(bytes).digest('hex');

test('an OS image is one image for each board, and phase 2', async () => {
  const { parts, ignored } = await split('trampoline', osImage('t'));
  const common = { version: '1.0.0' };
  expect(parts).toEqual([
    {
      ...common,
      targetName: 'trampoline.tar.gz/image/gimlet.rom',
      sha256: sha256('t gimlet'),
      sizeBytes: 8,
      tags: {
        kind: 'os_phase1',
        os_board: 'gimlet',
        os_variant: 'recovery',
      },
    },
    {
      ...common,
      targetName: 'trampoline.tar.gz/image/cosmo.rom',
      sha256: sha256('t cosmo'),
      sizeBytes: 7,
      tags: {
        kind: 'os_phase1',
        os_board: 'cosmo',
        os_variant: 'recovery',
      },
    },
    {
      ...common,
      targetName: 'trampoline.tar.gz/image/zfs.img',
      sha256: sha256('t'.repeat(2000)),
      sizeBytes: 2000,
      tags: { kind: 'os_phase2', os_variant: 'recovery' },
    },
  ]);
  expect(ignored).toEqual([]);
});

test('an OS image from before there were two boards has one image, for the first board', async () => {
  const old = handMadeTarGz([
    description('os'),
    { name: 'image/rom', data: '1' },
    { name: 'image/zfs.img', data: '2' },
    { name: 'image/extra', data: '3' },
  ]);
  const { parts, ignored } = await split('host', old);
  expect(parts.map(({ tags }) => tags)).toEqual([
    { kind: 'os_phase1', os_board: 'gimlet', os_variant: 'host' },
    { kind: 'os_phase2', os_variant: 'host' },
  ]);
  expect(ignored).toEqual(['image/extra']);
});

test('RoT images say their board and their key', async () => {
  const said = await split('psc_rot', rotImage('x', 'cafe'));
  expect(said.parts.map(({ tags }) => tags)).toEqual([
    { kind: 'rot', rot_board: 'SimRot', rot_rkth: 'cafe', rot_slot: 'a' },
    { kind: 'rot', rot_board: 'SimRot', rot_rkth: 'cafe', rot_slot: 'b' },
  ]);
  expect(said.unreadable).toEqual([]);
});

test('RoT images that say nothing have the name of their artifact, and are reported (SP4)', async () => {
  const { parts, unreadable } = await split('psc_rot', silentRotImage(), { name: 'production' });
  expect(unreadable.map(({ targetName }) => targetName)).toEqual([
    'psc_rot.tar.gz/archive-a.zip',
    'psc_rot.tar.gz/archive-b.zip',
  ]);
  expect(parts.map(({ tags }) => tags)).toEqual([
    { kind: 'rot', rot_name: 'production', rot_slot: 'a' },
    { kind: 'rot', rot_name: 'production', rot_slot: 'b' },
  ]);
});

test('the control plane is its zones, each with its own name and version (SP4)', async () => {
  const anonymous = gzipSync(handMadeTar([{ name: 'root', data: 'x' }]));
  const described = (text: string) => handMadeTarGz([{ name: 'oxide.json', data: text }]);
  const old = described('{"v":"1","t":"layer","i":{"pkg":"old","version":"1.0.0"}}');
  const unnamed = described('{"v":"1","t":"layer","pkg":"a\\nb","version":"1.0.0"}');
  const operatingSystem = described('{"v":"1","t":"os","pkg":"os","version":"1.0.0"}');
  const zones = {
    'file-of-nexus': zone('nexus', '12.0.0-0.ci+git3a2ed5e97b3'),
    dns: zone('dns', '3.0.0'),
    raw: Buffer.from('raw'),
    ...{ anonymous, old, unnamed, operatingSystem },
  };
  const { parts } = await split('control_plane', controlPlane(zones));
  const undescribed = (name: string, bytes: Uint8Array) => [name, sha256(bytes).slice(0, 16)];
  expect(parts.map(({ tags, version }) => [tags.zone_name, version])).toEqual([
    ['nexus', '12.0.0-0.ci+git3a2ed5e97b3'],
    ['dns', '3.0.0'],
    undescribed('raw', Buffer.from('raw')),
    ...Object.entries({ anonymous, old, unnamed, operatingSystem }).map(([name, bytes]) =>
      undescribed(name, bytes),
    ),
  ]);
  expect(parts[0]).toMatchObject({
    targetName: 'control_plane.tar.gz/zones/file-of-nexus.tar.gz',
    tags: { kind: 'zone', zone_name: 'nexus' },
  });
});

test('every file in the folder of zones is a zone', async () => {
  const files = [
    { name: 'zones/odd.zip', data: '1' },
    { name: 'README', data: '2' },
  ];
  const { parts, ignored } = await split(
    'control_plane',
    handMadeTarGz([description('control_plane'), ...files]),
  );
  expect(parts.map(({ tags }) => tags.zone_name)).toEqual(['odd.zip']);
  expect(ignored).toEqual(['README']);
  const long = handMadeTarGz([{ name: 'x'.repeat(90), prefix: `zones${'/y'.repeat(40)}`, data: '1' }]);
  await expect(split('control_plane', long)).rejects.toMatchObject({ code: 'ARCHIVE_LIMIT' });
});

test('two zones with equal bytes are two artifacts of one hash', async () => {
  const same = Buffer.from('not described');
  const { parts } = await split('control_plane', controlPlane({ one: same, two: same }));
  expect(parts.map(part => part.sha256)).toEqual([sha256(same), sha256(same)]);
  expect(new Set(parts.map(({ tags }) => tags.zone_name)).size).toBe(2);
});

test('the sink gets the bytes of the parts and nothing else, and the same parts each time (SP1)', async () => {
  const bytes = osImage();
  const written: string[] = [];
  let current = createHash('sha256');
  const sink: PartSink = {
    write: async chunk => {
      current.update(chunk);
    },
    end(part) {
      expect(current.digest('hex')).toBe(part.sha256);
      current = createHash('sha256');
      written.push(part.sha256);
    },
  };
  const first = await split('host', bytes, { sink });
  expect(written).toEqual(first.parts.map(part => part.sha256));
  expect(await split('host', bytes)).toEqual(first);
});

const rot = (...files: HandMadeFile[]) =>
  handMadeTarGz([{ name: 'archive-a.zip' }, { name: 'archive-b.zip', data: 'b' }, ...files]);

test.each<[string, string, Uint8Array, string, RegExp]>([
  [
    'without a part',
    'gimlet_rot',
    handMadeTarGz([description('rot'), { name: 'archive-a.zip' }]),
    'COMPOSITE_INVALID',
    /lacks archive-b.zip/,
  ],
  [
    'without phase 2',
    'host',
    handMadeTarGz([description('os'), { name: 'image/rom' }]),
    'COMPOSITE_INVALID',
    /lacks image\/zfs.img/,
  ],
  [
    'without phase 1',
    'host',
    handMadeTarGz([description('os'), { name: 'image/zfs.img' }]),
    'COMPOSITE_INVALID',
    /lacks image\/rom or/,
  ],
  ['without zones', 'control_plane', controlPlane({}), 'COMPOSITE_INVALID', /lacks zones\//],
  ['without a description', 'gimlet_rot', rot(), 'COMPOSITE_INVALID', /has no oxide.json/],
  ['of another type', 'gimlet_rot', rot(description('os')), 'COMPOSITE_INVALID', /says that it is "os"/],
  [
    'with rubbish for a description',
    'gimlet_rot',
    rot({ name: 'oxide.json', data: '{' }),
    'COMPOSITE_INVALID',
    /oxide.json cannot be read/,
  ],
  [
    'with a huge description',
    'gimlet_rot',
    rot({ name: 'oxide.json', data: ' '.repeat(70_000) }),
    'ARCHIVE_LIMIT',
    /oxide.json/,
  ],
  ['that is no archive', 'host', Buffer.from('a host image, honestly'), 'ARCHIVE_INVALID', /not a gzip file/],
  ['that is a bare tar', 'host', handMadeTar([description('os')]), 'ARCHIVE_INVALID', /not a gzip file/],
  ['that is cut', 'host', osImage().subarray(0, -20), 'ARCHIVE_DAMAGED', /deflate|early/],
  [
    'with a zone that climbs out',
    'control_plane',
    handMadeTarGz([{ name: 'zones/../../x.tar.gz' }]),
    'ARCHIVE_INVALID',
    /segment/,
  ],
  [
    'with one zone twice',
    'control_plane',
    handMadeTarGz([{ name: 'zones/a.tar.gz' }, { name: 'zones/a.tar.gz' }]),
    'ARCHIVE_INVALID',
    /twice/,
  ],
  [
    'with a link for a zone',
    'control_plane',
    handMadeTarGz([{ name: 'zones/a.tar.gz', type: '2' }]),
    'ARCHIVE_INVALID',
    /no regular file/,
  ],
  [
    'that inflates without end',
    'control_plane',
    handMadeTarGz([
      description('control_plane'),
      { name: 'zones/a.tar.gz', data: Buffer.alloc(40 * 1024 ** 2) },
    ]),
    'ARCHIVE_LIMIT',
    /gzip file/,
  ],
])('a composite %s is refused, by name (SP3)', async (_, kind, bytes, code, message) => {
  const limits = { maxTotalBytes: 32 * 1024 ** 2 };
  const error = await split(kind, bytes, { limits }).catch((reason: Error) => reason);
  expect(error).toMatchObject({ code, message: expect.stringContaining(`${kind}.tar.gz`) });
  expect(String((error as Error).cause)).toMatch(message);
});

test('a part beyond the limit of an artifact is refused', async () => {
  await expect(split('host', osImage(), { limits: { maxEntryBytes: 1000 } })).rejects.toMatchObject({
    code: 'ARCHIVE_LIMIT',
  });
});
