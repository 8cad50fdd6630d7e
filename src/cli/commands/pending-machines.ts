/** The machines that an admin has to decide on: those that ask to join by their key, and sleds that the database does not know (RI4). */
import type { JoinRequestView, PendingSledView } from '../../api/operator-invitation-api.ts';
import { SledId } from '../../core/ids.ts';
import { DepotError, errorCodeOf } from '../../lib/errors.ts';
import type { RemoteOptions } from '../connection/connection.ts';
import { type Depot, withDepot } from '../connection/depot-client.ts';
import { formatAge } from '../output/quantities.ts';
import { printable } from '../output/style.ts';
import { tableLines } from '../output/table.ts';
import { present, type Session } from '../session/session.ts';

/** Of `sled list --pending`. */
export const presentPending = async (session: Session, options: RemoteOptions): Promise<void> => {
  const { asking, unknown } = await withDepot(session, options, async depot => ({
    asking: (await depot.invitations.joinRequestList()).items,
    unknown: await listPendingSleds(depot),
  }));
  const items = [...asking, ...unknown.map(sled => ({ ...sled, state: 'unknown_sled' }))];
  present(session, options, items, () =>
    items.length === 0
      ? [
          'No machine asks this Nexus to join by its key, and no sled that the database does not know registers here.',
        ]
      : [
          ...(asking.length === 0 ? [] : askingLines(session, asking)),
          ...(asking.length === 0 || unknown.length === 0 ? [] : ['']),
          ...(unknown.length === 0 ? [] : unknownLines(session, unknown)),
        ],
  );
  if (asking.some(({ state }) => state === 'waiting'))
    session.terminal.note(
      'A stranger may ask too: compare the digest with the screen of the machine itself before tuf-depot sled approve.',
    );
  if (unknown.length > 0)
    session.terminal.note(
      'These sleds have a certificate of this fleet and a config, and the database does not know them: a restore may have forgotten them. Approve each that you know: tuf-depot sled approve SLED',
    );
};

/** None from a Nexus of a version without them. */
const listPendingSleds = async (depot: Depot): Promise<readonly PendingSledView[]> => {
  try {
    return (await depot.invitations.pendingSledList()).items;
  } catch (error) {
    if (errorCodeOf(error) === 'NOT_FOUND') return [];
    throw error;
  }
};

/** By id, or by serial number if only one of them has it. @throws `NOT_FOUND` */
export const findPendingSled = async (depot: Depot, name: string): Promise<PendingSledView> => {
  const id = SledId.safeParse(name);
  const named = (await depot.invitations.pendingSledList()).items.filter(sled =>
    id.success ? sled.id === id.data : sled.serial === name,
  );
  const [only] = named;
  if (only !== undefined && named.length === 1) return only;
  const problem = named.length === 0 ? 'no sled with' : `${named.length} sleds with`;
  throw new DepotError(
    'NOT_FOUND',
    `${problem} the id or serial number ${name} wait${named.length === 0 ? 's' : ''} at this Nexus for an approval`,
    {
      detail: {
        remedy:
          'tuf-depot sled list --pending shows those that wait; the digest of a key has 64 lower-case hex digits',
      },
    },
  );
};

const askingLines = ({ terminal, clock }: Session, asking: readonly JoinRequestView[]): string[] => {
  const { outStyle: style, outColumns } = terminal;
  const age = (time: string | undefined): string =>
    time === undefined ? '-' : formatAge(Date.parse(time), clock.nowMs());
  return tableLines(
    asking,
    [
      { title: 'KEY', cell: each => each.public_key_sha256, paint: style.bold },
      { title: 'STATE', cell: each => each.state },
      { title: 'ADDRESS', cell: each => printable(each.address ?? '-') },
      { title: 'FIRST ASKED', cell: each => age(each.time_first_asked) },
      { title: 'LAST ASKED', cell: each => age(each.time_last_asked) },
      { title: 'DENIED', cell: each => age(each.time_denied) },
    ],
    { style, width: outColumns() },
  );
};

const unknownLines = ({ terminal, clock }: Session, sleds: readonly PendingSledView[]): string[] => {
  const { outStyle: style, outColumns } = terminal;
  return tableLines(
    sleds,
    [
      { title: 'SLED', cell: each => printable(each.serial), paint: style.bold },
      { title: 'ID', cell: each => each.id },
      { title: 'GEN', cell: each => String(each.generation), align: 'right' },
      { title: 'ADDRESS', cell: each => printable(each.address) },
      { title: 'FIRST ASKED', cell: each => formatAge(Date.parse(each.time_first_asked), clock.nowMs()) },
      { title: 'LAST ASKED', cell: each => formatAge(Date.parse(each.time_last_asked), clock.nowMs()) },
    ],
    { style, width: outColumns() },
  );
};
