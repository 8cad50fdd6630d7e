import { randomUUID, X509Certificate } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { COUNTS_SINCE_OID, countsSinceMs, identityOf, uriNames } from './certificate.ts';
import {
  contextConstructed,
  contextPrimitive,
  DER,
  derInteger,
  derOid,
  derTime,
  derValue,
  readDerValues,
} from './der.ts';
import { testFleetIdentity, validNow } from './identity.fixture.ts';
import { generateKey, issueCertificate } from './issue.ts';
import { opensslAuthority, opensslCertificate } from './openssl-authority.fixture.ts';
import { isExpected, parseSpiffeId, spiffeId } from './peer-identity.ts';

const ID = '0d5a9a6a-90a4-4d0f-8b1c-1d5ac1a2b3c4';

test('a name has one spelling, and is read back as it was written (PI1)', () => {
  const identity = fc.record({
    fleet: fc.stringMatching(/^[a-z0-9._-]{1,40}$/),
    kind: fc.constantFrom('nexus' as const, 'sled' as const),
    id: fc.uuid(),
  });
  fc.assert(
    fc.property(identity, each => {
      expect(parseSpiffeId(spiffeId(each))).toEqual(each);
    }),
  );
  for (const other of [
    `spiffe://fleet/sled/${ID.toUpperCase()}`,
    `spiffe://fleet/sled/${ID}/`,
    `spiffe://fleet/sled/${ID}x`,
    `spiffe://fleet/sleds/${ID}`,
    `spiffe://fleet/sled/`,
    `spiffe://fleet:443/sled/${ID}`,
    `spiffe://user@fleet/sled/${ID}`,
    `SPIFFE://fleet/sled/${ID}`,
    ` spiffe://fleet/sled/${ID}`,
    `https://fleet/sled/${ID}`,
  ])
    expect(parseSpiffeId(other), other).toBeUndefined();
});

test('an expectation without an id takes every process of its kind, one with an id only that process (PI1)', () => {
  const sled = { fleet: 'a', kind: 'sled', id: ID } as const;
  expect(isExpected(sled, { fleet: 'a', kind: 'sled' })).toBe(true);
  expect(isExpected(sled, { fleet: 'a', kind: 'sled', id: ID })).toBe(true);
  expect(isExpected(sled, { fleet: 'a', kind: 'sled', id: ID.slice(0, -1) })).toBe(false);
  expect(isExpected(sled, { fleet: 'a', kind: 'nexus' })).toBe(false);
  expect(isExpected(sled, { fleet: 'ab', kind: 'sled', id: ID })).toBe(false);
});

test('a certificate is read by this program as Node reads it', () => {
  const { authority, issue } = testFleetIdentity('fleet.example');
  const { publicKey } = generateKey();
  const identity = { fleet: 'fleet.example', kind: 'sled', id: ID } as const;
  const certificate = issueCertificate(authority, { identity, publicKey, validity: validNow() });
  expect(identityOf(certificate)).toEqual(identity);
  expect(certificate.subjectAltName).toBe(`URI:${spiffeId(identity)}`);
  expect(certificate.subject).toBe('');
  expect(certificate.ca).toBe(false);
  expect(certificate.checkIssued(authority.certificate)).toBe(true);
  expect(certificate.verify(authority.certificate.publicKey)).toBe(true);
  expect(certificate.publicKey.equals(publicKey)).toBe(true);
  expect(authority.certificate.ca).toBe(true);
  expect(uriNames(authority.certificate.raw)).toEqual(['spiffe://fleet.example']);
  expect(identityOf(authority.certificate), 'an authority is no process').toBeUndefined();
  expect(issue('nexus').identity.kind).toBe('nexus');
});

