/**
 * What a package is made of, as a CycloneDX 1.6 document: the bundled packages, Node, and the libraries within its binary, so that
 * a scanner sees OpenSSL.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import type { Bundled } from './bundled.ts';

type Component = Readonly<Record<string, unknown>>;

/** What `process.versions` has beside versions of libraries. */
const NO_LIBRARY = new Set(['node', 'modules', 'napi', 'cldr', 'tz', 'unicode']);

/** @param node the binary */
export const librariesOf = async (node: string): Promise<Readonly<Record<string, string>>> => {
  const { stdout } = await promisify(execFile)(node, ['-p', 'JSON.stringify(process.versions)']);
  const versions: Record<string, string> = JSON.parse(stdout);
  return Object.fromEntries(Object.entries(versions).filter(([name]) => !NO_LIBRARY.has(name)));
};

const purl = (name: string, version: string): string => `pkg:npm/${name.replace(/^@/, '%40')}@${version}`;

const packageComponent = ({ name, version, license, integrity }: Bundled): Component => {
  const [algorithm, digest] = integrity?.split('-', 2) ?? [];
  return {
    type: 'library',
    'bom-ref': purl(name, version),
    ...{ name, version, purl: purl(name, version) },
    licenses: [{ expression: license }],
    ...(algorithm === 'sha512' &&
      digest !== undefined && {
        hashes: [{ alg: 'SHA-512', content: Buffer.from(digest, 'base64').toString('hex') }],
      }),
  };
};

const libraryComponent = ([name, version]: readonly [string, string]): Component => ({
  type: 'library',
  'bom-ref': `pkg:generic/${name}@${encodeURIComponent(version)}`,
  ...{ name, version, purl: `pkg:generic/${name}@${encodeURIComponent(version)}` },
  description: 'within the binary of Node',
  ...(name === 'openssl' && {
    cpe: `cpe:2.3:a:openssl:openssl:${version.replace(/[^\d.].*$/, '')}:*:*:*:*:*:*:*`,
  }),
});

/** The same for the same packages: its serial number is made of them. */
export const sbomOf = ({
  name,
  version,
  timeS,
  bundled,
  libraries,
}: {
  readonly name: string;
  readonly version: string;
  readonly timeS: number;
  readonly bundled: readonly Bundled[];
  readonly libraries: Readonly<Record<string, string>>;
}): string => {
  const components = [
    ...bundled.map(packageComponent),
    ...Object.entries(libraries)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(libraryComponent),
  ];
  const hash = createHash('sha256')
    .update(JSON.stringify([name, version, components]))
    .digest('hex');
  const uuid = `${hash.slice(0, 8)}-${hash.slice(8, 12)}-8${hash.slice(13, 16)}-8${hash.slice(17, 20)}-${hash.slice(20, 32)}`;
  const document = {
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    serialNumber: `urn:uuid:${uuid}`,
    version: 1,
    metadata: {
      timestamp: new Date(timeS * 1000).toISOString(),
      component: {
        type: 'application',
        'bom-ref': purl(name, version),
        ...{ name, version, purl: purl(name, version) },
        licenses: [{ expression: 'Apache-2.0' }],
      },
    },
    components,
    dependencies: [
      { ref: purl(name, version), dependsOn: components.map(component => component['bom-ref']) },
    ],
  };
  return `${JSON.stringify(document, undefined, 2)}\n`;
};
