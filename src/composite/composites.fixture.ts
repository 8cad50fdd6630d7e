/** Small composite artifacts, as release builders make them. */
import { type HandMadeFile, handMadeTarGz } from '../archive/hand-made-tar.fixture.ts';
import { signedImage, spImage } from './firmware.fixture.ts';

export const description = (type: string, layer?: { pkg: string; version: string }): HandMadeFile => ({
  name: 'oxide.json',
  data: JSON.stringify({ v: '1', t: type, ...layer }),
});

export const zone = (pkg: string, version: string, content = pkg): Buffer =>
  handMadeTarGz([description('layer', { pkg, version }), { name: 'root/bin', data: content }]);

export const osImage = (content = 'os'): Buffer =>
  handMadeTarGz([
    description('os'),
    { name: 'image/gimlet.rom', data: `${content} gimlet` },
    { name: 'image/cosmo.rom', data: `${content} cosmo` },
    { name: 'image/zfs.img', data: content.repeat(2000) },
  ]);

/** For one board, signed with one key; `content` makes it differ from others. */
export const rotImage = (content = 'rot', sign = `key-${content}`): Buffer =>
  handMadeTarGz([
    description('rot'),
    { name: 'archive-a.zip', data: signedImage('SimRot', sign, `${content} a`) },
    { name: 'archive-b.zip', data: signedImage('SimRot', sign, `${content} b`) },
  ]);

/** An image that says nothing of itself. */
export const silentRotImage = (content = 'rot'): Buffer =>
  handMadeTarGz([
    description('rot'),
    { name: 'archive-a.zip', data: `${content} a` },
    { name: 'archive-b.zip', data: `${content} b` },
  ]);

export const controlPlane = (zones: Readonly<Record<string, Uint8Array>>): Buffer =>
  handMadeTarGz([
    description('control_plane'),
    ...Object.entries(zones).map(([name, data]) => ({ name: `zones/${name}.tar.gz`, data })),
  ]);

/** An artifact of a v1 test release. */
export const v1Artifact = (kind: string, bytes: Uint8Array, { name = kind, version = '1.0.0' } = {}) => ({
  targetName: `${name}-${version}.tar.gz`,
  version,
  tags: { kind, name },
  bytes,
});

/** A v1 release with one composite of each sort, and two artifacts that are whole. */
export const v1Artifacts = () => [
  v1Artifact('host', osImage('host')),
  v1Artifact('trampoline', osImage('trampoline')),
  v1Artifact('gimlet_rot', rotImage(), { name: 'rot-staging' }),
  v1Artifact('control_plane', controlPlane({ nexus: zone('nexus', '2.0.0'), dns: zone('dns', '1.5.0') })),
  v1Artifact('gimlet_sp', spImage('SimGimletSp')),
  v1Artifact('brand_new', Buffer.from('new')),
];

/**
 * A release with an artifact of every kind of v1, as release builders make them: 22 artifacts on sleds, of 19 files, since the
 * two slots of each root of trust share one.
 */
export const wholeV1Release = () => {
  const rack = [
    ['gimlet', 'SimGimletSp'],
    ['psc', 'SimPscSp'],
    ['switch', 'SimSidecarSp'],
  ] as const;
  const named = (kind: string, bytes: Uint8Array) => v1Artifact(kind, bytes, { name: `fake-${kind}` });
  return [
    ...rack.flatMap(([prefix, board]) => [
      named(`${prefix}_sp`, spImage(board)),
      named(`${prefix}_rot`, oneImageInBothSlots(signedImage('SimRot', `sign-${prefix}`))),
      named(`${prefix}_rot_bootloader`, signedImage('SimRot', `sign-${prefix}`, 'bootloader')),
    ]),
    named('host', osImage('host')),
    named('trampoline', osImage('trampoline')),
    named('control_plane', controlPlane({ one: zone('zone-1', '1.0.0'), two: zone('zone-2', '1.0.0') })),
    named('measurement_corpus', Buffer.from('corpus')),
    {
      ...v1Artifact('installinator_document', Buffer.from('{"system_version":"1.0.0","artifacts":[]}')),
      targetName: 'installinator_document-1.0.0.json',
    },
  ];
};

const oneImageInBothSlots = (image: Uint8Array): Buffer =>
  handMadeTarGz([
    description('rot'),
    { name: 'archive-a.zip', data: image },
    { name: 'archive-b.zip', data: image },
  ]);
