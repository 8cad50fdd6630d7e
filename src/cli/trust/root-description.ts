/** A TUF root for an operator to check: its digest, version, expiry, and the keys and thresholds of each role. */
import { z } from 'zod';
import { DepotError } from '../../lib/errors.ts';
import { rootDigestOf } from '../../tuf/root-digest.ts';
import { printable, type Style } from '../output/style.ts';
import { factLines } from '../output/table.ts';

/** Only the fields that are shown; the rest was checked when the root was added. */
const RootShape = z.object({
  signed: z.object({
    version: z.number(),
    expires: z.string(),
    keys: z.record(z.string(), z.object({ keytype: z.string(), scheme: z.string() })),
    roles: z.record(z.string(), z.object({ keyids: z.array(z.string()), threshold: z.number() })),
  }),
});

export type RootDescription = {
  /** By which the root is known, computed from what is shown. */
  readonly digest: string;
  readonly version: string;
  readonly expires: string;
  /** The root role's key ids, shortened, and how many of them have to sign. */
  readonly keyText: string;
  readonly roles: readonly {
    readonly role: string;
    readonly threshold: number;
    readonly keys: readonly { readonly keyId: string; readonly scheme: string }[];
  }[];
};

const UNREADABLE: RootDescription = { digest: '?', version: '?', expires: '?', keyText: '?', roles: [] };

export const describeRoot = (rootRole: unknown): RootDescription => {
  const parsed = RootShape.safeParse(rootRole);
  if (!parsed.success) return UNREADABLE;
  const { version, expires, keys, roles } = parsed.data.signed;
  const described = Object.entries(roles).map(([role, { keyids, threshold }]) => ({
    role,
    threshold,
    keys: keyids.map(keyId => ({ keyId, scheme: keys[keyId]?.scheme ?? '?' })),
  }));
  const root = described.find(({ role }) => role === 'root');
  return {
    digest: digestOf(rootRole),
    version: String(version),
    expires,
    keyText:
      root === undefined
        ? '?'
        : `${root.keys.map(({ keyId }) => keyId.slice(0, 12).toWellFormed()).join(', ')} (${root.threshold} of ${root.keys.length})`,
    roles: described,
  };
};

const digestOf = (rootRole: unknown): string => {
  try {
    return rootDigestOf(Buffer.from(JSON.stringify(rootRole)));
  } catch (error) {
    if (error instanceof DepotError) return UNREADABLE.digest;
    throw error;
  }
};

/** Every key id in full, for comparison with those that the signer publishes. `facts` come first, in one column. */
export const rootLines = (
  root: RootDescription,
  style: Style,
  facts: Parameters<typeof factLines>[0] = [],
): string[] => [
  ...factLines(
    [...facts, ['root SHA-256', root.digest], ['root version', root.version], ['expires', root.expires]],
    style,
  ),
  ...root.roles.flatMap(({ role, threshold, keys }) => [
    `${style.bold(printable(role))}: ${threshold} of ${keys.length} must sign`,
    ...keys.map(({ keyId, scheme }) => `  ${printable(keyId)} ${style.dim(printable(scheme))}`),
  ]),
];
