/**
 * A key for each semantic version whose byte order is the order of semantic versions (clause 11), so that the
 * database sorts and pages by them: numbers by value, `1.0.0-rc.2` before `1.0.0-rc.10` before `1.0.0`.
 *
 *     number        its length in digits, then the digits
 *     pre-release   1, its identifiers, 0; none: 2
 *     identifier    1 and a number, or 2 and text ended by 0: fewer identifiers, numbers and shorter texts first
 *     build         as it is, last: it has no precedence, and keeps the keys of two versions apart
 */
import assert from 'node:assert/strict';
import { SYSTEM_VERSION_PATTERN, type SystemVersion } from '../../core/ids.ts';

const END = 0;
const WITH_PRERELEASE = 1;
const WITHOUT_PRERELEASE = 2;
const NUMERIC_IDENTIFIER = 1;
const TEXT_IDENTIFIER = 2;

export const versionOrder = (version: SystemVersion): Buffer => {
  const match = SYSTEM_VERSION_PATTERN.exec(version);
  assert(match !== null, `not a semantic version: ${version}`);
  const [, major = '', minor = '', patch = '', prerelease, build = ''] = match;
  return Buffer.concat([
    ...[major, minor, patch].map(numberKey),
    prerelease === undefined
      ? Buffer.of(WITHOUT_PRERELEASE)
      : Buffer.concat([
          Buffer.of(WITH_PRERELEASE),
          ...prerelease.split('.').map(identifierKey),
          Buffer.of(END),
        ]),
    Buffer.from(build),
  ]);
};

/** The pattern allows no leading zeros, so a longer number is a larger one; 64 characters fit into a byte. */
const numberKey = (digits: string): Buffer => Buffer.concat([Buffer.of(digits.length), Buffer.from(digits)]);

const identifierKey = (identifier: string): Buffer =>
  /^\d+$/.test(identifier)
    ? Buffer.concat([Buffer.of(NUMERIC_IDENTIFIER), numberKey(identifier)])
    : Buffer.concat([Buffer.of(TEXT_IDENTIFIER), Buffer.from(identifier), Buffer.of(END)]);
