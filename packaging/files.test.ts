/** What a package for machines has beside the program: examples, units, manual pages, completions. */
import { execFile } from 'node:child_process';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Command } from 'commander';
import { expect, onTestFinished, test } from 'vitest';
import { createProgram } from '../src/cli/program.ts';
import { parseTomlConfig } from '../src/lib/toml-config.ts';
import { NexusConfigFile } from '../src/nexus/process/config.ts';
import { SledAgentFile } from '../src/sled-agent/config.ts';
import { manualPages } from './man-pages.ts';

const run = promisify(execFile);
const root = join(import.meta.dirname, '..');
const read = (path: string) => readFile(join(root, path), 'utf8');

const commentedOut = /^# (\[.*\]|[a-z_]+ = .*)$/gm;

test.each([
  { file: 'nexus.toml', schema: NexusConfigFile, commented: 15 },
  { file: 'sled-agent.toml', schema: SledAgentFile, commented: 10 },
])(
  'the example $file is accepted as it is, and with each commented key',
  async ({ file, schema, commented }) => {
    const text = await read(`packaging/files/examples/${file}`);
    parseTomlConfig(text, file, schema);
    expect([...text.matchAll(commentedOut)].length).toBeGreaterThan(commented);
    parseTomlConfig(text.replace(commentedOut, '$1'), file, schema);
  },
);

test.each(['nexus', 'sled-agent'])('the unit of the %s is exposed by at most 2.0 of 10', async name => {
  const unit = join(root, `packaging/files/systemd/tuf-depot-${name}.service`);
  const analyze = ['security', '--offline=true', '--threshold=20', '--no-pager', unit];
  const outcome = await run('systemd-analyze', analyze).catch(error => error);
  // An older one does not know the option.
  if (outcome.code === 'ENOENT' || /unrecognized option/.test(outcome.stderr)) {
    process.stdout.write('skipped: systemd-analyze 250 or later is not there\n');
    return;
  }
  expect(outcome.stdout).toMatch(/Overall exposure level for .*: [01]\.\d OK/);
});

/** Flags as a manual page has them. */
const inRoff = (text: string) => text.replaceAll('-', '\\-');

test('each command has a manual page, or a part of one, with each of its options and an example', async () => {
  const program = await createProgram({ terminal: {} } as never);
  const pages = new Map(manualPages(program).map(({ name, text }) => [name, text]));
  const missing: string[] = [];
  const visit = (command: Command, path: readonly string[]): void => {
    const page = pages.get(`tuf-depot-${path[0]}.1`) ?? '';
    const title = `tuf-depot ${path.join(' ')}`;
    const section =
      path.length === 1 ? page : (page.split(`.SS ${inRoff(title)}\n`)[1] ?? '').split('.SS ')[0]!;
    for (const { flags, hidden } of command.options)
      if (!hidden && !section.includes(`\\fB${inRoff(flags)}\\fR`)) missing.push(`${title} ${flags}`);
    if (command.commands.length === 0 && !section.includes(`$ tuf\\-depot ${inRoff(path[0]!)}`))
      missing.push(`${title}: example`);
    for (const child of command.commands) visit(child, [...path, child.name()]);
  };
  for (const command of program.commands) if (command.name() !== 'complete') visit(command, [command.name()]);
  expect(missing).toEqual([]);
  expect(pages.get('tuf-depot.1')).toContain('Exit codes');
  expect([...pages.keys()]).not.toContain('tuf-depot-complete.1');
});

test('bash completes what the program offers, and paths by itself', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'tuf-depot-completion-'));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  const program = join(directory, 'tuf-depot');
  await writeFile(
    program,
    '#!/bin/sh\ncase "$*" in *show*) echo "1.2.0 a file"; echo 1.3.0 ;; *) echo :files ;; esac\n',
  );
  await chmod(program, 0o755);
  const complete = async (words: string) => {
    const script = `. packaging/files/completions/tuf-depot.bash; compopt() { :; }
      COMP_WORDS=(tuf-depot ${words}); COMP_CWORD=$(( \${#COMP_WORDS[@]} - 1 )); _tuf_depot; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const env = { PATH: `${directory}:${process.env.PATH}` };
    return (await run('bash', ['-c', script], { cwd: root, env })).stdout.trim().split('\n');
  };
  expect(await complete("repo show ''")).toEqual(['1.2.0', '1.3.0']);
  expect(await complete('repo upload package-l')).toEqual(['package-lock.json']);
});

test('the page of the installation has whole commands, and names the package of this version', async () => {
  const page = await read('docs/install.md');
  const { version } = JSON.parse(await read('package.json'));
  const blocks = [...page.matchAll(/^```bash\n([\s\S]*?)^```$/gm)].map(([, block]) => block!);
  expect(blocks.length).toBeGreaterThan(8);
  for (const block of blocks) await run('bash', ['-n', '-c', block]);
  for (const [, named] of page.matchAll(/tuf-depot_(.*?)_/g)) expect(named).toBe(version);
});
