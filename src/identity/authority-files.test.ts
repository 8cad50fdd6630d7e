import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createAuthority, issueToDirectory } from './authority-files.ts';
import { parseCertificates } from './credentials.ts';
import { validNow } from './identity.fixture.ts';
import { issueAuthority } from './issue.ts';

test('while one authority replaces another, a certificate that is issued again leaves the process every authority it trusts', async () => {
  const root = await mkdtemp(join(tmpdir(), 'authority-'));
  try {
    const fleet = 'prod.example.org';
    const [older, newer] = [
      await createAuthority(join(root, 'older'), fleet, validNow()),
      await createAuthority(join(root, 'newer'), fleet, validNow()),
    ];
    const identity = { fleet, kind: 'sled', id: '11111111-1111-4111-8111-111111111111' } as const;
    const issue = (by: typeof older) =>
      issueToDirectory(by, { identity, directory: join(root, 'sled'), validity: validNow() });
    const { authoritiesFile } = await issue(older);
    const trusted = async () =>
      parseCertificates(await readFile(authoritiesFile, 'utf8'), '').map(each => each.fingerprint256);
    const [first, second] = [older.certificate.fingerprint256, newer.certificate.fingerprint256];
    expect(await trusted()).toEqual([first]);
    await issue(newer);
    expect(await trusted(), 'the issuer first').toEqual([second, first]);
    await issue(newer);
    expect(await trusted(), 'each once').toEqual([second, first]);

    const file = join(root, 'newer', 'ca.pem');
    const extra = issueAuthority(fleet, validNow()).certificate;
    await writeFile(file, `${await readFile(file, 'utf8')}${extra.toString()}`);
    await issue(newer);
    expect(await trusted(), 'those in the file of the authority').toEqual([
      second,
      extra.fingerprint256,
      first,
    ]);
  } finally {
    await rm(root, { recursive: true });
  }
});

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
