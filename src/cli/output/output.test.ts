import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { ReleaseReplication } from '../../api/operator-fleet-api.ts';
import type { SledId } from '../../core/ids.ts';
import { bar } from './bar.ts';
import { createLiveRegion } from './live-region.ts';
import { formatAge, formatBytes, formatDuration, formatPercent } from './quantities.ts';
import { arrivalText, replicationLine, sledProgressLines } from './replication.ts';
import { createStyle, printable, truncate, visibleWidth } from './style.ts';
import { factLines, tableLines } from './table.ts';
import { createTerminal } from './terminal.ts';
import { createTransferMeter, remainingMs, transferBarCells, transferLine } from './transfer.ts';

const MIB = 1024 ** 2;

test('sizes have three significant digits, in powers of 1024', () => {
  expect([0, 999, 1000, 1024, 17_920, 214 * MIB, 1023 * MIB, 5 * 1024 * MIB].map(formatBytes)).toEqual([
    '0 B',
    '999 B',
    '0.98 KiB',
    '1.00 KiB',
    '17.5 KiB',
    '214 MiB',
    '1.00 GiB',
    '5.00 GiB',
  ]);
});

test('no size needs more than eight columns', () => {
  fc.assert(
    fc.property(fc.nat(Number.MAX_SAFE_INTEGER), sizeBytes => {
      expect(formatBytes(sizeBytes).length).toBeLessThanOrEqual(8);
    }),
  );
});

test('durations and ages are readable', () => {
  expect(
    [840, 7_240, 59_960, 185_000, 7_800_000, 4 * 86_400_000 + 3 * 3_600_000].map(formatDuration),
  ).toEqual(['840 ms', '7.2 s', '1 min 00 s', '3 min 05 s', '2 h 10 min', '4 d 3 h']);
  expect([0, 12_000, 330_000, 3 * 3_600_000, 49 * 3_600_000].map(ms => formatAge(0, ms))).toEqual([
    'now',
    '12 s ago',
    '5 min ago',
    '3 h ago',
    '2 d ago',
  ]);
  expect(formatAge(3_600_000, 0)).toBe('in 1 h');
});

test('100 % means all of it, and 0 % means none of it', () => {
  expect([
    formatPercent(0, 1000),
    formatPercent(1, 1000),
    formatPercent(999, 1000),
    formatPercent(5, 5),
  ]).toEqual(['0 %', '1 %', '99 %', '100 %']);
});

test('a bar has its width whatever the fraction, and is full only at the end', () => {
  fc.assert(
    fc.property(
      fc.nat(1000),
      fc.integer({ min: 1, max: 1000 }),
      fc.integer({ min: 1, max: 60 }),
      (part, whole, cells) => {
        const drawn = bar(part, whole, cells);
        expect([...drawn]).toHaveLength(cells);
        expect(drawn === '█'.repeat(cells)).toBe(part >= whole);
      },
    ),
  );
});

test('the rate of a transfer is that of the last seconds, so that a stall shows', () => {
  const meter = createTransferMeter(0);
  expect(meter.rate(100)).toBeUndefined();
  for (let atMs = 100; atMs <= 5_000; atMs += 100) meter.record(MIB, atMs);
  expect(meter.bytes()).toBe(50 * MIB);
  expect(meter.rate(5_000)).toBeCloseTo(10 * MIB, -4);
  expect(meter.rate(60_000)).toBeLessThan(MIB);
});

test('the rest of a transfer is shown only if it is known', () => {
  expect(remainingMs(50, 100, 10)).toBe(5_000);
  expect(remainingMs(50, undefined, 10)).toBeUndefined();
  expect(remainingMs(50, 100, 0)).toBeUndefined();
  expect(transferLine({ bytes: 50 * MIB, totalBytes: 100 * MIB, rate: 10 * MIB }, 8)).toBe(
    '████░░░░   50 %  50.0 MiB of 100 MiB  10.0 MiB/s  5.0 s left',
  );
  expect(transferLine({ bytes: 50 * MIB, totalBytes: undefined, rate: undefined }, 8)).toBe('50.0 MiB');
});

