/** The program that a command line asks for. Each command has its own file, which `command-table.ts` names. */
import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { GROUPS, type Group, SINGLE_COMMANDS } from './command-table.ts';
import type { Session } from './session/session.ts';

const VERSION_FLAG = '--version';
/** What the completions of the shells ask: of all commands it alone needs the others. */
const COMPLETE = 'complete';

const EXIT_CODE_HELP = `
Exit codes: 0 ok, 1 failed or refused, 2 wrong usage, 3 timed out, 130 interrupted;
status: 0 ok, 4 converging, 5 degraded, 1 failed.

First steps:
  $ tuf-depot demo           a fleet on this machine, from upload to clean-up, in a minute
  $ tuf-depot start          a fleet on this machine, to keep`;

/** What a command line may need: groups, each with some of its commands, and single commands. */
type Chosen = {
  readonly groups: readonly Group[];
  readonly singles: readonly (keyof typeof SINGLE_COMMANDS)[];
  readonly complete?: true;
};

const EVERYTHING: Chosen = { groups: GROUPS, singles: Object.keys(SINGLE_COMMANDS), complete: true };

/** By its first words. Where they name no command the answer is help or a suggestion, which is of all. */
const chosenBy = ([first = '', second = '', ...more]: readonly string[]): Chosen => {
  if (first === VERSION_FLAG && second === '' && more.length === 0) return { groups: [], singles: [] };
  if (first === COMPLETE) return { groups: [], singles: [], complete: true };
  const group = GROUPS.find(({ name }) => name === first);
  if (group !== undefined) {
    const load = Object.hasOwn(group.commands, second) ? group.commands[second] : undefined;
    return { groups: [load === undefined ? group : { ...group, commands: { [second]: load } }], singles: [] };
  }
  return Object.hasOwn(SINGLE_COMMANDS, first) ? { groups: [], singles: [first] } : EVERYTHING;
};

/** The same distance from src/ and from dist/. */
const packageVersion = (): string => {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
};

/**
 * Throws CommanderError instead of ending the process.
 *
 * @param args what will be parsed: only the commands that it may need are loaded and added. All, if absent
 */
export const createProgram = async (session: Session, args?: readonly string[]): Promise<Command> => {
  const program = new Command('tuf-depot')
    .description(
      'Brings every artifact of a signed TUF release to every machine of a fleet, verified, and keeps it there.',
    )
    .version(packageVersion(), VERSION_FLAG, 'print the version')
    .addHelpText('after', EXIT_CODE_HELP)
    .exitOverride()
    .showSuggestionAfterError()
    .showHelpAfterError('fix: --help shows how it is called')
    .enablePositionalOptions()
    .configureOutput({
      writeOut: text => session.terminal.print(text.replace(/\n$/, '')),
      writeErr: text => session.terminal.note(text.replace(/\n$/, '')),
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    });
  const { groups, singles, complete } = args === undefined ? EVERYTHING : chosenBy(args);
  for (const { name, description, run, commands } of groups) {
    const group = program.command(name).description(description);
    for (const load of [...(run === undefined ? [] : [run]), ...Object.values(commands)])
      (await load())(group, session);
  }
  for (const name of singles) (await SINGLE_COMMANDS[name]?.())?.(program, session);
  if (complete === true)
    (await import('./commands/complete.ts')).addComplete(program, session, words =>
      createProgram(session, words),
    );
  return program;
};
