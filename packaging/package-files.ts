/**
 * Every file that a package for machines has, by its place there:
 *
 *     dist, schema, packages of production ─┐
 *     Node's binary alone                   ├─▶ usr/lib/tuf-depot
 *     files/ (units, examples, completions) ─▶ usr/lib/systemd, usr/share
 *     definitions of the commands ───────────▶ manual pages
 *
 * PKF1. Of a package of npm it has what Node loads: no types, no maps, no tests, no documents.
 */
import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { gzipSync } from 'node:zlib';
import { createProgram } from '../src/cli/program.ts';
import { type Bundled, nodePackage } from './bundled.ts';
import { copyrightOf } from './copyright.ts';
import { manualPages } from './man-pages.ts';
import type { PackedFile } from './tar.ts';

const LIB = 'usr/lib/tuf-depot';
const DOC = 'usr/share/doc/tuf-depot';
const PLAIN = 0o644;
const PROGRAM = 0o755;

const LOADED = /\.(?:[cm]?js|json|node|wasm)$/;
const NOT_LOADED =
  /(?:^|\/)(?:tests?|__tests__|bench|benchmarks?|docs?|examples?|\.[^/]*)\/|\.(?:test|spec)\.[cm]?js$/;

/** Files of the repository as they are, by their place on a machine. */
const PLACES: readonly (readonly [place: string, source: string, mode: number])[] = [
  ['usr/bin/tuf-depot', 'packaging/files/tuf-depot', PROGRAM],
  [
    'usr/lib/systemd/system/tuf-depot-nexus.service',
    'packaging/files/systemd/tuf-depot-nexus.service',
    PLAIN,
  ],
  [
    'usr/lib/systemd/system/tuf-depot-sled-agent.service',
    'packaging/files/systemd/tuf-depot-sled-agent.service',
    PLAIN,
  ],
  ['usr/lib/sysusers.d/tuf-depot.conf', 'packaging/files/sysusers.conf', PLAIN],
  ['usr/lib/tmpfiles.d/tuf-depot.conf', 'packaging/files/tmpfiles.conf', PLAIN],
  ['usr/share/bash-completion/completions/tuf-depot', 'packaging/files/completions/tuf-depot.bash', PLAIN],
  ['usr/share/zsh/vendor-completions/_tuf-depot', 'packaging/files/completions/_tuf-depot', PLAIN],
  ['usr/share/fish/vendor_completions.d/tuf-depot.fish', 'packaging/files/completions/tuf-depot.fish', PLAIN],
  [`${DOC}/examples/nexus.toml`, 'packaging/files/examples/nexus.toml', PLAIN],
  [`${DOC}/examples/sled-agent.toml`, 'packaging/files/examples/sled-agent.toml', PLAIN],
  [`${DOC}/install.md`, 'docs/install.md', PLAIN],
  [`${DOC}/operations.md`, 'docs/operations.md', PLAIN],
  [`${DOC}/errors.md`, 'docs/errors.md', PLAIN],
];

const filesBelow = async (folder: string): Promise<string[]> =>
  (await readdir(folder, { recursive: true, withFileTypes: true }))
    .filter(entry => entry.isFile())
    .map(entry => relative(folder, join(entry.parentPath, entry.name)));

const readAll = (
  files: readonly (readonly [place: string, source: string, mode: number])[],
): Promise<PackedFile[]> =>
  Promise.all(files.map(async ([path, source, mode]) => ({ path, mode, bytes: await readFile(source) })));

const folderFiles = async (source: string, place: string, isKept: (path: string) => boolean) =>
  readAll(
    (await filesBelow(source))
      .filter(isKept)
      .map(path => [`${place}/${path}`, join(source, path), PLAIN] as const),
  );

/** Packages below it are listed by themselves. */
const isLoaded = (path: string): boolean =>
  LOADED.test(path) && !NOT_LOADED.test(path) && !path.startsWith('node_modules/');

const gzipped = (text: string): Buffer => gzipSync(text, { level: 9 });

const madeFiles = async (root: string, bundled: readonly Bundled[], sbom: string): Promise<PackedFile[]> => {
  const file = (path: string, bytes: Buffer): PackedFile => ({ path, mode: PLAIN, bytes });
  const program = await createProgram({ terminal: {} } as never);
  const manifest = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'));
  const { name, version, license, type } = manifest;
  const licenseText = await readFile(join(root, 'LICENSE'), 'utf8');
  return [
    file(`${LIB}/package.json`, Buffer.from(`${JSON.stringify({ name, version, license, type })}\n`)),
    ...manualPages(program).map(page => file(`usr/share/man/man1/${page.name}.gz`, gzipped(page.text))),
    file(`${DOC}/copyright`, Buffer.from(copyrightOf(bundled, { folder: LIB, licenseText }))),
    file(`${DOC}/changelog.gz`, gzipped(await readFile(join(root, 'CHANGELOG.md'), 'utf8'))),
    file(`${DOC}/sbom.cdx.json`, Buffer.from(sbom)),
  ];
};

/**
 * @param root of the repository, after `npm ci`
 * @param compiled the folder that has the compiled `src`
 */
export const packageFiles = async (
  root: string,
  {
    compiled,
    bundled,
    sbom,
  }: { readonly compiled: string; readonly bundled: readonly Bundled[]; readonly sbom: string },
): Promise<PackedFile[]> => {
  const node = nodePackage();
  const libraries = bundled.filter(({ name }) => name !== node);
  const found = await Promise.all([
    folderFiles(compiled, `${LIB}/dist`, () => true),
    folderFiles(join(root, 'schema'), `${LIB}/schema`, () => true),
    ...libraries.map(({ folder }) => folderFiles(join(root, folder), `${LIB}/${folder}`, isLoaded)),
    readAll([[`${LIB}/bin/node`, join(root, 'node_modules', node, 'bin/node'), PROGRAM]]),
    readAll(PLACES.map(([place, source, mode]) => [place, join(root, source), mode] as const)),
    madeFiles(root, bundled, sbom),
  ]);
  return found.flat().sort((a, b) => (a.path < b.path ? -1 : 1));
};
