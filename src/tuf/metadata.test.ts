/** What a metadata file may say, and whose signatures count. */
import { describe, expect, test } from 'vitest';
import {
  keysForAllRoles,
  type RepositoryKeys,
  rootObject,
  type SignedObject,
  signMetadata,
} from '../signing/sign-metadata.ts';
import { generateSigningKey, type SigningKey } from '../signing/signing-keys.ts';
import { MAX_METADATA_BYTES, parseMetadata } from './metadata.ts';
import { SPECIFIED_SIGNATURES } from './signature-policy.ts';
import { parseSelfSignedRoot } from './trusted-set.ts';

const EXPIRES_MS = Date.UTC(2100, 0, 1);
const key = generateSigningKey();
const others = [generateSigningKey(), generateSigningKey('ecdsa-p256')];

type Root = SignedObject & {
  keys: Record<string, unknown>;
  roles: Record<string, { keyids: string[]; threshold: number }>;
};

const rootOf = (keys: RepositoryKeys = keysForAllRoles([key])): Root =>
  rootObject({ keys, version: 1, expiresMs: EXPIRES_MS, consistentSnapshot: false }) as Root;

const parseEdited = (edit: (root: Root) => void, signers: readonly SigningKey[] = [key]) => {
  const root = rootOf();
  edit(root);
  return parseSelfSignedRoot(signMetadata(root, signers), SPECIFIED_SIGNATURES);
};

/** Changes the file around the signed part. */
const parseEnvelope = (change: (envelope: { signatures: unknown; signed: unknown }) => unknown) => {
  const envelope = JSON.parse(Buffer.from(signMetadata(rootOf(), [key])).toString());
  return parseSelfSignedRoot(Buffer.from(JSON.stringify(change(envelope))), SPECIFIED_SIGNATURES);
};

describe('thresholds', () => {
  const three = [key, ...others];

  test.each([
    [1, 1],
    [2, 2],
    [3, 3],
    [2, 3],
  ])('a threshold of %i is met by %i distinct keys', (threshold, count) => {
    const root = rootOf(keysForAllRoles(three, threshold));
    expect(
      parseSelfSignedRoot(signMetadata(root, three.slice(0, count)), SPECIFIED_SIGNATURES).signed.version,
    ).toBe(1);
  });

  test('a threshold is not met by fewer signatures, nor by unknown keys', () => {
    const root = rootOf(keysForAllRoles(three, 3));
    const strangers = [generateSigningKey(), generateSigningKey()];
    expect(() =>
      parseSelfSignedRoot(signMetadata(root, [...three.slice(1), ...strangers]), SPECIFIED_SIGNATURES),
    ).toThrow(/valid signatures by 2 of the 3 keys/);
  });

  test('a threshold above the number of keys can not be met', () => {
    const root = rootOf(keysForAllRoles(three, 4));
    expect(() => parseSelfSignedRoot(signMetadata(root, three), SPECIFIED_SIGNATURES)).toThrow(
      /by 3 of the 4/,
    );
  });

  test('one bad signature among enough good ones changes nothing', () => {
    const bytes = signMetadata(rootOf(keysForAllRoles(three, 2)), three);
    const { signatures, signed } = JSON.parse(Buffer.from(bytes).toString());
    signatures[0].sig = '00'.repeat(64);
    const changed = Buffer.from(JSON.stringify({ signatures, signed }));
    expect(parseSelfSignedRoot(changed, SPECIFIED_SIGNATURES).signed.version).toBe(1);
  });

  test('one public key under two key ids counts once (KY1)', () => {
    const listTwice = (root: Root) => {
      root.keys.alias = key.listed;
      root.roles.root = { keyids: [key.keyId, 'alias'], threshold: 2 };
    };
    const alias = { ...key, keyId: 'alias' };
    expect(() => parseEdited(listTwice, [key, alias])).toThrow(/by 1 of the 2/);
  });

  test('a key id that is not the hash of its key is a label like any other (KY1)', () => {
    const label = (root: Root) => {
      root.keys.label = key.listed;
      root.roles.root = { keyids: ['label'], threshold: 1 };
    };
    expect(parseEdited(label, [{ ...key, keyId: 'label' }]).signed.version).toBe(1);
  });

  test('GHSA-pwqf-9h7j-7mv8, CVE-2026-6966: a key id that signs twice is refused', () => {
    expect(() =>
      parseEnvelope(({ signatures, signed }) => ({
        signed,
        signatures: [...(signatures as object[]), ...(signatures as object[])],
      })),
    ).toThrow(/repeats the key id/);
  });

  test('a role that lists a key id twice is refused', () => {
    expect(() =>
      parseEdited(root => {
        root.roles.root?.keyids.push(key.keyId);
      }),
    ).toThrow(/roles\.root\.keyids.*must not repeat/);
  });

  test('a role that lists a missing key is refused', () => {
    expect(() =>
      parseEdited(root => {
        root.roles.targets?.keyids.push('nowhere');
      }),
    ).toThrow(/roles\.targets\.keyids.*nowhere/);
  });

  test.each([0, -1, 1.5, '1', null])('GHSA-fphv-w9fq-2525: a threshold of %j is refused', threshold => {
    const bytes = Buffer.from(
      JSON.stringify({ signatures: [], signed: { ...rootOf(), roles: { root: { keyids: [], threshold } } } }),
    );
    expect(() => parseMetadata('root', bytes)).toThrow(
      /threshold" .*integer of at least 1|holds the number 1.5/,
    );
  });

  test('a key of an unknown type counts for nothing and harms nothing (KY2)', () => {
    const withUnknown = (root: Root) => {
      root.keys.future = { keytype: 'ml-dsa', scheme: 'ml-dsa-65', keyval: { public: 'abc' } };
      root.roles.root?.keyids.push('future');
    };
    expect(parseEdited(withUnknown, [key, { ...key, keyId: 'future' }]).signed.version).toBe(1);
    expect(() => parseEdited(withUnknown, [{ ...key, keyId: 'future' }])).toThrow(/by 0 of the 1/);
  });
});

