/**
 * The admin key of a fleet: a person keeps it, and statements that it signs count more than the word of a Nexus.
 *
 *     admin-key.pem (private, 0600, with the person) ─▶ sign ─▶ statement ─▶ verify ◀─ admin-key.pub.pem (Nexus, sleds)
 *
 * ADK1. Ed25519, as it is made here, or ECDSA on P-256 with SHA-256, as hardware has it. No other key counts.
 * ADK2. A key is known by the SHA-256 of its SubjectPublicKeyInfo. A statement names its key, and only this key verifies it.
 * ADK3. What is signed begins with a line of its own, so that no other signature of the same key is one of a statement.
 * ADK4. A key is made once and never overwritten: sleds that pinned it would believe no statement of another one.
 */
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto';
import { stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import {
  parseStatement,
  type SignedStatement,
  type Statement,
  type StatementEntry,
  statementText,
} from '../core/statement.ts';
import { readFileWhole, removeTemporaryFiles, writeFileDurably } from '../lib/durable-file.ts';
import { DepotError } from '../lib/errors.ts';
import { makeDirectories, realDisk } from '../lib/real-disk.ts';

/** A public key that this process believes. */
export type PinnedKey = {
  /** SHA-256 of the SubjectPublicKeyInfo, in hex. */
  readonly digest: string;
  readonly publicKey: KeyObject;
};
/** Those pinned here; none where the word of a Nexus counts. */
export type AdminKeys = { readonly list: () => readonly PinnedKey[] };
export const NO_ADMIN_KEYS: AdminKeys = { list: () => [] };

/** With the private part: of the person. */
export type AdminKey = PinnedKey & { readonly privateKey: KeyObject };

const MAX_FILE_BYTES = 16 * 1024;
const CONTEXT = 'tuf-depot statement\n';

export const adminKeyPaths = (directory: string) => ({
  keyFile: join(directory, 'admin-key.pem'),
  publicKeyFile: join(directory, 'admin-key.pub.pem'),
});

export const generateAdminKey = (): AdminKey => adminKeyOf(generateKeyPairSync('ed25519').privateKey);

const adminKeyOf = (privateKey: KeyObject): AdminKey => ({
  ...pinnedKey(createPublicKey(privateKey)),
  privateKey,
});

export const pinnedKey = (publicKey: KeyObject): PinnedKey => ({
  digest: createHash('sha256')
    .update(publicKey.export({ type: 'spki', format: 'der' }))
    .digest('hex'),
  publicKey,
});

export const publicKeyPem = ({ publicKey }: PinnedKey): string =>
  publicKey.export({ type: 'spki', format: 'pem' }).toString();

/** Makes the pair of files, or completes it after a crash (ADK4). @throws DepotError `CONFIG_INVALID` naming the file */
export const makeAdminKey = async (directory: string): Promise<AdminKey> => {
  const { keyFile, publicKeyFile } = adminKeyPaths(directory);
  await makeDirectories(directory, { mode: 0o700 });
  await removeTemporaryFiles(directory, { of: basename(keyFile) });
  const key = (await readIfThere(keyFile)) ?? (await writeNewKey(keyFile));
  if ((await readText(publicKeyFile)) === undefined) await writeFileDurably(publicKeyFile, publicKeyPem(key));
  return key;
};

const readIfThere = async (file: string): Promise<AdminKey | undefined> =>
  (await readText(file)) === undefined ? undefined : readAdminKey(file);

const writeNewKey = async (file: string): Promise<AdminKey> => {
  const key = generateAdminKey();
  const pem = key.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  await writeFileDurably(file, pem, { mode: 0o600 });
  return key;
};

/** The private key of a person. @throws DepotError `CONFIG_INVALID` naming the file */
export const readAdminKey = async (file: string): Promise<AdminKey> => {
  const pem = await requireText(file);
  const { mode } = await stat(file);
  if ((mode & 0o077) !== 0)
    throw invalid(file, 'can be read by other users of this machine; make it private: chmod 600');
  return adminKeyOf(
    requireKind(
      file,
      parseKey(file, () => createPrivateKey(pem)),
    ),
  );
};

/** One public key. @throws DepotError `CONFIG_INVALID` naming the file */
export const readAdminPublicKey = async (file: string): Promise<PinnedKey> => {
  const pem = await requireText(file);
  if (pem.includes('PRIVATE KEY'))
    throw invalid(file, 'has a private key, which belongs to a person alone; name the file *.pub.pem');
  return parseAdminPublicKey(pem, file);
};

/** @param source names the text in errors. @throws DepotError `CONFIG_INVALID` */
export const parseAdminPublicKey = (pem: string, source: string): PinnedKey =>
  pinnedKey(
    requireKind(
      source,
      parseKey(source, () => createPublicKey(pem)),
    ),
  );

const requireKind = (source: string, key: KeyObject): KeyObject => {
  if (algorithmOf(key) !== undefined) return key;
  throw invalid(source, 'is neither an Ed25519 key nor one on the curve P-256');
};

const algorithmOf = (key: KeyObject): 'ed25519' | 'p256' | undefined => {
  if (key.asymmetricKeyType === 'ed25519') return 'ed25519';
  const isP256 = key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === 'prime256v1';
  return isP256 ? 'p256' : undefined;
};

const parseKey = (source: string, parse: () => KeyObject): KeyObject => {
  try {
    return parse();
  } catch (cause) {
    throw invalid(source, 'has no key in PEM that can be read', cause);
  }
};

export const signStatement = (statement: Statement, { privateKey, digest }: AdminKey): SignedStatement => {
  const text = statementText(statement);
  const signature = sign(hashFor(privateKey), signedBytes(text), privateKey);
  return { statement: text, signature: signature.toString('base64'), key: digest };
};

export type VerifiedStatement =
  | ({ readonly kind: 'verified' } & StatementEntry)
  | { readonly kind: 'refused'; readonly reason: string };

/** A statement of this fleet that one of the pinned keys has signed; or why it is none. */
export const verifyStatement = (
  signed: SignedStatement,
  { keys, fleet }: { readonly keys: AdminKeys; readonly fleet: string },
): VerifiedStatement => {
  const key = keys.list().find(({ digest }) => digest === signed.key);
  if (key === undefined)
    return refused(
      keys.list().length === 0
        ? 'no admin key is pinned here, so that no statement can be verified'
        : `the admin key ${signed.key}, which should have signed it, is not pinned here`,
    );
  if (!isSignedBy(signed, key)) return refused(`the admin key ${signed.key} has not signed this text`);
  const parsed = parseStatement(signed.statement);
  if (parsed.kind === 'fault') return refused(parsed.fault);
  if (parsed.statement.fleet !== fleet)
    return refused(`it is a statement of the fleet ${parsed.statement.fleet}, and this one is ${fleet}`);
  return { kind: 'verified', signed, statement: parsed.statement };
};

const refused = (reason: string): VerifiedStatement => ({ kind: 'refused', reason });

const isSignedBy = ({ statement, signature }: SignedStatement, { publicKey }: PinnedKey): boolean => {
  try {
    const bytes = Buffer.from(signature, 'base64');
    return verify(hashFor(publicKey), signedBytes(statement), publicKey, bytes);
  } catch {
    return false;
  }
};

const signedBytes = (text: string): Buffer => Buffer.from(`${CONTEXT}${text}`, 'utf8');

/** Ed25519 hashes by itself. */
const hashFor = (key: KeyObject): string | null => (algorithmOf(key) === 'ed25519' ? null : 'sha256');

const readText = (file: string): Promise<string | undefined> =>
  readFileWhole(file, { disk: realDisk, maxBytes: MAX_FILE_BYTES });

const requireText = async (file: string): Promise<string> => {
  let text: string | undefined;
  try {
    text = await readText(file);
  } catch (cause) {
    throw invalid(file, 'cannot be read', cause);
  }
  if (text === undefined) throw invalid(file, 'is not there');
  return text;
};

const invalid = (source: string, fault: string, cause?: unknown): DepotError =>
  new DepotError('CONFIG_INVALID', `admin key: ${source} ${fault}`, { cause });
