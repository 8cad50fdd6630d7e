/** Small composite artifacts, as release builders make them. */
import { type HandMadeFile, handMadeTarGz } from '../archive/hand-made-tar.fixture.ts';

export const description = (type: string, layer?: { pkg: string; version: string }): HandMadeFile => ({
  name: 'oxide.json',
  data: JSON.stringify({ v: '1', t: type, ...(layer && { i: layer }) }),
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

export const rotImage = (content = 'rot'): Buffer =>
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
  v1Artifact('gimlet_sp', Buffer.from('sp')),
  v1Artifact('brand_new', Buffer.from('new')),
];
