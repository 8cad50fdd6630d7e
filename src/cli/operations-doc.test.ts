import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { NexusConfigFile } from '../nexus/process/config.ts';
import { SledAgentFile } from '../sled-agent/config.ts';
import { createProgram } from './program.ts';
import { exitCodes } from './session/exit-code.ts';

const operations = await readFile(new URL('../../docs/operations.md', import.meta.url), 'utf8');

/** `a.b` for every key of a configuration file, with its default as the document writes it. */
const keysOf = (schema: z.ZodObject): Map<string, string> => {
  const properties = z.toJSONSchema(schema, { io: 'input' }).properties ?? {};
  const keys = Object.entries(properties).flatMap(([key, value]) => {
    if (typeof value !== 'object') return [];
    const { items } = value;
    const inner = value.properties ?? (Array.isArray(items) ? undefined : Object(items).properties);
    return inner === undefined
      ? [[key, value.default] as const]
      : Object.entries(inner).map(([name, field]) => [`${key}.${name}`, Object(field).default] as const);
  });
  return new Map(keys.map(([key, value]) => [key, defaultText(key, value)]));
};

const defaultText = (key: string, value: unknown): string => {
  if (value === undefined) return '';
  if (typeof value !== 'number') return `\`${value}\``;
  return key.endsWith('_bytes') ? `${value / 1024 ** 3} GiB` : String(value);
};

const section = (title: string): string => operations.split(`### ${title}\n`)[1]?.split(/\n##/)[0] ?? '';

/** Rows that explain several keys list their defaults in the same order. */
const documentedKeys = (title: string): Map<string, string> => {
  const rows = section(title).matchAll(/^\| (`[^|]*) \|([^|]*)\|/gm);
  return new Map(
    [...rows].flatMap(([, keys, defaults]) => {
      const values = defaults!.split(',').map(text => text.trim());
      return keys!.split(', ').map((key, index) => [key.replaceAll('`', ''), values[index] ?? ''] as const);
    }),
  );
};

test('every key of the configuration files is documented with its default, and no other', () => {
  const derived = { sled_id: 'from part and serial' };
  expect(documentedKeys('nexus.toml')).toEqual(keysOf(NexusConfigFile));
  const sledKeys = new Map([...keysOf(SledAgentFile), ...Object.entries(derived)]);
  expect(documentedKeys('sled-agent.toml')).toEqual(sledKeys);
});

test('every exit code is documented, and no other', () => {
  const documented = [...section('Exit codes').matchAll(/^\| (\d+) \|/gm)].map(match => Number(match[1]));
  expect(documented.toSorted((a, b) => a - b)).toEqual(Object.values(exitCodes));
});

test('every command is documented', async () => {
  const visit = (command: Command, path: string[]): string[] => {
    const here = [...path, command.name()];
    return command.commands.length === 0
      ? [here.slice(1).join(' ')]
      : command.commands.flatMap(child => visit(child, here));
  };
  const commands = visit(await createProgram({ terminal: {} } as never), []);
  const table = operations.split('## Commands')[1]?.split('### ')[0] ?? '';
  for (const command of commands) {
    const [group, name] = command.split(' ');
    const row = table
      .split('\n')
      .find(line => line.includes(`\`${group}`) && (name === undefined || line.includes(name)));
    expect(row, command).toBeDefined();
  }
});

/** The code of a page: lines of blocks, continued ones as one, and spans. */
const codeOf = (page: string): string[] => {
  const blocks = [...page.matchAll(/^ *```[a-z]*\n([\s\S]*?)^ *```$/gm)].map(([, block]) => block!);
  const spans = [...page.replace(/^ *```[a-z]*\n[\s\S]*?^ *```$/gm, '').matchAll(/`([^`]+)`/g)].map(
    ([, span]) => span!,
  );
  return [...blocks.flatMap(block => block.replaceAll(/\\\n */g, '').split('\n')), ...spans];
};

/** The commands in a line or a span: after the name of the program, or a span that is a command alone. */
const commandsIn = (code: string, program: Command): string[][] => {
  const named = [...code.matchAll(/(?:^|[ `$(]|\.\/)tuf-depot ([a-z][^|;&)#>]*)/g)].map(
    ([, words]) => words!,
  );
  const alone = program.commands.some(command => code.startsWith(`${command.name()} `)) ? [code] : [];
  return [...named, ...alone].map(text => text.trim().split(/[ ,]+/));
};

/** What is wrong with words that should be a command and its options. */
const faultOf = (words: readonly string[], program: Command): string | undefined => {
  const path: Command[] = [program];
  for (const word of words) {
    const next = path.at(-1)!.commands.find(command => command.name() === word);
    if (next !== undefined) path.push(next);
    else if (!word.startsWith('-')) break;
  }
  const last = path.at(-1)!;
  const following = words[path.length - 1];
  if (path.length === 1) return 'no such command';
  if (
    last.commands.length > 0 &&
    following !== undefined &&
    /^[a-z-]+$/.test(following) &&
    !following.startsWith('-')
  )
    return `no such command: ${following}`;
  const known = new Set(path.flatMap(({ options }) => options.flatMap(({ long, short }) => [long, short])));
  const unknown = words.filter(
    word => /^--?[a-z]/.test(word) && word !== '--help' && !known.has(word.split('=')[0]!),
  );
  return unknown.length === 0 ? undefined : `no option ${unknown.join(', ')}`;
};

test('every command that a page shows exists, with each of its options', async () => {
  const program = await createProgram({ terminal: {} } as never);
  const pages = [
    'README.md',
    'SECURITY.md',
    'CONTRIBUTING.md',
    'docs/install.md',
    'docs/operations.md',
    'docs/errors.md',
    'docs/tuf.md',
  ];
  const faults: string[] = [];
  let commands = 0;
  for (const path of pages) {
    const page = await readFile(new URL(`../../${path}`, import.meta.url), 'utf8');
    for (const words of codeOf(page).flatMap(code => commandsIn(code, program))) {
      commands += 1;
      const fault = faultOf(words, program);
      if (fault !== undefined) faults.push(`${path}: tuf-depot ${words.join(' ')}: ${fault}`);
    }
  }
  expect(faults).toEqual([]);
  expect(commands).toBeGreaterThan(200);
});