/** Below a step of the demo, with the last column left free. */
const DEMO_COLUMNS = 80 - 3 - 1;

test('the progress of a release is in bytes, with the time that is left while they arrive, and fits 80 columns', () => {
  const release = {
    ...{
      system_version: '1.2.0',
      state: 'replicating',
      bytes_held: 1001 * MIB,
      bytes_wanted: 1023 * 1024 * MIB,
    },
    ...{ sleds_holding_all: 100, sleds_in_service: 1000, bytes_per_s: 40 * MIB, remaining_s: 7_800 },
  } as unknown as ReleaseReplication;
  const line = replicationLine(release);
  expect(line).toBe('1.2.0 replicating: 0.98 GiB of 1.00 TiB, whole on 100 of 1000 sleds, 2 h 10 min left');
  expect(
    visibleWidth(replicationLine({ ...release, sleds_in_service: 32, sleds_holding_all: 9 })),
  ).toBeLessThanOrEqual(80);
  expect(arrivalText(release)).toBe('40.0 MiB/s on all sleds together, 2 h 10 min left');
  const { remaining_s: _, ...stalled } = release;
  expect(replicationLine(stalled)).toMatch(/sleds$/);
  expect(arrivalText(stalled)).toBeUndefined();
});

test('redrawn lines fit 80 columns below a step of the demo, whatever the numbers', () => {
  const transfer = { bytes: 999 * MIB, totalBytes: 999.5 * MIB, rate: 0.105 * MIB };
  const line = `uploading  ${transferLine(transfer, transferBarCells(80))}`;
  expect(visibleWidth(line)).toBeLessThanOrEqual(DEMO_COLUMNS);
  const sled = {
    sled_id: '5f0c7c52-3a1e-4b44-9d0e-0a51b0a5a1c7' as SledId,
    serial: 'sled-16',
    state: 'unreachable',
    artifacts_wanted: 1024,
    artifacts_held: 1000,
    artifacts_held_fully: 1000,
    bytes_wanted: 999.5 * MIB,
    bytes_held: 999 * MIB,
  } as const;
  for (const row of sledProgressLines([sled], createStyle(true)))
    expect(visibleWidth(row)).toBeLessThanOrEqual(DEMO_COLUMNS);
  expect(sledProgressLines([], createStyle(true))).toEqual([]);
});

test('columns of a table are aligned although cells are coloured, and long last cells are cut to the terminal', () => {
  const style = createStyle(true);
  const lines = tableLines(
    [
      { name: 'a', size: 1 },
      { name: 'longer', size: 1000 },
    ],
    [
      { title: 'NAME', cell: row => row.name, paint: style.bold },
      { title: 'SIZE', cell: row => String(row.size), align: 'right' },
      { title: 'LAST', cell: () => 'x'.repeat(50) },
    ],
    { style, width: 30 },
  );
  expect(lines.map(visibleWidth)).toEqual([18, 30, 30]);
  expect(lines[1]).toContain('\x1b[1ma\x1b[22m');
  expect(lines[1]).toMatch(/ {5}1 {2}x+…$/);
});

test('facts without a value are left out', () => {
  expect(
    factLines([
      ['one', '1'],
      ['three', undefined],
      ['four', '4'],
    ]),
  ).toEqual(['one:  1', 'four: 4']);
});

test('text from elsewhere cannot move the cursor, colour, or break a line', () => {
  expect(printable('a\x1b[2Jb\x07c\nd\r\u202ee')).toBe('a\\u001b[2Jb\\u0007c d \\u202ee');
  expect(truncate('abcdef', 4)).toBe('abc…');
});

