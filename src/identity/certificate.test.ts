import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { identityOf, uriNames } from './certificate.ts';
import { DER, derInteger, derOid, derTime, derValue, readDerValues } from './der.ts';
import { testFleetIdentity, validNow } from './identity.fixture.ts';
import { generateKey, issueCertificate } from './issue.ts';
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
    expect(certificate.validFromDate.getTime()).toBe(validity.notBeforeMs);
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

test('a certificate that is cut or altered at any byte names either the same process or none', () => {
  const { authority } = testFleetIdentity('f');
  const identity = { fleet: 'f', kind: 'sled', id: ID } as const;
  const { raw } = issueCertificate(authority, {
    identity,
    publicKey: generateKey().publicKey,
    validity: validNow(),
  });
  for (let at = 0; at < raw.length; at += 1) {
    expect(identityOf({ raw: raw.subarray(0, at) })).toBeUndefined();
    const longer = Buffer.from(raw);
    longer[at] = longer[at] === 0 ? 1 : 0;
    const read = identityOf({ raw: longer });
    if (read !== undefined) expect(parseSpiffeId(spiffeId(read)), `byte ${at}`).toEqual(read);
  }
});
