/**
 * A Debian package, written here: an `ar` archive of two tar archives, so that no tool of a machine changes its bytes.
 *
 * DEB1. The same files make the same bytes, with the same Node, whose zlib and zstd compress them.
 */
import { createHash } from 'node:crypto';
import { constants, gzipSync, zstdCompressSync } from 'node:zlib';
import { type PackedFile, tarOf } from './tar.ts';

export type DebianPackage = {
  readonly name: string;
  readonly version: string;
  readonly architecture: string;
  readonly summary: string;
  /** Lines of the long description. */
  readonly description: readonly string[];
  readonly depends: readonly string[];
  readonly files: readonly PackedFile[];
  /** `postinst` and others by their name. */
  readonly scripts: Readonly<Record<string, Buffer>>;
  readonly timeS: number;
};

/** dpkg reads zstd since Debian 12 and Ubuntu 18.04; a higher level takes ten times as long for 2 %. */
const ZSTD_LEVEL = 9;
const SCRIPT_MODE = 0o755;
const FILE_MODE = 0o644;
const MAINTAINER = 'The authors of tuf-depot <tuf-depot@invalid.invalid>';

const arMember = (name: string, bytes: Buffer, timeS: number): Buffer[] => [
  Buffer.from(
    `${name.padEnd(16)}${String(timeS).padEnd(12)}${'0'.padEnd(6)}${'0'.padEnd(6)}${'100644'.padEnd(8)}${String(bytes.length).padEnd(10)}\`\n`,
  ),
  bytes,
  Buffer.alloc(bytes.length % 2, '\n'),
];

const controlOf = (made: DebianPackage): string =>
  [
    `Package: ${made.name}`,
    `Version: ${made.version}`,
    `Architecture: ${made.architecture}`,
    `Maintainer: ${MAINTAINER}`,
    `Installed-Size: ${Math.ceil(made.files.reduce((total, { bytes }) => total + bytes.length, 0) / 1024)}`,
    `Depends: ${made.depends.join(', ')}`,
    'Section: admin',
    'Priority: optional',
    `Description: ${made.summary}`,
    ...made.description.map(line => ` ${line}`),
    '',
  ].join('\n');

const md5sumsOf = (files: readonly PackedFile[]): string =>
  files.map(({ path, bytes }) => `${createHash('md5').update(bytes).digest('hex')}  ${path}\n`).join('');

export const debianPackage = (made: DebianPackage): Buffer => {
  const { files, scripts, timeS } = made;
  const control: PackedFile[] = [
    { path: 'control', mode: FILE_MODE, bytes: Buffer.from(controlOf(made)) },
    { path: 'md5sums', mode: FILE_MODE, bytes: Buffer.from(md5sumsOf(files)) },
    ...Object.entries(scripts).map(([path, bytes]) => ({ path, mode: SCRIPT_MODE, bytes })),
  ];
  const archive = { start: './', timeS };
  const data = zstdCompressSync(tarOf(files, archive), {
    params: { [constants.ZSTD_c_compressionLevel]: ZSTD_LEVEL, [constants.ZSTD_c_checksumFlag]: 1 },
  });
  return Buffer.concat([
    Buffer.from('!<arch>\n'),
    ...arMember('debian-binary', Buffer.from('2.0\n'), timeS),
    ...arMember('control.tar.gz', gzipSync(tarOf(control, archive), { level: 9 }), timeS),
    ...arMember('data.tar.zst', data, timeS),
  ]);
};
