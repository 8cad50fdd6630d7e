import { createHash } from 'node:crypto';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { ArtifactHash } from '../../core/ids.ts';
import { systemClock } from '../../lib/clock.ts';
import { createTerminal } from '../output/terminal.ts';
import type { Session } from '../session/session.ts';
import { auditStep } from './audit-step.ts';
import { createNarrator } from './narrator.ts';

const hashOf = (text: string): ArtifactHash =>
  ArtifactHash.parse(createHash('sha256').update(text).digest('hex'));

/** The audit of a sled whose two datasets hold these files, while `a` is expected. */
const audit = async (...datasets: readonly Readonly<Record<string, string>>[]) => {
  const root = await mkdtemp(join(tmpdir(), 'tuf-depot-audit-'));
  onTestFinished(() => rm(root, { recursive: true, force: true }));
  const directories = datasets.map((_, index) => join(root, `m2-${index}`));
  for (const [index, files] of datasets.entries()) {
    await mkdir(directories[index]!);
    for (const [name, content] of Object.entries(files))
      await writeFile(join(directories[index]!, name), content);
  }
  const written: string[] = [];
  const terminal = createTerminal({ write: text => written.push(text) }, { write: () => true }, {});
  const session = { terminal, clock: systemClock, signal: new AbortController().signal } as Session;
  const narrator = createNarrator(session, { json: false, steps: 1 });
  const sleds = [{ name: 'sled-1', datasets: directories }];
  const outcome = await auditStep(session, narrator, sleds, {
    hashes: new Set([hashOf('a')]),
    bytes: 1,
  }).catch((error: unknown) => error);
  return { outcome, table: written.join('') };
};

test('the demo succeeds when every dataset holds exactly what it should (DM1)', async () => {
  const good = { [hashOf('a')]: 'a' };
  const { outcome, table } = await audit(good, good);
  expect(outcome).toMatchObject({ ok: true, hashedBytes: 2 });
  expect(table).toMatch(/sled-1 +m2-0 +1\/1 +1 B +0 +0 +0 +✓\n.*sled-1 +m2-1 +1\/1 +1 B +0 +0 +0 +✓/);
});

test.for([
  ['missing', {}],
  ['corrupt', { [hashOf('a')]: 'b' }],
  ['unexpected', { [hashOf('a')]: 'a', [hashOf('old')]: 'old' }],
] as const)(
  'the demo fails because of one %s file on one dataset, and says where (DM1)',
  async ([what, files]) => {
    const { outcome, table } = await audit({ [hashOf('a')]: 'a' }, files);
    expect(outcome).toMatchObject({
      code: 'DEMO_FAILED',
      message: expect.stringMatching(`m2-1 are wrong: 1 ${what}`),
    });
    expect(table).toContain('✗');
  },
);
