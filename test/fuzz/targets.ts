/** The readers of untrusted bytes, and for each a second opinion on what it accepts. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { gunzipSync, gzipSync } from 'node:zlib';
import { type Archive, openArchive } from '../../src/archive/archive.ts';
import { bunzip2 } from '../../src/archive/bunzip2.ts';
import { bzip2 } from '../../src/archive/bzip2.fixture.ts';
import { gunzip } from '../../src/archive/gunzip.ts';
import { handMadeTar, inPieces } from '../../src/archive/hand-made-tar.fixture.ts';
import { handMadeZip, memoryFile, packed } from '../../src/archive/hand-made-zip.fixture.ts';
import { type Inflate, inflateAtOnce, inflateOnThreadPool } from '../../src/archive/inflate.ts';
import { ARCHIVE_LIMITS } from '../../src/archive/limits.ts';
import { readTar } from '../../src/archive/tar.ts';
import { controlPlane, osImage, zone } from '../../src/composite/composites.fixture.ts';
import { firmware as firmwareImage, signedImage, spImage } from '../../src/composite/firmware.fixture.ts';
import { readFirmware } from '../../src/composite/firmware.ts';
import { splitComposite } from '../../src/composite/split.ts';
import { createChunkDecoder } from '../../src/http/chunked-body.ts';
import { DepotError } from '../../src/lib/errors.ts';
import type { DelegationPlan } from '../../src/signing/delegations.ts';
import { buildRepository } from '../../src/signing/repository-files.ts';
import { createRoot, keysForAllRoles, signMetadata } from '../../src/signing/sign-metadata.ts';
import { signingKeyFromPem } from '../../src/signing/signing-keys.ts';
import { canonicalJson } from '../../src/tuf/canonical-json.ts';
import { parseMetadata } from '../../src/tuf/metadata.ts';
import { TOP_LEVEL_ROLES } from '../../src/tuf/role-names.ts';
import { isJsonObject, type JsonValue, parseStrictJson } from '../../src/tuf/strict-json.ts';
import type { FuzzTarget, Verdict } from './target.ts';

/** Small, so that a bomb shows at once. */
const MIB = 1024 ** 2;
const limits = {
  ...ARCHIVE_LIMITS,
  maxEntryBytes: 4 * MIB,
  maxTotalBytes: 8 * MIB,
  ratioFreeBytes: MIB,
};

/** F1: the value as text, or the code of a refusal; any other error passes. */
const verdictOf = async (codes: RegExp, work: () => Promise<string> | string): Promise<Verdict> => {
  try {
    return await work();
  } catch (error) {
    if (error instanceof DepotError && codes.test(error.code)) return `refused ${error.code}`;
    throw error;
  }
};

const isRefused = (verdict: Verdict): boolean => verdict.startsWith('refused');

/** Of several faults in one input, either may be met first. */
const same = (first: Verdict, second: Verdict): Verdict => {
  if (!isRefused(first) || !isRefused(second))
    assert.equal(second, first, 'two reads of the same bytes agree');
  return first;
};

const digest = (bytes: Uint8Array | string): string => createHash('sha256').update(bytes).digest('hex');

const digestOf = async (content: AsyncIterable<Uint8Array>): Promise<string> => {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  for await (const chunk of content) {
    hash.update(chunk);
    sizeBytes += chunk.length;
    assert(sizeBytes <= limits.maxTotalBytes, 'never more than the limits allow');
  }
  return `${sizeBytes} ${hash.digest('hex')}`;
};

const plain = (value: JsonValue): unknown => {
  if (isJsonObject(value)) return Object.fromEntries(Array.from(value, ([key, item]) => [key, plain(item)]));
  return Array.isArray(value) ? value.map(plain) : value;
};

const JSON_WORDS = [
  '{',
  '}',
  '[',
  ']',
  '"',
  ',',
  ':',
  '\\',
  '\\u0000',
  '\\ud800',
  '"__proto__":',
  '-0',
  '1e999',
];
const JSON_VALUES = [
  'null',
  'true',
  '9007199254740993',
  '1.5',
  '[[[[[[[[',
  '"\u0065\u0301"',
  '\u0000',
  '\ufeff',
  '\ud7ff',
];

