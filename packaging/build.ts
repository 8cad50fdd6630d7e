/**
 * The packages of a release, into `dist-packages/`:
 *
 *     npm run package                        # after npm ci, on the architecture that it is for
 *     npm run package -- --out DIRECTORY
 *
 * They depend on the commit alone: SOURCE_DATE_EPOCH, or the time of the commit, is the time of every file.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import process from 'node:process';
import { parseArgs, promisify } from 'node:util';
import { DepotError } from '../src/lib/errors.ts';
import { nodePackage, readBundled } from './bundled.ts';
import { debianPackage } from './debian.ts';
import { IMAGE_USER, imageFiles } from './image-files.ts';
import { ociArchive } from './oci.ts';
import { packageFiles } from './package-files.ts';
import { librariesOf, sbomOf } from './sbom.ts';

const run = promisify(execFile);
const ROOT = resolve(import.meta.dirname, '..');
const DEBIAN_ARCHITECTURES: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };
/** Of the binary of Node. */
const DEPENDS = ['libc6 (>= 2.28)', 'libgcc-s1', 'libstdc++6 (>= 8)'];
/** As /usr/bin/tuf-depot, which needs a shell. */
const ENTRYPOINT = [
  '/usr/lib/tuf-depot/bin/node',
  '--max-semi-space-size=1',
  '/usr/lib/tuf-depot/dist/cli/main.js',
];
const SUMMARY = 'replicates signed TUF releases to every machine of a fleet';
const DESCRIPTION = [
  'It brings every artifact of a signed TUF release to each machine of a fleet,',
  'verified, and keeps it there. This package has the control plane (Nexus), the',
  'sled agent that each machine runs, and the command line, with the Node that',
  'runs them. PostgreSQL is needed by Nexus alone, and can be on another machine.',
];

const timeOf = async (): Promise<number> => {
  const given = process.env.SOURCE_DATE_EPOCH;
  if (given !== undefined && /^\d+$/.test(given)) return Number(given);
  const { stdout } = await run('git', ['log', '-1', '--format=%ct'], { cwd: ROOT }).catch(cause => {
    const detail = { remedy: 'set SOURCE_DATE_EPOCH to the time of the sources, in seconds since 1970' };
    throw new DepotError('IO', 'the time of the sources is not known', { cause, detail });
  });
  return Number(stdout.trim());
};

const compile = async (into: string): Promise<void> => {
  const compiler = join(ROOT, 'node_modules/typescript/bin/tsc');
  await run(process.execPath, [compiler, '-p', join(ROOT, 'tsconfig.build.json'), '--outDir', into]);
};

/** @returns the names of the files that it wrote */
export const buildPackages = async (outDirectory: string): Promise<string[]> => {
  const architecture = DEBIAN_ARCHITECTURES[process.arch] ?? process.arch;
  const { name, version } = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'));
  const timeS = await timeOf();
  const bundled = await readBundled(ROOT);
  const node = join(ROOT, 'node_modules', nodePackage(), 'bin/node');
  const libraries = await librariesOf(node);
  const sbom = sbomOf({ name, version, timeS, bundled, libraries });
  const compiled = await mkdtemp(join(tmpdir(), 'tuf-depot-build-'));
  try {
    await compile(compiled);
    const scripts = ['postinst', 'prerm', 'postrm'].map(
      async each => [each, await readFile(join(ROOT, 'packaging/files/debian', each))] as const,
    );
    const files = await packageFiles(ROOT, { compiled, bundled, sbom });
    const debian = debianPackage({
      ...{ name, version, architecture, timeS },
      summary: SUMMARY,
      description: DESCRIPTION,
      depends: DEPENDS,
      files,
      scripts: Object.fromEntries(await Promise.all(scripts)),
    });
    const image = ociArchive({
      ...{ version, architecture, timeS, user: IMAGE_USER, entrypoint: ENTRYPOINT },
      files: await imageFiles(files, node),
    });
    const made: readonly (readonly [string, Buffer])[] = [
      [`${name}_${version}_${architecture}.deb`, debian],
      [`${name}_${version}_${architecture}.oci.tar`, image],
      [`${name}_${version}.cdx.json`, Buffer.from(sbom)],
    ];
    const sums = made.map(
      ([file, bytes]) => `${createHash('sha256').update(bytes).digest('hex')}  ${file}\n`,
    );
    const all = [...made, ['SHA256SUMS', Buffer.from(sums.join(''))] as const];
    await mkdir(outDirectory, { recursive: true });
    for (const [file, bytes] of all) await writeFile(join(outDirectory, file), bytes);
    return all.map(([file]) => file);
  } finally {
    await rm(compiled, { recursive: true, force: true });
  }
};

if (import.meta.main) {
  const { values } = parseArgs({ options: { out: { type: 'string', default: 'dist-packages' } } });
  const outDirectory = resolve(values.out);
  for (const file of await buildPackages(outDirectory)) process.stdout.write(`${join(outDirectory, file)}\n`);
}
