import type { Command } from 'commander';
import type { SourceView } from '../../api/operator-source-api.ts';
import type { ErrorCode } from '../../lib/error-codes.ts';
import { errorCodes } from '../../lib/error-codes.ts';
import { DepotError } from '../../lib/errors.ts';
import { type RemoteOptions, withRemoteOptions } from '../connection/connection.ts';
import { type Depot, withDepot } from '../connection/depot-client.ts';
import { checkLines } from '../output/check-lines.ts';
import { createLiveRegion } from '../output/live-region.ts';
import { printable } from '../output/style.ts';
import { createTransferMeter, transferLine } from '../output/transfer.ts';
import { present, type Session } from '../session/session.ts';

const BAR_CELLS = 28;
const POLL_MS = 250;

export const addRepoSync = (parent: Command, session: Session): void => {
  withRemoteOptions(
    parent
      .command('sync')
      .description('have Nexus fetch a repository from a server; a new version becomes a release')
      .argument('<source>', 'the address above metadata/ and targets/, or the name of a [[source]]'),
    'tuf-depot repo sync https://example.com/repo',
  ).action(async (source: string, options: RemoteOptions) => {
    await withDepot(session, options, async depot => {
      const { name } = await depot.sources.sourceSync({ body: { source } });
      const view = await follow(session, depot, name);
      if (view.state !== 'current') throw refused(session, options, view);
      present(session, options, view, () => [outcomeText(view)]);
    });
  });
};

/** When the command is interrupted, Nexus continues. */
const follow = async (session: Session, depot: Depot, name: string): Promise<SourceView> => {
  const { clock, terminal, signal } = session;
  const meter = createTransferMeter(clock.monotonicMs());
  const region = createLiveRegion(terminal, clock);
  try {
    for (;;) {
      const view = await depot.sources.sourceView({ params: { name } });
      if (isOver(view)) return view;
      const { fetching } = view;
      if (fetching !== undefined) {
        const nowMs = clock.monotonicMs();
        meter.record(Math.max(0, fetching.done_bytes - meter.bytes()), nowMs);
        const line = (barCells: number) =>
          `fetching ${printable(fetching.system_version)}  ${transferLine(
            { bytes: fetching.done_bytes, totalBytes: fetching.total_bytes, rate: meter.rate(nowMs) },
            barCells,
          )}`;
        region.show(
          () => [line(BAR_CELLS)],
          () => line(0),
        );
      }
      await clock.sleep(POLL_MS, { signal });
    }
  } finally {
    region.close();
  }
};

/** In a state that this version does not know it goes on, until there is an error. */
const isOver = ({ state, error }: SourceView): boolean =>
  FINAL_STATES.has(state) || (!GOING_ON.has(state) && error !== undefined);

const FINAL_STATES: ReadonlySet<string> = new Set(['current', 'refused', 'failed']);
const GOING_ON: ReadonlySet<string> = new Set(['syncing', 'waiting']);

const outcomeText = ({ name, system_version, deleted_here, fetched_again }: SourceView): string => {
  if (deleted_here === true)
    return `${name}: has release ${system_version}, which was deleted here and is not fetched again`;
  const again = fetched_again === true ? ' again: retention had deleted it' : '';
  return `${name}: release ${system_version} is recorded${again}`;
};

const refused = (session: Session, options: RemoteOptions, view: SourceView): unknown => {
  const { name, error } = view;
  if (error === undefined) return new DepotError('PEER_BAD_ANSWER', `source ${name} reports no outcome`);
  if (error.report.length > 0)
    present(session, options, view, () => checkLines(error.report, session.terminal.outStyle));
  const code: ErrorCode = Object.hasOwn(errorCodes, error.code) ? (error.code as ErrorCode) : 'INTERNAL';
  return new DepotError(code, `source ${name}: ${error.message}`);
};