const json: FuzzTarget = {
  name: 'json',
  words: [...JSON_WORDS, ...JSON_VALUES],
  seeds: async () =>
    [
      '{"a":[1,-2,0.5,1e3,true,false,null],"b":{"c":"text \\u00e9 \\n","__proto__":{}}}',
      ' [ "", {}, [ ], "\\\\", "\\"" ] ',
      '"é"',
    ].map(text => Buffer.from(text)),
  judge: bytes =>
    verdictOf(/^METADATA_INVALID$/, () => {
      const value = parseStrictJson(bytes, 'fuzz');
      // Whatever is accepted means to everybody what it means here.
      assert.deepEqual(plain(value), JSON.parse(Buffer.from(bytes).toString('utf8')));
      return digest(JSON.stringify(plain(value)) ?? '');
    }),
};

/** Fixed, so that a seed number gives the same input in every run. */
const fixedKey = (fill: number) => {
  const pkcs8 = Buffer.concat([
    Buffer.from('302e020100300506032b657004220420', 'hex'),
    Buffer.alloc(32, fill),
  ]);
  return signingKeyFromPem(
    `-----BEGIN PRIVATE KEY-----\n${pkcs8.toString('base64')}\n-----END PRIVATE KEY-----\n`,
  );
};

const metadataSeeds = async (): Promise<readonly Uint8Array[]> => {
  const keys = keysForAllRoles([fixedKey(1), fixedKey(2)], 2);
  const signers = { keys: [fixedKey(3)], threshold: 1 };
  const expiresMs = Date.UTC(2100, 0, 1);
  const paths = { name: 'team', signers, terminating: true, paths: ['team/*', 'a?'] };
  const prefixes = { name: 'rest', signers, terminating: false, pathHashPrefixes: ['0', 'ab'] };
  const plans: DelegationPlan[] = [
    { kind: 'roles', roles: [paths, prefixes] },
    { kind: 'hash_bins', namePrefix: 'bin', bitLength: 1, signers },
  ];
  const repositories = plans.map(delegations =>
    buildRepository({
      systemVersion: '1.0.0',
      format: 'plain',
      artifacts: [],
      metadata: {},
      rootChain: [createRoot({ keys, version: 1, expiresMs, consistentSnapshot: true })],
      versions: { timestamp: 1, snapshot: 1, targets: 1 },
      expiresMs: { timestamp: expiresMs, snapshot: expiresMs, targets: expiresMs },
      delegations,
      sign: (role, signed) => signMetadata(signed, keys[role].keys),
    }),
  );
  return (await Promise.all(repositories)).flatMap(({ metadata }) => [...metadata.values()]);
};

const METADATA_WORDS = [
  '"threshold":0',
  '"version":-1',
  '"keyids":[]',
  '"paths":["*"]',
  '"sha256":""',
  '"length":1e9',
];

const metadata: FuzzTarget = {
  name: 'metadata',
  words: [...JSON_WORDS, ...METADATA_WORDS],
  seeds: metadataSeeds,
  async judge(bytes) {
    const verdicts: string[] = [];
    for (const role of TOP_LEVEL_ROLES) {
      const read = () =>
        verdictOf(/^METADATA_INVALID$/, () => {
          const { signedBytes, signed } = parseMetadata(role, bytes);
          assert(Number.isSafeInteger(signed.version) && signed.version >= 1, 'a version is counted from 1');
          // What was signed, read again, is what was signed.
          const again = canonicalJson(parseStrictJson(signedBytes, 'again'), 'again');
          assert(Buffer.from(again).equals(signedBytes), 'the canonical form is its own');
          return digest(signedBytes);
        });
      verdicts.push(same(await read(), await read()));
    }
    return verdicts.join();
  },
};

const ZIP_CODES = /^ARCHIVE_(INVALID|DAMAGED|LIMIT)$/;

const readEntries = async (archive: Archive): Promise<string> => {
  const found: string[] = [];
  for (const entry of archive.entries.values()) {
    found.push(`${entry.name} ${await digestOf(archive.read(entry))}`);
  }
  return found.join('\n');
};

