import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createAuthority, issueToDirectory } from './authority-files.ts';
import { validNow } from './identity.fixture.ts';

test('a key that a killed command has half written is removed by the next one', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'authority-'));
  try {
    const leave = (...names: string[]) =>
      Promise.all(names.map(name => writeFile(join(directory, name), 'half')));
    await leave('.tmp-ca-key.pem-1', '.tmp-of-others-1');
    const authority = await createAuthority(directory, 'prod.example.org', validNow());
    expect((await readdir(directory)).sort()).toEqual(['.tmp-of-others-1', 'ca-key.pem', 'ca.pem']);
    await leave('.tmp-key.pem-1');
    const id = '11111111-1111-4111-8111-111111111111';
    const identity = { fleet: 'prod.example.org', kind: 'sled', id } as const;
    await issueToDirectory(authority, { identity, directory, validity: validNow() });
    expect(await readdir(directory)).not.toContain('.tmp-key.pem-1');
  } finally {
    await rm(directory, { recursive: true });
  }
});
