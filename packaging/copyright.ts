/** The licences of what a Debian package bundles, in Debian's machine-readable format 1.0. */
import type { Bundled } from './bundled.ts';

/** A text as the continuation of a field. */
const continued = (text: string): string =>
  text
    .split('\n')
    .map(line => (line.trim() === '' ? ' .' : ` ${line.trimEnd()}`))
    .join('\n');

const holdersIn = (text: string): string =>
  [...text.matchAll(/^[ \t]*((?:copyright|\(c\)|©).*\d{4}.*|copyright (?:\(c\)|©).*)$/gim)]
    .map(([, line = '']) => line.trim())
    .slice(0, 3)
    .join('; ') || 'its authors';

const paragraph = (files: string, license: string, text: string): string =>
  [
    `Files: ${files}`,
    `Copyright: ${holdersIn(text)}`,
    `License: ${license.replace(/[()]/g, '').replaceAll(' OR ', ' or ').replaceAll(' AND ', ' and ')}`,
    continued(text === '' ? 'It has no file with its licence; its package.json names the one above.' : text),
  ].join('\n');

/**
 * @param folder where the program is: `usr/lib/tuf-depot`
 * @param licenseText of the program itself
 */
export const copyrightOf = (
  bundled: readonly Bundled[],
  { folder, licenseText }: { readonly folder: string; readonly licenseText: string },
): string =>
  [
    'Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nUpstream-Name: tuf-depot',
    `Files: *\nCopyright: the authors of tuf-depot\nLicense: Apache-2.0\n${continued(licenseText.trim())}`,
    ...bundled.map(each =>
      paragraph(
        each.name.startsWith('node-linux-') ? `${folder}/bin/node` : `${folder}/${each.folder}/*`,
        each.license,
        each.licenseText,
      ),
    ),
  ]
    .join('\n\n')
    .concat('\n');
