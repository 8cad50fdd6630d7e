/**
 * What may stand at the cursor of a command line: an option, a subcommand, or a value that an option or the command awaits.
 *
 *     words before the cursor ─▶ command, its options so far ─▶ what the word at the cursor may be
 */
import type { Argument, Command, Option } from 'commander';

export type Offer = { readonly word: string; readonly about: string };

export type Cursor = {
  /** The words of the command: `repo show`. */
  readonly path: string;
  /** What is typed of the word so far, without the option that stands before it in `--option=value`. */
  readonly typed: string;
  /** What stands before `typed` in the same word: `--option=`. */
  readonly before: string;
  /** Options and subcommands that begin with what is typed. */
  readonly offers: readonly Offer[];
  /** The value that is awaited, by the name that the help gives it, and the option that awaits it. */
  readonly value: { readonly name: string; readonly option?: string } | undefined;
  /** The values of options that are on the line, by their name without dashes. */
  readonly given: ReadonlyMap<string, string>;
};

const takesValue = (option: Option): boolean => option.required || option.optional;

/** `--key <[role=]file>` awaits a file. */
const valueName = (option: Option): string => /[<[](?:\[.*\])?(.*)[>\]]$/.exec(option.flags)?.[1] ?? '';

const findOption = (command: Command, word: string): Option | undefined =>
  command.options.find(option => option.long === word || option.short === word);

type Place = {
  command: Command;
  path: string[];
  operands: number;
  awaiting: Option | undefined;
  given: Map<string, string>;
};

const step = (place: Place, word: string): void => {
  const { command, awaiting, given } = place;
  if (awaiting !== undefined) {
    given.set(awaiting.name(), word);
    place.awaiting = undefined;
    return;
  }
  if (word.startsWith('-') && word !== '-') {
    const [name = '', ...value] = word.split('=');
    const option = findOption(command, name);
    if (option === undefined || !takesValue(option)) return;
    if (value.length > 0) given.set(option.name(), value.join('='));
    else place.awaiting = option;
    return;
  }
  const child = place.operands === 0 ? command.commands.find(each => each.name() === word) : undefined;
  if (child === undefined) place.operands += 1;
  else {
    place.command = child;
    place.path.push(word);
  }
};

const argumentAt = ({ registeredArguments: all }: Command, index: number): Argument | undefined =>
  all[index] ?? (all.at(-1)?.variadic === true ? all.at(-1) : undefined);

const optionOffers = (command: Command): Offer[] =>
  command
    .createHelp()
    .visibleOptions(command)
    .flatMap(({ long, description }) => (long == null ? [] : [{ word: long, about: description }]));

const commandOffers = (command: Command): Offer[] =>
  command
    .createHelp()
    .visibleCommands(command)
    .map(each => ({ word: each.name(), about: each.description() }));

/**
 * @param words after the name of the program; the last one is at the cursor, and may be empty. Bash makes a word of each `=`
 */
export const wordAtCursor = (program: Command, words: readonly string[]): Cursor => {
  const rest = words.filter((word, at) => word !== '=' || !words[at - 1]?.startsWith('--'));
  const last = words.at(-1) === '=' ? '' : (rest.pop() ?? '');
  const place: Place = { command: program, path: [], operands: 0, awaiting: undefined, given: new Map() };
  for (const word of rest) step(place, word);
  const { command, path, operands, awaiting, given } = place;
  const found = { path: path.join(' '), given, before: '', typed: last, offers: [], value: undefined };
  if (awaiting !== undefined)
    return { ...found, value: { name: valueName(awaiting), option: `--${awaiting.name()}` } };
  const [, name = '', typed] = /^(--[^=]+)=(.*)$/s.exec(last) ?? [];
  const option = findOption(command, name);
  if (typed !== undefined)
    return {
      ...{ ...found, typed, before: `${name}=` },
      value: option && { name: valueName(option), option: name },
    };
  const begins = ({ word }: Offer): boolean => word.startsWith(last);
  if (last.startsWith('-')) return { ...found, offers: optionOffers(command).filter(begins) };
  const argument = argumentAt(command, operands);
  return {
    ...found,
    offers: operands === 0 ? commandOffers(command).filter(begins) : [],
    value: argument && { name: argument.name() },
  };
};
