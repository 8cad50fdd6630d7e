/** Aligned columns. Cells are cleaned of control characters before they are styled, so that widths are true. */
import { plainStyle, printable, type Style, truncate, visibleWidth } from './style.ts';

export type Column<Row> = {
  readonly title: string;
  readonly cell: (row: Row) => string;
  readonly align?: 'left' | 'right';
  /** Applied after the widths are known. */
  readonly paint?: (text: string, row: Row) => string;
};

/** Between columns. */
const GAP = '  ';

/** The lines of a table, without a final newline; `columns` cuts the last column to what fits the terminal. */
export const tableLines = <Row>(
  rows: readonly Row[],
  columns: readonly Column<Row>[],
  { style = plainStyle, width }: { style?: Style; width?: number | undefined } = {},
): string[] => {
  const textOf = (column: Column<Row>, row: Row): string => printable(column.cell(row));
  const natural = columns.map(column => ({
    column,
    width: Math.max(visibleWidth(column.title), ...rows.map(row => visibleWidth(textOf(column, row)))),
  }));
  const before = natural.slice(0, -1).reduce((sum, each) => sum + each.width + GAP.length, 0);
  const last = natural.slice(-1).map(({ column, width: widest }) => ({
    column,
    width:
      width === undefined ? widest : Math.max(Math.min(widest, width - before), visibleWidth(column.title)),
  }));
  const laidOut = [...natural.slice(0, -1), ...last];
  const line = (
    text: (column: Column<Row>) => string,
    paint: (text: string, column: Column<Row>) => string,
  ): string =>
    laidOut
      .map(({ column, width: cells }) => {
        const shown = truncate(text(column), cells);
        const padding = ' '.repeat(cells - visibleWidth(shown));
        return column.align === 'right'
          ? `${padding}${paint(shown, column)}`
          : `${paint(shown, column)}${padding}`;
      })
      .join(GAP)
      .trimEnd();
  return [
    line(
      column => column.title,
      text => style.dim(text),
    ),
    ...rows.map(row =>
      line(
        column => textOf(column, row),
        (text, column) => column.paint?.(text, row) ?? text,
      ),
    ),
  ];
};

/** `name: value` lines with the values in one column. Pairs without a value are left out. */
export const factLines = (
  facts: readonly (readonly [name: string, value: string | undefined])[],
  style: Style = plainStyle,
): string[] => {
  const shown = facts.filter((fact): fact is readonly [string, string] => fact[1] !== undefined);
  const width = Math.max(0, ...shown.map(([name]) => name.length));
  return shown.map(([name, value]) => `${style.dim(`${name}:`.padEnd(width + 1))} ${value}`);
};