test('the validity of a certificate is that which was asked for, before and after 2049', () => {
  const { authority } = testFleetIdentity();
  const identity = { fleet: 'f', kind: 'nexus', id: randomUUID() } as const;
  const { publicKey } = generateKey();
  for (const year of [2026, 2049, 2050, 2100]) {
    const notAfterMs = Date.UTC(year, 11, 31, 23, 59, 59);
    const validity = { notBeforeMs: Date.UTC(2026, 0, 1), notAfterMs };
    const certificate = issueCertificate(authority, { identity, publicKey, validity });
    expect(certificate.validToDate.getTime()).toBe(notAfterMs);
    expect(certificate.validFromDate.getTime(), 'for OpenSSL').toBe(0);
    expect(countsSinceMs(certificate)).toBe(validity.notBeforeMs);
  }
});

test('what is written as DER is read back', () => {
  const content = fc.uint8Array({ maxLength: 70_000 });
  fc.assert(
    fc.property(fc.array(content, { maxLength: 3 }), contents => {
      const values = contents.map(each => derValue(DER.octetString, each));
      const read = readDerValues(Buffer.concat(values));
      expect(read?.map(each => Buffer.from(each.content))).toEqual(contents.map(each => Buffer.from(each)));
    }),
  );
  expect(derOid('1.2.840.10045.4.3.2').toString('hex')).toBe('06082a8648ce3d040302');
  expect(derInteger(Buffer.of(0, 0, 0x80)).toString('hex')).toBe('02020080');
  expect(derTime(Date.UTC(2049, 0, 1))[0]).toBe(DER.utcTime);
  expect(derTime(Date.UTC(2050, 0, 1))[0]).toBe(DER.generalizedTime);
});

test('bytes that are no DER are read as nothing, whatever they are (DX1)', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), bytes => {
      expect(identityOf({ raw: Buffer.from(bytes) })).toBeUndefined();
    }),
  );
  for (const hex of ['30', '3080', '308100', '30820001aa', '0405aa', '1f0100', '3085000000000100'])
    expect(readDerValues(Buffer.from(hex, 'hex')), hex).toBeUndefined();
});

/** A certificate with this extension alone, and every length around it fits. */
const withExtension = (oid: string, value: Uint8Array) => {
  const [signed, ...signature] = valuesIn(valuesIn(aSled)[0]!.content);
  const parts = valuesIn(signed!.content).map(({ tag, content }) =>
    tag === EXTENSIONS
      ? derValue(
          tag,
          derValue(DER.sequence, derValue(DER.sequence, derOid(oid), derValue(DER.octetString, value))),
        )
      : derValue(tag, content),
  );
  const others = signature.map(({ tag, content }) => derValue(tag, content));
  return { raw: Buffer.from(derValue(DER.sequence, derValue(DER.sequence, ...parts), ...others)) };
};
const withNames = (value: Uint8Array) => withExtension('2.5.29.17', value);
const EXTENSIONS = contextConstructed(3);
const uri = (text: string): Buffer => derValue(contextPrimitive(6), Buffer.from(text, 'latin1'));
const dnsName = (text: string): Buffer => derValue(contextPrimitive(2), Buffer.from(text, 'latin1'));
const names = (...each: readonly Buffer[]): Buffer => derValue(DER.sequence, ...each);

const SLED = { fleet: 'f', kind: 'sled', id: ID } as const;
const { raw: aSled } = issueCertificate(testFleetIdentity('f').authority, {
  identity: SLED,
  publicKey: generateKey().publicKey,
  validity: validNow(),
});
const valuesIn = (bytes: Uint8Array) => readDerValues(bytes) ?? [];

test('a certificate with two URIs, or with none, names nobody, and other kinds of names do not count (CB2)', () => {
  const [own, other] = [spiffeId(SLED), spiffeId({ ...SLED, kind: 'nexus' })];
  expect(identityOf(withNames(names(uri(own))))).toEqual(SLED);
  expect(identityOf(withNames(names(dnsName('a.example'), uri(own), dnsName(other))))).toEqual(SLED);
  for (const several of [
    [uri(own), uri(other)],
    [uri(other), uri(own)],
    [uri(own), uri(own)],
    [uri(own), uri('https://a.example')],
    [uri(own), uri('')],
    [],
    [dnsName(own)],
  ])
    expect(identityOf(withNames(names(...several))), String(several)).toBeUndefined();
});