describe('the signed part', () => {
  test.each<[string, unknown, RegExp]>([
    ['_type', 'targets', /_type" of the root metadata must be "root"/],
    ['_type', 'Root', /_type/],
    ['spec_version', '2.0.0', /version 1 of the TUF specification/],
    ['spec_version', '1', /spec_version/],
    ['spec_version', 1, /must be a string/],
    ['version', 0, /version" .* at least 1/],
    ['version', -1, /version/],
    ['version', '1', /version/],
    ['version', true, /version/],
    ['expires', '2030-01-31', /expires" .* a time in UTC/],
    ['expires', '2030-02-30T00:00:00Z', /expires/],
    ['expires', '2030-01-31T00:00:00+02:00', /expires/],
    ['expires', '2030-01-31T00:00:00', /expires/],
    ['expires', '2030-01-31 00:00:00Z', /expires/],
    ['expires', '2030-01-31T24:00:00Z', /expires/],
    ['expires', '2030-01-31t00:00:00z', /expires/],
    ['expires', 1e12, /expires/],
    ['consistent_snapshot', 'true', /consistent_snapshot/],
    ['keys', [], /keys" .* must be an object/],
    ['roles', {}, /roles\.root/],
  ])('with %s %j is refused, naming role and field', (field, value, message) => {
    expect(() =>
      parseEdited(root => {
        root[field] = value;
      }),
    ).toThrow(message);
  });

  test.each(['1.0', '1.0.0', '1.0.34', '1.99'])('may follow specification %s', version => {
    const root = parseEdited(edited => {
      edited.spec_version = version;
    });
    expect(root.signed.version).toBe(1);
  });

  test('may have a fraction of a second, and undefined members', () => {
    const root = parseEdited(edited => {
      edited.expires = '2030-01-31T00:00:00.123456789Z';
      edited['x-vendor'] = { anything: ['at', 'all'] };
    });
    expect(root.signed.expiresMs).toBe(Date.UTC(2030, 0, 31, 0, 0, 0, 123));
  });

  test('may leave consistent_snapshot out, which means false', () => {
    const root = parseEdited(edited => {
      delete edited.consistent_snapshot;
    });
    expect(root.signed.consistentSnapshot).toBe(false);
  });

  test.each(['version', 'expires', 'keys', 'roles', '_type', 'spec_version'])(
    'without %s is refused',
    field => {
      expect(() =>
        parseEdited(root => {
          delete root[field];
        }),
      ).toThrow(field);
    },
  );
});

test.each([
  ['no object', []],
  ['no signatures', { signed: {} }],
  ['no signed part', { signatures: [] }],
])('a file with %s is refused', (_, file) => {
  expect(() => parseEnvelope(() => file)).toThrow(/the root metadata/);
});

test.each(['timestamp', 'snapshot', 'targets', 'root'] as const)(
  'a %s file beyond its limit is refused unread',
  role => {
    const bytes = new Uint8Array(MAX_METADATA_BYTES[role] + 1);
    expect(() => parseMetadata(role, bytes)).toThrow(/the limit is/);
  },
);

describe('a message does not grow with the names that it quotes', () => {
  const long = `${'x'.repeat(5_000)}\u202e`;
  const messageOf = (edit: (root: Root) => void): string => {
    try {
      parseEdited(edit);
      return expect.fail('it was accepted');
    } catch (error) {
      return error instanceof Error ? error.message : '';
    }
  };

  test.each<[string, RegExp, (root: Root) => void]>([
    ['a key id', /key id of more than 256/, root => Object.assign(root.keys, { [long]: key.listed })],
    [
      'a missing key',
      /names the key "x{80}"… \(5001 characters\)/,
      root => root.roles.root?.keyids.push(long),
    ],
    ['a key under a long name', /keytype/, root => Object.assign(root.keys, { [long.slice(0, 200)]: {} })],
  ])('%s', (_, pattern, edit) => {
    const message = messageOf(edit);
    expect(message).toMatch(pattern);
    expect(message.length).toBeLessThan(200);
  });
});
