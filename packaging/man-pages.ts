/**
 * A manual page for tuf-depot, and one for each of its commands, from the same definitions as `--help`.
 *
 *     commands ─▶ sections: what it does, its arguments, its options, examples ─▶ roff
 */
import type { Command } from 'commander';

export type ManualPage = { readonly name: string; readonly text: string };

/** roff has its own meaning for backslashes, and for dots and quotes that begin a line. */
const escaped = (text: string): string =>
  text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^(['.])/gm, '\\&$1');

const tagged = (tag: string, text: string): string => `.TP\n\\fB${escaped(tag)}\\fR\n${escaped(text)}`;

const section = (title: string, lines: readonly string[]): string[] =>
  lines.length === 0 ? [] : [`.SH ${title}`, ...lines];

const pathOf = (command: Command): string =>
  command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`;

/** What the help has after its own parts: examples, and for the whole program exit codes. */
const textAfterHelp = (command: Command): string => {
  const written: string[] = [];
  command.configureOutput({ writeOut: text => written.push(text) });
  command.outputHelp();
  return written.slice(1).join('').trim();
};

const usageOf = (command: Command): string =>
  escaped(
    `${pathOf(command)} ${command.createHelp().commandUsage(command).split(' ').slice(pathOf(command).split(' ').length).join(' ')}`.trim(),
  );

const optionsOf = (command: Command): string[] =>
  command
    .createHelp()
    .visibleOptions(command)
    .map(option => tagged(option.flags, option.description));

const argumentsOf = (command: Command): string[] =>
  command.registeredArguments.map(argument => tagged(argument.name(), argument.description));

const childrenOf = (command: Command): readonly Command[] =>
  command
    .createHelp()
    .visibleCommands(command)
    .filter(child => child.name() !== 'help');

const examplesOf = (command: Command): string[] => {
  const after = textAfterHelp(command).replace(/^Example:\n/, '');
  return after === '' ? [] : ['.nf', escaped(after), '.fi'];
};

/** A subcommand, as a part of the page of its command. */
const subcommand = (command: Command): string[] => [
  `.SS ${escaped(pathOf(command))}`,
  escaped(command.description()),
  '.PP',
  usageOf(command),
  ...argumentsOf(command),
  ...optionsOf(command),
  ...(examplesOf(command).length === 0 ? [] : ['.PP', ...examplesOf(command)]),
];

const pageOf = (command: Command, seeAlso: readonly string[]): ManualPage => {
  const name = pathOf(command).replaceAll(' ', '-');
  const children = command.parent === null ? [] : childrenOf(command);
  const title = `.TH ${name.toUpperCase()} 1 "" "tuf-depot" "User Commands"`;
  const lines = [
    title,
    ...section('NAME', [`${escaped(name)} \\- ${escaped(command.description())}`]),
    ...section('SYNOPSIS', [usageOf(command)]),
    ...section('OPTIONS', [...argumentsOf(command), ...optionsOf(command)]),
    ...section('COMMANDS', [
      ...(command.parent === null
        ? childrenOf(command).map(child => tagged(child.name(), child.description()))
        : children.flatMap(subcommand)),
    ]),
    ...section('EXAMPLES', examplesOf(command)),
    ...section('SEE ALSO', [seeAlso.map(each => `.BR ${escaped(each)} (1)`).join('\n')]),
  ];
  return { name: `${name}.1`, text: `${lines.join('\n')}\n` };
};

/** @param program with every command */
export const manualPages = (program: Command): ManualPage[] => {
  const commands = childrenOf(program);
  return [
    pageOf(
      program,
      commands.map(command => pathOf(command).replaceAll(' ', '-')),
    ),
    ...commands.map(command => pageOf(command, [program.name()])),
  ];
};
