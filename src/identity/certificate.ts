/**
 * What a certificate says about its holder. OpenSSL verifies signatures, chains and times; this reads only the name.
 *
 *     certificate ─▶ subject alternative name ─▶ its only URI ─▶ PeerIdentity
 *
 * CB1. The name is read from the certificate's bytes: Node gives alternative names as one text, which a hostile name could
 *      imitate.
 * CB2. A certificate with no URI, with several, or with one that is not a name of a fleet, identifies nobody (SPIFFE
 *      X509-SVID, 2).
 * CB3. A certificate of this program is valid since 1970, and says in an extension since when it counts: so a machine that boots
 *      without the time accepts its peers. One with another notBefore, from before or of another authority, counts since that one,
 *      whatever extensions it has: an authority that copies those of a request would let its holder choose the time.
 */
import assert from 'node:assert/strict';
import type { X509Certificate } from 'node:crypto';
import { contextConstructed, contextPrimitive, DER, type DerValue, derValue, readDerValues } from './der.ts';
import { type PeerIdentity, parseSpiffeId } from './peer-identity.ts';

/** 2.5.29.17 and 2.5.29.14. */
const SUBJECT_ALTERNATIVE_NAME = Buffer.from('551d11', 'hex');
const SUBJECT_KEY_ID = Buffer.from('551d0e', 'hex');
/** GeneralName: uniformResourceIdentifier [6] (RFC 5280, 4.2.1.6). */
const URI = contextPrimitive(6);
const EXTENSIONS = contextConstructed(3);

/** Of no registry: a UUID (ITU-T X.667). An INTEGER, the seconds since 1970. */
export const COUNTS_SINCE_OID = '2.25.147608138666025582998163904631529394884';
const COUNTS_SINCE = Buffer.from('6981de8ca5c7c5d5baaa879b8e83cfa59fc7a544', 'hex');

/** The notBefore of certificates of this program (CB3): OpenSSL judges it by the clock of the machine. */
export const SINCE_EVER_MS = 0;

/** CB3: which revocations of its name cover it. */
export const countsSinceMs = ({
  raw,
  validFromDate,
}: Pick<X509Certificate, 'raw' | 'validFromDate'>): number => {
  const validFromMs = validFromDate.getTime();
  if (validFromMs !== SINCE_EVER_MS) return validFromMs;
  const [value] = readDerValues(extensionOf(raw, COUNTS_SINCE) ?? NOTHING) ?? [];
  const bytes = value?.content.length ?? 0;
  if (value?.tag !== DER.integer || bytes === 0 || bytes > MAX_SECONDS_BYTES) return validFromMs;
  return Number(`0x${Buffer.from(value.content).toString('hex')}`) * 1_000;
};

/** Until the year 36812. */
const MAX_SECONDS_BYTES = 5;

/** Undefined for a certificate that identifies nobody (CB2). */
export const identityOf = (certificate: Pick<X509Certificate, 'raw'>): PeerIdentity | undefined => {
  const uris = uriNames(certificate.raw);
  const [uri] = uris;
  return uris.length === 1 && uri !== undefined ? parseSpiffeId(uri) : undefined;
};

/** In hex, as a person compares it: of the whole certificate, so of its key and its names. */
export const certificateSha256 = (certificate: Pick<X509Certificate, 'fingerprint256'>): string =>
  certificate.fingerprint256.replaceAll(':', '').toLowerCase();

/** The URIs among the alternative names of a certificate in DER. */
export const uriNames = (raw: Uint8Array): string[] =>
  innerValues(extensionOf(raw, SUBJECT_ALTERNATIVE_NAME))
    .filter(({ tag }) => tag === URI)
    .map(name => Buffer.from(name.content).toString('latin1'));

/** The key identifier that certificates below this one refer to; undefined if it has none. */
export const subjectKeyId = (raw: Uint8Array): Uint8Array | undefined =>
  readDerValues(extensionOf(raw, SUBJECT_KEY_ID) ?? NOTHING)?.[0]?.content;

/** The subject as it is encoded, to be the issuer of other certificates. */
export const encodedSubject = (raw: Uint8Array): Buffer => {
  const subject = signedValues(raw)[SUBJECT_INDEX];
  assert(subject !== undefined, 'a parsed certificate has a subject');
  return derValue(subject.tag, subject.content);
};

/** After version, serial number, algorithm, issuer and validity. */
const SUBJECT_INDEX = 5;
const NOTHING = new Uint8Array();

/** The content of an extension's value. */
const extensionOf = (raw: Uint8Array, oid: Buffer): Uint8Array | undefined => {
  const wrapped = signedValues(raw).find(({ tag }) => tag === EXTENSIONS);
  for (const { content } of innerValues(wrapped?.content)) {
    const [name, ...rest] = readDerValues(content) ?? [];
    if (name?.tag === DER.oid && oid.equals(name.content)) return rest.at(-1)?.content;
  }
  return undefined;
};

/** The values of the signed part of a certificate (RFC 5280, 4.1.2). */
const signedValues = (raw: Uint8Array): DerValue[] => innerValues(innerContent(raw));

/** The values inside the first value of `bytes`. */
const innerValues = (bytes: Uint8Array | undefined): DerValue[] =>
  readDerValues(innerContent(bytes ?? NOTHING) ?? NOTHING) ?? [];

const innerContent = (bytes: Uint8Array): Uint8Array | undefined => readDerValues(bytes)?.[0]?.content;