const zip: FuzzTarget = {
  name: 'zip',
  words: [
    packed([4, 0x04034b50]),
    packed([4, 0x02014b50]),
    packed([4, 0x06054b50]),
    packed([4, 0x06064b50]),
    packed([4, 0x07064b50]),
    packed([4, 0x08074b50]),
    packed([2, 1], [2, 16]),
    '../',
    'repo/',
    '\0',
  ],
  seeds: async () => [
    handMadeZip([{ name: 'repo/' }, { name: 'repo/a', data: 'hello' }]),
    handMadeZip([
      { name: 'a', data: 'x'.repeat(3000), deflate: true },
      { name: 'b/c', data: 'hello hello', deflate: true },
      { name: 'd' },
    ]),
    handMadeZip([{ name: 'a', flags: 8, descriptor: packed([4, 0x08074b50], [4, 0], [4, 0], [4, 0]) }]),
  ],
  async judge(bytes) {
    const read = (inflate: Inflate) =>
      verdictOf(ZIP_CODES, async () =>
        readEntries(await openArchive(memoryFile(bytes), { limits, inflate })),
      );
    return same(await read(inflateOnThreadPool), await read(inflateAtOnce));
  },
};

const tarFiles = async (bytes: Uint8Array, pieceBytes: number): Promise<string> => {
  const found: string[] = [];
  for await (const { name, sizeBytes, content } of readTar(inPieces(bytes, pieceBytes), limits)) {
    // A header may announce more than there is: the reader refuses it where the content ends.
    const digest = await digestOf(content);
    assert(sizeBytes <= bytes.length, 'content is part of the archive');
    found.push(`${name} ${digest}`);
  }
  return found.join('\n');
};

const tar: FuzzTarget = {
  name: 'tar',
  words: ['ustar\0', 'ustar  ', '77777777777', '../', '\0', Buffer.alloc(512), Buffer.alloc(1024)],
  seeds: async () => [
    handMadeTar([{ name: 'a', data: 'hello' }, { name: 'b/c', data: 'x'.repeat(1000) }, { name: 'empty' }]),
    handMadeTar([{ name: 'name', prefix: 'folder', data: '1'.repeat(512) }]),
    handMadeTar([]),
  ],
  judge: async (bytes, { pieceBytes }) =>
    same(
      await verdictOf(ZIP_CODES, () => tarFiles(bytes, bytes.length + 1)),
      await verdictOf(ZIP_CODES, () => tarFiles(bytes, pieceBytes)),
    ),
};

const gzip: FuzzTarget = {
  name: 'gzip',
  words: [
    Buffer.from([0x1f, 0x8b, 8, 0]),
    Buffer.from([0x1f, 0x8b, 8, 8]),
    Buffer.alloc(8),
    Buffer.alloc(4, 255),
  ],
  seeds: async () => [
    gzipSync('hello hello hello'),
    gzipSync(''),
    gzipSync(Buffer.alloc(100_000)),
    gzipSync('x', { level: 0 }),
  ],
  async judge(bytes, { pieceBytes }) {
    const options = { compressedBytes: bytes.length, limits };
    const read = (length: number) =>
      verdictOf(ZIP_CODES, () => digestOf(gunzip(inPieces(bytes, length), options)));
    const verdict = same(await read(bytes.length + 1), await read(pieceBytes));
    if (isRefused(verdict)) return verdict;
    const second = gunzipSync(bytes, { maxOutputLength: limits.maxTotalBytes });
    return same(`${second.length} ${digest(second)}`, verdict);
  },
};

const composite: FuzzTarget = {
  name: 'composite',
  words: ['oxide.json', 'zones/', 'image/rom', '{"v":"1","t":"os"}', 'control_plane'],
  seeds: async () => [
    osImage(),
    controlPlane({ a: zone('a', '1.0.0'), b: zone('b', '2.0.0') }),
    // Outside of compression, so that mutations reach the files in it.
    gzipSync(gunzipSync(osImage()), { level: 0 }),
    gzipSync(gunzipSync(controlPlane({ a: zone('a', '1.0.0') })), { level: 0 }),
  ],
  async judge(raw, { pieceBytes }) {
    const bytes = withRightTrailer(raw);
    const verdicts: string[] = [];
    for (const kind of ['host', 'control_plane']) {
      const artifact = { targetName: 'x', version: '1', sizeBytes: bytes.length, tags: { kind, name: 'x' } };
      const read = (length: number) =>
        verdictOf(/^(ARCHIVE_(INVALID|DAMAGED|LIMIT)|COMPOSITE_INVALID)$/, async () =>
          JSON.stringify(await splitComposite(artifact, inPieces(bytes, length), { limits })),
        );
      verdicts.push(same(await read(bytes.length + 1), await read(pieceBytes)));
    }
    return verdicts.join();
  },
};

