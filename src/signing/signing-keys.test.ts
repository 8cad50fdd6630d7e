import { generateKeyPairSync } from 'node:crypto';
import { chmod, mkdtemp, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { SPECIFIED_SIGNATURES } from '../tuf/signature-policy.ts';
import { parseSelfSignedRoot } from '../tuf/trusted-set.ts';
import { createRoot, keysForAllRoles, rotateRoot } from './sign-metadata.ts';
import {
  generateSigningKey,
  readSigningKey,
  SIGNING_KEY_TYPES,
  signingKeyFromPem,
  writeSigningKey,
} from './signing-keys.ts';

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'tuf-depot-keys-'));
});
afterAll(() => rm(directory, { recursive: true }));

const EXPIRES_MS = Date.UTC(2100, 0, 1);

describe.each(SIGNING_KEY_TYPES)('a key of type %s', type => {
  test('comes back from its file as it was, and only its owner can read it', async () => {
    const path = join(directory, `${type}.pem`);
    const key = generateSigningKey(type);
    await writeSigningKey(path, key);
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    const { sign: _, ...read } = await readSigningKey(path);
    expect(read).toEqual({ type, keyId: key.keyId, listed: key.listed, privatePem: key.privatePem });
  });

  test('signs roots that verify', () => {
    const keys = keysForAllRoles([generateSigningKey(type)]);
    const root = createRoot({ keys, version: 1, expiresMs: EXPIRES_MS, consistentSnapshot: true });
    expect(parseSelfSignedRoot(root, SPECIFIED_SIGNATURES).signed.version).toBe(1);
  });
});

test('a key file is never overwritten', async () => {
  const path = join(directory, 'once.pem');
  const first = generateSigningKey();
  await writeSigningKey(path, first);
  await expect(writeSigningKey(path, generateSigningKey())).rejects.toThrow(/never overwritten/);
  expect((await readSigningKey(path)).keyId).toBe(first.keyId);
});

test('a key file that others can read is refused with the remedy', async () => {
  const path = join(directory, 'open.pem');
  await writeSigningKey(path, generateSigningKey());
  await chmod(path, 0o644);
  await expect(readSigningKey(path)).rejects.toMatchObject({
    code: 'SIGNING_KEY_INVALID',
    message: expect.stringContaining(`chmod 600 ${path}`),
  });
});

test('a file without a key is refused by name', async () => {
  await expect(readSigningKey(join(directory, 'absent.pem'))).rejects.toThrow(/absent\.pem cannot be read/);
  const path = join(directory, 'text.pem');
  await writeFile(path, 'no key', { mode: 0o600 });
  await expect(readSigningKey(path)).rejects.toThrow(/text\.pem holds no usable key/);
  const x25519 = generateKeyPairSync('x25519').privateKey.export({ format: 'pem', type: 'pkcs8' }) as string;
  expect(() => signingKeyFromPem(x25519)).toThrow(/type x25519 cannot sign/);
});

test('a rotated root is signed by the old keys and the new ones', () => {
  const [old, next] = [keysForAllRoles([generateSigningKey()]), keysForAllRoles([generateSigningKey()])];
  const first = createRoot({ keys: old, version: 1, expiresMs: EXPIRES_MS, consistentSnapshot: true });
  const second = rotateRoot(
    { bytes: first, keys: old.root.keys },
    { keys: next, expiresMs: EXPIRES_MS, consistentSnapshot: true },
  );
  const { signed, signatures } = parseSelfSignedRoot(second, SPECIFIED_SIGNATURES);
  expect(signed.version).toBe(2);
  expect([...signatures.keys()]).toEqual([...old.root.keys, ...next.root.keys].map(key => key.keyId));
});
