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
  const cells = rows.map(row => columns.map(column => printable(column.cell(row))));
  const widths = columns.map((column, index) =>
    Math.max(visibleWidth(column.title), ...cells.map(line => visibleWidth(line[index]!))),
  );
  const last = columns.length - 1;
  if (width !== undefined) {
    const before = widths.slice(0, last).reduce((sum, each) => sum + each + GAP.length, 0);
    widths[last] = Math.max(Math.min(widths[last]!, width - before), visibleWidth(columns[last]!.title));
  }
  const line = (texts: readonly string[], paint: (text: string, index: number) => string): string =>
    texts
      .map((text, index) => {
        const shown = truncate(text, widths[index]!);
        const padding = ' '.repeat(widths[index]! - visibleWidth(shown));
        if (columns[index]!.align === 'right') return `${padding}${paint(shown, index)}`;
        return index === last ? paint(shown, index) : `${paint(shown, index)}${padding}`;
      })
      .join(GAP)
      .trimEnd();
  return [
    line(
      columns.map(column => column.title),
      text => style.dim(text),
    ),
    ...rows.map((row, index) =>
      line(cells[index]!, (text, column) => columns[column]!.paint?.(text, row) ?? text),
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