const firmware: FuzzTarget = {
  name: 'firmware',
  words: [
    packed([4, 0x04034b50]),
    packed([4, 0x02014b50]),
    packed([4, 0x06054b50]),
    packed([4, 0x64ced6ca]),
    packed([4, 0xcab0005e]),
    ...['hubris build archive v9', 'img/final.elf', 'BORD', 'NAME', 'SIGN', '\u007fELF', 'BZh9', '1AY&SY'],
  ],
  seeds: async () => [
    spImage('board'),
    signedImage('board', 'key'),
    // Outside of compression, so that mutations reach the image.
    firmwareImage({ BORD: 'board', NAME: 'other', SIGN: 'key' }, { method: 'stored' }),
  ],
  judge: async bytes => {
    const image = readFirmware(bytes, { kind: 'rot', slot: 'a' });
    if (image.outcome === 'unreadable') return 'refused';
    assert(image.outcome === 'read', 'only a service processor has laboratories');
    for (const value of Object.values(image.tags)) assert.match(value, /^[^\p{C}]{1,128}$/u);
    return JSON.stringify(image.tags);
  },
};

const bzip2Stream: FuzzTarget = {
  name: 'bzip2',
  words: ['BZh1', 'BZh9', '1AY&SY', Buffer.from('177245385090', 'hex')],
  seeds: async () => [
    bzip2(Buffer.from('hello hello hello')),
    bzip2(Buffer.alloc(600, 7), { level: 1 }),
    bzip2(Buffer.alloc(0)),
  ],
  judge: bytes =>
    verdictOf(ZIP_CODES, () => {
      const content = bunzip2(bytes, { maxBytes: MIB });
      assert(content.length <= MIB, 'never more than the limit allows');
      return digest(content);
    }),
};

const chunked: FuzzTarget = {
  name: 'chunked',
  words: ['0', '1', 'a', 'F', ';', ' ', '\r\n', '\n', '0\r\n\r\n', 'ffffffffffffff', 'A: b\r\n'],
  seeds: async () =>
    ['0\r\n\r\n', '5\r\nhello\r\n0\r\n\r\n', '1;a="b"\r\nx\r\n0A\r\n0123456789\r\n0\r\nA: b\r\n\r\n'].map(
      text => Buffer.from(text),
    ),
  async judge(bytes, { pieceBytes }) {
    const decode = (size: number) =>
      verdictOf(/^PEER_BAD_ANSWER$/, () => {
        const decoder = createChunkDecoder('peer');
        const data: Buffer[] = [];
        for (let from = 0; from < bytes.length; from += size) {
          const piece = Buffer.from(bytes.subarray(from, from + size));
          const length = decoder.decode(piece);
          assert(length <= piece.length, 'there is never more data than bytes');
          data.push(piece.subarray(0, length));
        }
        return `${decoder.isOver()} ${digest(Buffer.concat(data))}`;
      });
    const whole = await decode(Math.max(1, bytes.length));
    return same(same(whole, await decode(pieceBytes)), await decode(1));
  },
};

/** A wrong checksum would stop almost every mutation before its content matters. */
const withRightTrailer = (bytes: Uint8Array): Uint8Array => {
  try {
    return gzipSync(
      gunzipSync(bytes.subarray(0, -8), { finishFlush: 2, maxOutputLength: limits.maxTotalBytes }),
    );
  } catch {
    return bytes;
  }
};

export const FUZZ_TARGETS: readonly FuzzTarget[] = [
  ...[json, metadata, zip, tar, gzip, composite],
  ...[firmware, bzip2Stream, chunked],
];
