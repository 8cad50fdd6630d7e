/**
 * Issues the certificates of a fleet: one authority, and one fixed profile below it.
 *
 *     authority   ECDSA P-256, subject CN, CA:TRUE pathlen 0, keyCertSign     spiffe://FLEET
 *     process     ECDSA P-256, empty subject, digitalSignature,               spiffe://FLEET/KIND/ID
 *                 server and client authentication
 *
 * IS1. A process is named only by its URI; the subject is empty, so that no common name can be compared by mistake.
 * IS2. P-256, since browsers and most hardware modules have no Ed25519.
 * IS3. The profile is as CB3 reads it: valid since 1970, and an extension says since when it counts.
 * Source: RFC 5280, 4.1 and 4.2; SPIFFE X509-SVID, 2 to 4.
 */
import {
  createHash,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
  X509Certificate,
} from 'node:crypto';
import { COUNTS_SINCE_OID, encodedSubject, SINCE_EVER_MS, subjectKeyId } from './certificate.ts';
import {
  contextConstructed,
  contextPrimitive,
  DER,
  derBitString,
  derInteger,
  derOid,
  derTime,
  derTrue,
  derValue,
} from './der.ts';
import { type PeerIdentity, spiffeId } from './peer-identity.ts';

/** `notBeforeMs`: since when it counts. */
export type Validity = { readonly notBeforeMs: number; readonly notAfterMs: number };

export type Authority = { readonly certificate: X509Certificate; readonly privateKey: KeyObject };

const ECDSA_WITH_SHA256 = derValue(DER.sequence, derOid('1.2.840.10045.4.3.2'));
const COMMON_NAME = derOid('2.5.4.3');
const SERVER_AUTH = derOid('1.3.6.1.5.5.7.3.1');
const CLIENT_AUTH = derOid('1.3.6.1.5.5.7.3.2');
const EMPTY_NAME = derValue(DER.sequence);
const VERSION_3 = derValue(contextConstructed(0), derInteger(Buffer.of(2)));
/** Bits 0 (digitalSignature), and 5 and 6 (keyCertSign, cRLSign), with the count of unused bits before them. */
const DIGITAL_SIGNATURE = derValue(DER.bitString, Buffer.of(7, 0x80));
const SIGN_CERTIFICATES = derValue(DER.bitString, Buffer.of(1, 0x06));
/** 20 octets at most, and not guessable (RFC 5280, 4.1.2.2). */
const SERIAL_BYTES = 16;

export const generateKey = (): { readonly privateKey: KeyObject; readonly publicKey: KeyObject } =>
  generateKeyPairSync('ec', { namedCurve: 'P-256' });

export const issueAuthority = (fleet: string, validity: Validity): Authority => {
  const { privateKey, publicKey } = generateKey();
  const name = commonName(`tuf-depot fleet ${fleet}`);
  const certificate = signed(privateKey, {
    issuer: name,
    subject: name,
    validity: { ...validity, notBeforeMs: SINCE_EVER_MS },
    publicKey,
    extensions: [
      extension('2.5.29.19', derValue(DER.sequence, derTrue, derInteger(Buffer.of(0))), 'critical'),
      extension('2.5.29.15', SIGN_CERTIFICATES, 'critical'),
      extension('2.5.29.14', derValue(DER.octetString, keyId(publicKey))),
      extension('2.5.29.17', uriName(`spiffe://${fleet}`)),
    ],
  });
  return { certificate, privateKey };
};

export const issueCertificate = (
  { certificate: issuer, privateKey }: Authority,
  { identity, publicKey, validity }: { identity: PeerIdentity; publicKey: KeyObject; validity: Validity },
): X509Certificate =>
  signed(privateKey, {
    issuer: encodedSubject(issuer.raw),
    subject: EMPTY_NAME,
    validity: { ...validity, notBeforeMs: SINCE_EVER_MS },
    publicKey,
    extensions: [
      extension('2.5.29.19', derValue(DER.sequence), 'critical'),
      extension('2.5.29.15', DIGITAL_SIGNATURE, 'critical'),
      extension('2.5.29.37', derValue(DER.sequence, SERVER_AUTH, CLIENT_AUTH)),
      extension('2.5.29.14', derValue(DER.octetString, keyId(publicKey))),
      ...authorityKeyId(issuer),
      extension(COUNTS_SINCE_OID, derInteger(secondsOctets(validity.notBeforeMs))),
      // Critical, since the subject is empty (RFC 5280, 4.2.1.6).
      extension('2.5.29.17', uriName(spiffeId(identity)), 'critical'),
    ],
  });

/** Whole seconds, rounded down as the times of certificates are: a revocation a second later covers it (RVD2). */
const secondsOctets = (timeMs: number): Buffer => {
  const hex = Math.max(0, Math.floor(timeMs / 1_000)).toString(16);
  return Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex');
};

type ToBeSigned = {
  readonly issuer: Uint8Array;
  readonly subject: Uint8Array;
  readonly validity: Validity;
  readonly publicKey: KeyObject;
  readonly extensions: readonly Uint8Array[];
};

const signed = (
  key: KeyObject,
  { issuer, subject, validity, publicKey, extensions }: ToBeSigned,
): X509Certificate => {
  const body = derValue(
    DER.sequence,
    VERSION_3,
    derInteger(randomBytes(SERIAL_BYTES)),
    ECDSA_WITH_SHA256,
    issuer,
    derValue(DER.sequence, derTime(validity.notBeforeMs), derTime(validity.notAfterMs)),
    subject,
    publicKeyInfo(publicKey),
    derValue(contextConstructed(3), derValue(DER.sequence, ...extensions)),
  );
  const signature = sign('sha256', body, { key, dsaEncoding: 'der' });
  return new X509Certificate(derValue(DER.sequence, body, ECDSA_WITH_SHA256, derBitString(signature)));
};

/** Only below an authority that has a key identifier itself; otherwise OpenSSL would find no chain. */
const authorityKeyId = (issuer: X509Certificate): Buffer[] => {
  const id = subjectKeyId(issuer.raw);
  if (id === undefined) return [];
  return [extension('2.5.29.35', derValue(DER.sequence, derValue(contextPrimitive(0), id)))];
};

const extension = (oid: string, content: Uint8Array, critical?: 'critical'): Buffer =>
  derValue(
    DER.sequence,
    derOid(oid),
    ...(critical === undefined ? [] : [derTrue]),
    derValue(DER.octetString, content),
  );

const uriName = (uri: string): Buffer =>
  derValue(DER.sequence, derValue(contextPrimitive(6), Buffer.from(uri, 'latin1')));

const commonName = (text: string): Buffer =>
  derValue(
    DER.sequence,
    derValue(DER.set, derValue(DER.sequence, COMMON_NAME, derValue(DER.utf8String, Buffer.from(text)))),
  );

const publicKeyInfo = (publicKey: KeyObject): Buffer => publicKey.export({ type: 'spki', format: 'der' });

/** Method 1 of RFC 7093: the first 160 bits of the SHA-256 of the key. */
const keyId = (publicKey: KeyObject): Buffer =>
  createHash('sha256').update(publicKeyInfo(publicKey)).digest().subarray(0, 20);