test('whatever a caller passes on, a terminal receives no control and no invisible character but its own colours (TE3)', () => {
  const hostile = 'a\x1b[2J\u202eb\u200b\u0085\x1b]0;title\x07';
  const { terminal, written } = recordingTerminal({ isTTY: true });
  terminal.print(`${terminal.outStyle.bold('x')} ${hostile}\nnext line`);
  terminal.note(hostile);
  const region = createLiveRegion(terminal, { monotonicMs: () => 0 });
  region.show(
    () => [hostile],
    () => '',
  );
  region.close();
  const shown = 'a\\u001b[2J\\u202eb\\u200b\\u0085\\u001b]0;title\\u0007';
  expect(written[0]).toBe(`\x1b[1mx\x1b[22m ${shown}\nnext line\n`);
  expect(written[1]).toBe(`${shown}\n`);
  expect(written.slice(2).join('')).toContain('a\\u001b[2J\\u202eb');
  expect(written.slice(2).join('')).not.toMatch(/\u202e|\u200b|\u0085/);
});

test('without colours not even a colour of the text itself is written, and JSON keeps its meaning (TE3)', () => {
  const { terminal, written } = recordingTerminal({ isTTY: false });
  const value = { name: 'a\u202eb\x1b[31mc\u{e0041}' };
  terminal.print(JSON.stringify(value, undefined, 2));
  expect(written.join('')).not.toMatch(/[^\n\x20-\x7e]/);
  expect(JSON.parse(written.join(''))).toEqual(value);
});

const recordingTerminal = ({
  isTTY,
  environment = {},
}: {
  isTTY: boolean;
  environment?: Record<string, string>;
}) => {
  const written: string[] = [];
  const stream = { write: (text: string) => written.push(text), isTTY, columns: 40, rows: 10 };
  const nowMs = { current: 0 };
  return {
    written,
    nowMs,
    terminal: createTerminal(stream, stream, environment),
    clock: { monotonicMs: () => nowMs.current },
  };
};

test('on a terminal a live region replaces its lines, and leaves only the permanent ones', () => {
  const { terminal, clock, written, nowMs } = recordingTerminal({ isTTY: true });
  const region = createLiveRegion(terminal, clock);
  region.show(
    () => ['one', 'two'],
    () => 'plain',
  );
  nowMs.current += 100;
  region.show(
    () => ['three'],
    () => 'plain',
  );
  region.say('kept');
  region.close();
  expect(written).toEqual(['one\ntwo\n', '\x1b[2A\r\x1b[Jthree\n', '\x1b[1A\r\x1b[J', 'kept\n']);
});

test('a live region never grows beyond the terminal, in either direction', () => {
  const { terminal, clock, written } = recordingTerminal({ isTTY: true });
  createLiveRegion(terminal, clock).show(
    () => Array.from({ length: 100 }, () => 'x'.repeat(100)),
    () => '',
  );
  const lines = written.join('').trimEnd().split('\n');
  expect(lines).toHaveLength(9);
  expect(Math.max(...lines.map(visibleWidth))).toBe(39);
});

test('without a terminal there are occasional plain lines, without escape codes and repetition', () => {
  const { terminal, clock, written, nowMs } = recordingTerminal({ isTTY: false });
  const region = createLiveRegion(terminal, clock);
  for (let step = 0; step < 100; step += 1) {
    nowMs.current += 100;
    region.show(
      () => ['\x1b[31mlive\x1b[0m'],
      () => `at ${Math.floor(nowMs.current / 4_000)}`,
    );
  }
  region.close();
  expect(written).toEqual(['at 0\n', 'at 1\n', 'at 2\n']);
});

test('colours appear only on a terminal, and not with NO_COLOR or TERM=dumb', () => {
  const bold = (isTTY: boolean, environment: Record<string, string>) =>
    recordingTerminal({ isTTY, environment }).terminal.outStyle.bold('x');
  expect(bold(true, {})).toBe('\x1b[1mx\x1b[22m');
  expect(bold(true, { NO_COLOR: '1' })).toBe('x');
  expect(bold(true, { NO_COLOR: '' })).toBe('\x1b[1mx\x1b[22m');
  expect(bold(true, { TERM: 'dumb' })).toBe('x');
  expect(bold(false, {})).toBe('x');
});