test('a name of another kind that has the text of a URI in it names nobody (CB1)', () => {
  const hostile = withNames(names(dnsName(`a, URI:${spiffeId(SLED)}`)));
  expect(new X509Certificate(hostile.raw).subjectAltName).toContain(`URI:${spiffeId(SLED)}`);
  expect(identityOf(hostile)).toBeUndefined();
});

test('a certificate whose names are cut, in a whole certificate around them, names nobody', () => {
  const whole = names(uri(spiffeId(SLED)));
  for (let length = 0; length < whole.length; length += 1) {
    expect(identityOf(withNames(whole.subarray(0, length))), `names of ${length} bytes`).toBeUndefined();
    const cutUri = uri(spiffeId(SLED).slice(0, length));
    if (cutUri.length < uri(spiffeId(SLED)).length)
      expect(identityOf(withNames(names(cutUri))), `a URI of ${length} characters`).toBeUndefined();
    expect(identityOf({ raw: Buffer.from(aSled.subarray(0, aSled.length - length - 1)) })).toBeUndefined();
  }
});

test('a certificate that is altered at a byte names the process that its URI names, or none', () => {
  const first = aSled.indexOf('spiffe://');
  const length = spiffeId(SLED).length;
  const others = new Set<string>();
  for (let at = 0; at < aSled.length; at += 1)
    for (let value = 0; value < 256; value += 1) {
      const altered = Buffer.from(aSled);
      altered[at] = value;
      const read = identityOf({ raw: altered });
      if (read === undefined) continue;
      const shown = parseSpiffeId(altered.toString('latin1', first, first + length));
      expect(read, `byte ${at} is ${value}`).toEqual(shown);
      others.add(spiffeId(read));
    }
  // Only a signature shows that a digit of the id was altered; it is checked before the name is read.
  expect(others.size).toBeGreaterThan(1);
});

test('a certificate without the extension, or with one that is no time, counts since its notBefore (CB3)', () => {
  const { raw } = testFleetIdentity().authority.certificate;
  for (const since of [0, 5_000]) expect(countsSinceMs({ raw, validFromDate: new Date(since) })).toBe(since);
  const countsBy = (value: Uint8Array): number =>
    countsSinceMs({ ...withExtension(COUNTS_SINCE_OID, value), validFromDate: new Date(0) });
  expect(countsBy(derInteger(secondsOf(7_000)))).toBe(7_000);
  for (const value of [
    derValue(DER.integer),
    derValue(DER.octetString, secondsOf(7_000)),
    derInteger(Buffer.alloc(6, 1)),
    Buffer.alloc(0),
  ])
    expect(countsBy(value), value.toString('hex')).toBe(0);
});
const secondsOf = (timeMs: number): Buffer =>
  Buffer.from((timeMs / 1_000).toString(16).padStart(8, '0'), 'hex');

test('an authority that copies what a request has in it gives no certificate another time than its notBefore (CB3)', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'copying-'));
  try {
    const root = await opensslAuthority(join(directory, 'root'), 'f');
    const nextYear = secondsOf(Math.floor(Date.now() / 1_000) * 1_000 + 365 * 86_400_000);
    const { certificatePem } = await opensslCertificate(join(directory, 'sled'), root, [spiffeId(SLED)], {
      also: [`${COUNTS_SINCE_OID} = DER:${derInteger(nextYear).toString('hex')}`],
    });
    const certificate = new X509Certificate(certificatePem);
    expect(certificate.raw.includes(derInteger(nextYear)), 'it has the extension').toBe(true);
    expect(countsSinceMs(certificate)).toBe(certificate.validFromDate.getTime());
  } finally {
    await rm(directory, { recursive: true });
  }
});
