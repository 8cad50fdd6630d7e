/** The prefix digests of an artifact, as a Nexus tells them to a sled. */
import type { PrefixDigestsBody } from '../api/transfer-api.ts';
import type { SizedPrefixes } from '../core/prefix-digests.ts';

export const prefixesBody = ({ sizeBytes, prefixes }: SizedPrefixes): PrefixDigestsBody => ({
  size_bytes: sizeBytes,
  unit_bytes: prefixes.unitBytes,
  prefix_digests: Buffer.from(prefixes.digests).toString('base64'),
});

export const prefixesOf = (body: PrefixDigestsBody): SizedPrefixes => ({
  sizeBytes: body.size_bytes,
  prefixes: {
    unitBytes: body.unit_bytes,
    digests: Uint8Array.from(Buffer.from(body.prefix_digests, 'base64')),
  },
});
