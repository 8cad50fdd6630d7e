import type { Clock } from '../../lib/clock.ts';
import { formatAge } from './quantities.ts';
import { type Column, tableLines } from './table.ts';
import type { Terminal } from './terminal.ts';

type Invitation = {
  readonly id: string;
  readonly state: string;
  readonly time_created: string;
  readonly time_expires: string;
};

/** @param others the columns after those that every invitation has */
export const invitationTable = <Row extends Invitation>(
  { terminal, clock }: { readonly terminal: Terminal; readonly clock: Pick<Clock, 'nowMs'> },
  items: readonly Row[],
  others: readonly Column<Row>[],
): string[] => {
  const nowMs = clock.nowMs();
  const { outStyle: style, outColumns } = terminal;
  return tableLines(
    items,
    [
      { title: 'ID', cell: each => each.id, paint: style.bold },
      { title: 'STATE', cell: each => each.state },
      { title: 'CREATED', cell: each => formatAge(Date.parse(each.time_created), nowMs) },
      { title: 'EXPIRES', cell: each => each.time_expires },
      ...others,
    ],
    { style, width: outColumns() },
  );
};
