import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { memoryFile } from '../archive/hand-made-zip.fixture.ts';
import { writeRepositoryArchive } from '../signing/assemble.ts';
import { createRoot, keysForAllRoles } from '../signing/sign-metadata.ts';
import { generateSigningKey } from '../signing/signing-keys.ts';
import { verifyRoots } from './verify-roots.ts';

const root = (version: number) =>
  createRoot({
    keys: keysForAllRoles([generateSigningKey()]),
    version,
    expiresMs: Date.UTC(2100, 0, 1),
    consistentSnapshot: false,
  });

test('an archive of roots that continues no trust root is refused with the reason of each', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'tuf-depot-roots-'));
  const path = join(directory, 'roots.zip');
  await writeRepositoryArchive({ metadata: new Map([['2.root.json', root(2)]]), targets: new Map() }, path);
  const trustRoots = [
    { id: 'first', bytes: root(1) },
    { id: 'unusable', bytes: Buffer.from('{}') },
  ];
  const signal = new AbortController().signal;
  const refused = verifyRoots(memoryFile(await readFile(path)), { trustRoots, nowMs: 0 }, { signal });
  await expect(refused).rejects.toMatchObject({
    message: expect.stringMatching(/tried 2\); by first: .*no signature by .*; by unusable: .*"signed"/),
  });
  await rm(directory, { recursive: true });
});
