/** Certificates as other authorities issue them, made by openssl: intermediates, subjects, further names, other keys and usages. */
import { execFile } from 'node:child_process';
import { randomUUID, X509Certificate } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { identityOf } from './certificate.ts';
import type { Credentials } from './credentials.ts';

const run = promisify(execFile);

export type OpensslAuthority = {
  readonly directory: string;
  readonly certificatePem: string;
  /** Below the root, the nearest first: what a certificate of this authority needs after it in its file. */
  readonly betweenPem: string;
  readonly rootPem: string;
};

type KeyKind = 'p256' | 'ed25519' | 'rsa';
const NEW_KEY: Readonly<Record<KeyKind, readonly string[]>> = {
  p256: ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'],
  ed25519: ['-newkey', 'ed25519'],
  rsa: ['-newkey', 'rsa:2048'],
};

type Shape = {
  readonly subject?: string;
  readonly key?: KeyKind;
  /** `extendedKeyUsage`; absent for a certificate without the extension. */
  readonly usages?: string | undefined;
  /** Beside the URI, as `DNS:host`. */
  readonly alsoNamed?: readonly string[];
  readonly days?: number;
  /** Further extensions, in the words of openssl. */
  readonly also?: readonly string[];
};

const BOTH = 'serverAuth, clientAuth';

const sign = async (
  directory: string,
  by: OpensslAuthority | undefined,
  extensions: readonly string[],
  { subject = '/', key = 'p256', days = 30 }: Shape,
): Promise<string> => {
  await mkdir(directory, { recursive: true });
  const file = (name: string): string => join(directory, name);
  await writeFile(file('extensions'), `${extensions.join('\n')}\n`);
  const request = ['req', '-new', ...NEW_KEY[key], '-nodes', '-keyout', file('key.pem'), '-subj', subject];
  await run('openssl', [...request, '-out', file('request.pem')]);
  const authority =
    by === undefined
      ? ['-signkey', file('key.pem')]
      : [
          ...['-CA', join(by.directory, 'certificate.pem'), '-CAkey', join(by.directory, 'key.pem')],
          '-CAcreateserial',
        ];
  await run('openssl', [
    ...['x509', '-req', '-in', file('request.pem'), ...authority, '-days', String(days)],
    ...['-extfile', file('extensions'), '-out', file('certificate.pem')],
  ]);
  return await readFile(file('certificate.pem'), 'utf8');
};

/** @param by the authority above it; without one it is a root, whose only URI is the name of the fleet */
export const opensslAuthority = async (
  directory: string,
  fleet: string,
  by?: OpensslAuthority,
): Promise<OpensslAuthority> => {
  const certificatePem = await sign(
    directory,
    by,
    [
      'basicConstraints = critical, CA:TRUE',
      'keyUsage = critical, keyCertSign, cRLSign',
      'subjectKeyIdentifier = hash',
      ...(by === undefined ? [`subjectAltName = URI:spiffe://${fleet}`] : []),
    ],
    { subject: `/O=Example/CN=${by === undefined ? 'Root' : 'Intermediate'} ${randomUUID()}` },
  );
  return {
    ...{ directory, certificatePem },
    betweenPem: by === undefined ? '' : `${certificatePem}${by.betweenPem}`,
    rootPem: by?.rootPem ?? certificatePem,
  };
};

/** @param uris of the certificate, one in each that a fleet accepts */
export const opensslCertificate = async (
  directory: string,
  by: OpensslAuthority,
  uris: readonly string[],
  shape: Shape = {},
): Promise<Omit<Credentials, 'identity'>> => {
  const { usages = BOTH, alsoNamed = [], also = [] } = shape;
  const names = [...uris.map(uri => `URI:${uri}`), ...alsoNamed].join(', ');
  const leafPem = await sign(
    directory,
    by,
    [
      'basicConstraints = critical, CA:FALSE',
      'keyUsage = critical, digitalSignature',
      ...('usages' in shape && shape.usages === undefined ? [] : [`extendedKeyUsage = ${usages}`]),
      ...(names === '' ? [] : [`subjectAltName = critical, ${names}`]),
      ...also,
    ],
    shape,
  );
  const { validFromDate, validToDate } = new X509Certificate(leafPem);
  return {
    certificatePem: `${leafPem}${by.betweenPem}`,
    keyPem: await readFile(join(directory, 'key.pem'), 'utf8'),
    authoritiesPem: by.rootPem,
    ...{ notBeforeMs: validFromDate.getTime(), notAfterMs: validToDate.getTime() },
  };
};

/** With the name that it has. */
export const identified = (written: Omit<Credentials, 'identity'>): Credentials => {
  const identity = identityOf(new X509Certificate(written.certificatePem));
  if (identity === undefined) throw new Error('it names no process of a fleet');
  return { ...written, identity };
};
