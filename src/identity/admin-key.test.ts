import { createPrivateKey, generateKeyPairSync, sign } from 'node:crypto';
import { chmod, mkdtemp, readFile, rm, stat, unlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { asGeneration } from '../core/ids.ts';
import { type Statement, statementText } from '../core/statement.ts';
import {
  type AdminKey,
  adminKeyPaths,
  generateAdminKey,
  makeAdminKey,
  NO_ADMIN_KEYS,
  pinnedKey,
  publicKeyPem,
  readAdminKey,
  readAdminPublicKey,
  signStatement,
  verifyStatement,
} from './admin-key.ts';

let directory: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'admin-key-'));
});
afterEach(() => rm(directory, { recursive: true }));

const fleet = 'test.example';
const statement: Statement = {
  kind: 'allow_deletion',
  point: { generation: asGeneration(7), digest: 'a'.repeat(64) },
  fleet,
  id: '00000000-0000-4000-8000-000000000001',
  time: '2026-01-01T00:00:00.000Z',
};
const keysOf = (...keys: AdminKey[]) => ({ list: () => keys });
const p256Key = (): AdminKey => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { ...pinnedKey(publicKey), privateKey };
};

test.each([
  ['Ed25519', generateAdminKey()],
  ['P-256', p256Key()],
])('a statement that a key of %s signed is verified by this key alone (ADK1)', (_name, key) => {
  const signed = signStatement(statement, key);
  expect(verifyStatement(signed, { keys: keysOf(generateAdminKey(), key), fleet })).toEqual({
    kind: 'verified',
    signed,
    statement,
  });
  expect(verifyStatement(signed, { keys: keysOf(generateAdminKey()), fleet })).toMatchObject({
    kind: 'refused',
    reason: `the admin key ${key.digest}, which should have signed it, is not pinned here`,
  });
  expect(verifyStatement(signed, { keys: NO_ADMIN_KEYS, fleet })).toMatchObject({ kind: 'refused' });
});

test('a statement of another key under the name of a pinned one, with another text, or of another fleet is refused (ADK2)', () => {
  const [key, other] = [generateAdminKey(), generateAdminKey()];
  const signed = signStatement(statement, key);
  const text = signed.statement.replace('"7:', '"8:');
  const refused = [
    { ...signStatement(statement, other), key: key.digest },
    { ...signed, statement: text },
    { ...signed, signature: 'AAAA' },
    { ...signed, signature: '' },
    signStatement({ ...statement, fleet: 'other.example' }, key),
  ];
  for (const each of refused)
    expect(verifyStatement(each, { keys: keysOf(key, other), fleet })).toMatchObject({ kind: 'refused' });
});

test('a signature over the text alone is not one of a statement (ADK3)', () => {
  const key = generateAdminKey();
  const text = statementText(statement);
  const signature = sign(null, Buffer.from(text), key.privateKey).toString('base64');
  expect(
    verifyStatement({ statement: text, signature, key: key.digest }, { keys: keysOf(key), fleet }),
  ).toMatchObject({ kind: 'refused', reason: `the admin key ${key.digest} has not signed this text` });
});

test('a key is made once, its private file for its owner alone, and a public file that is lost is written again (ADK4)', async () => {
  const { keyFile, publicKeyFile } = adminKeyPaths(directory);
  const made = await makeAdminKey(directory);
  expect((await stat(keyFile)).mode & 0o777).toBe(0o600);
  expect((await readAdminPublicKey(publicKeyFile)).digest).toBe(made.digest);
  await unlink(publicKeyFile);
  expect((await makeAdminKey(directory)).digest).toBe(made.digest);
  expect(await readFile(publicKeyFile, 'utf8')).toBe(publicKeyPem(made));
  expect((await readAdminKey(keyFile)).digest).toBe(made.digest);
});

test('a file that others can read, a private key in place of a public one and a key of another kind are refused by name', async () => {
  const { keyFile } = adminKeyPaths(directory);
  await makeAdminKey(directory);
  await expect(readAdminPublicKey(keyFile)).rejects.toThrow(`${keyFile} has a private key`);
  await chmod(keyFile, 0o640);
  await expect(readAdminKey(keyFile)).rejects.toThrow(`${keyFile} can be read by other users`);
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
  const pem = createPrivateKey(rsa.export({ type: 'pkcs8', format: 'pem' })).export({
    type: 'pkcs8',
    format: 'pem',
  });
  const file = join(directory, 'rsa.pem');
  await writeFile(file, pem, { mode: 0o600 });
  await expect(readAdminKey(file)).rejects.toThrow('neither an Ed25519 key nor one on the curve P-256');
  await expect(readAdminKey(join(directory, 'absent.pem'))).rejects.toThrow('is not there');
});
