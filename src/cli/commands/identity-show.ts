import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { fleetOf } from '../../identity/authority-files.ts';
import { certificateSha256, countsSinceMs, identityOf } from '../../identity/certificate.ts';
import { parseCertificates } from '../../identity/credentials.ts';
import { publicKeySha256 } from '../../identity/invitation-token.ts';
import { spiffeId } from '../../identity/peer-identity.ts';
import { DepotError } from '../../lib/errors.ts';
import { printable } from '../output/style.ts';
import { factLines } from '../output/table.ts';
import { type CommonOptions, present, type Session, withCommonOptions } from '../session/session.ts';

export const addIdentityShow = (parent: Command, session: Session): void => {
  withCommonOptions(
    parent
      .command('show')
      .description('whom the certificates in a file name, who issued them, and until when they are valid')
      .argument('<file>', 'certificate or authority, in PEM'),
    'tuf-depot identity show sled-1-identity/certificate.pem',
  ).action(async (path: string, options: CommonOptions) => {
    const file = resolve(session.directory, path);
    const pem = await readFile(file, 'utf8').catch((cause: unknown) => {
      throw new DepotError('IO', `cannot read ${path}`, { cause });
    });
    const certificates = parseCertificates(pem, path).map(certificate => {
      const identity = identityOf(certificate);
      const fleet = fleetOf(certificate.raw);
      return {
        names: identity === undefined ? (fleet ?? null) : spiffeId(identity),
        is_authority: certificate.ca,
        issuer: certificate.issuer,
        not_before: certificate.validFromDate.toISOString(),
        counts_since: new Date(countsSinceMs(certificate)).toISOString(),
        not_after: certificate.validToDate.toISOString(),
        is_valid_now:
          certificate.validFromDate.getTime() <= session.clock.nowMs() &&
          session.clock.nowMs() <= certificate.validToDate.getTime(),
        key_sha256: publicKeySha256(certificate.publicKey),
        sha256: certificateSha256(certificate),
      };
    });
    present(session, options, { certificates }, () =>
      certificates.flatMap(each => [
        ...factLines(
          [
            [each.is_authority ? 'authority of' : 'process', each.names ?? 'names no process of a fleet'],
            ['issued by', printable(each.issuer)],
            ['valid', `${each.not_before} to ${each.not_after}${each.is_valid_now ? '' : ' (not now)'}`],
            ['SHA-256', each.sha256],
            ['of its key', each.key_sha256],
          ],
          session.terminal.outStyle,
        ),
      ]),
    );
  });
};
