import { randomUUID } from 'node:crypto';
import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { NexusId } from '../../core/ids.ts';
import {
  CERTIFICATE_LIFE_MS,
  type FleetAuthority,
  issuedIdentity,
  issueToDirectory,
  openAuthority,
  validFrom,
} from '../../identity/authority-files.ts';
import { derivedSledId, GENERIC_PART } from '../../identity/derived-sled-id.ts';
import { PEER_KINDS, type PeerIdentity, type PeerKind, spiffeId } from '../../identity/peer-identity.ts';
import { isoTime } from '../../lib/clock.ts';
import { DepotError } from '../../lib/errors.ts';
import { parseAmount } from '../arguments/amount.ts';
import { usageError } from '../output/failure.ts';
import { identityFileRows, identityFilesData } from '../output/identity-files.ts';
import { factLines } from '../output/table.ts';
import { type CommonOptions, present, type Session, withCommonOptions } from '../session/session.ts';

type IssueOptions = CommonOptions & {
  readonly ca: string;
  readonly out: string;
  readonly id?: string;
  readonly serial?: string;
  readonly part: string;
  readonly expiresInDays?: string;
  readonly days?: string;
};

const DAY_MS = 86_400_000;
const MAX_DAYS = 3_650;

export const addIdentityIssue = (parent: Command, session: Session): void => {
  withCommonOptions(
    parent
      .command('issue')
      .description('issue the certificate of one process, or renew it in the same directory')
      .argument('<kind>', 'nexus or sled')
      .requiredOption('--ca <directory>', 'authority, from identity init')
      .requiredOption('--out <directory>', 'where to write certificate.pem, key.pem and ca.pem')
      .option('--id <uuid>', 'id of an existing process (by default the one in --out, otherwise a new one)')
      .option('--serial <serial>', 'serial number of a sled, which determines its id together with --part')
      .option('--part <part>', 'part number of the sled, with --serial', GENERIC_PART)
      .option('--expires-in-days <days>', `how long it is valid (${CERTIFICATE_LIFE_MS / DAY_MS})`)
      // Of an earlier version.
      .addOption(new Option('--days <days>').hideHelp()),
    'tuf-depot identity issue sled --serial BRM42220031 --ca fleet-ca --out sled-1-identity',
  ).action(async (kindText: string, options: IssueOptions) => {
    const kind = parseKind(kindText);
    const authority = await requireAuthority(options.ca, session);
    const directory = resolve(session.directory, options.out);
    const id = chosenId(kind, options) ?? (await issuedIdentity(directory))?.id ?? randomUUID();
    const identity: PeerIdentity = { fleet: authority.fleet, kind, id };
    const asked = options.expiresInDays ?? options.days;
    const days = parseAmount(asked, '--expires-in-days', MAX_DAYS) ?? CERTIFICATE_LIFE_MS / DAY_MS;
    const validity = validFrom(session.clock.nowMs(), days * DAY_MS);
    const files = await issueToDirectory(authority, { identity, directory, validity });
    const data = {
      spiffe_id: spiffeId(identity),
      not_after: isoTime(validity.notAfterMs),
      ...identityFilesData(files),
    };
    present(session, options, data, () => [
      ...factLines(
        [['process', data.spiffe_id], ['valid until', data.not_after], ...identityFileRows(files)],
        session.terminal.outStyle,
      ),
      '',
      `In the configuration of the ${kind === 'sled' ? 'sled agent' : 'Nexus'}, if it is in the same directory:`,
      '  [identity]',
      '  certificate_file = "certificate.pem"',
      '  key_file = "key.pem"',
      '  ca_file = "ca.pem"',
    ]);
  });
};

const parseKind = (text: string): PeerKind => {
  const kind = PEER_KINDS.find(each => each === text);
  if (kind === undefined)
    throw usageError(`${text} is not a kind of process`, `use ${PEER_KINDS.join(' or ')}`);
  return kind;
};

const requireAuthority = async (path: string, { directory }: Session): Promise<FleetAuthority> => {
  const authority = await openAuthority(resolve(directory, path));
  if (authority !== undefined) return authority;
  throw new DepotError('NOT_FOUND', `${path} has no authority: ca.pem is not there`, {
    detail: { remedy: `make one: tuf-depot identity init --out ${path}` },
  });
};

const chosenId = (kind: PeerKind, { id, serial, part }: IssueOptions): string | undefined => {
  if (id !== undefined && serial !== undefined)
    throw usageError('--id and --serial exclude each other', 'give one');
  if (serial !== undefined && kind !== 'sled') throw usageError('--serial is for sleds only', 'leave it out');
  if (serial !== undefined) return derivedSledId(part, serial);
  if (id === undefined) return undefined;
  const parsed = NexusId.safeParse(id);
  if (!parsed.success) throw usageError(`${id} is not an id`, 'give a UUID');
  return parsed.data;
};
