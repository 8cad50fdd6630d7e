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

test('every command is documented', () => {
  const visit = (command: Command, path: string[]): string[] => {
    const here = [...path, command.name()];
    return command.commands.length === 0
      ? [here.slice(1).join(' ')]
      : command.commands.flatMap(child => visit(child, here));
  };
  const commands = visit(createProgram({ terminal: {} } as never), []);
  const table = operations.split('## Commands')[1]?.split('### ')[0] ?? '';
  for (const command of commands) {
    const [group, name] = command.split(' ');
    const row = table
      .split('\n')
      .find(line => line.includes(`\`${group}`) && (name === undefined || line.includes(name)));
    expect(row, command).toBeDefined();
  }
});
