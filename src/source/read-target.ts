import type { RepositorySource } from './source.ts';

/** A small target, whole; undefined if the source has no such file. */
export const readTarget = async (
  source: Pick<RepositorySource, 'openTarget'>,
  fileName: string,
  options: { readonly maxBytes: number; readonly signal: AbortSignal },
): Promise<Uint8Array | undefined> => {
  const found = await source.openTarget(fileName, options);
  if (found === undefined) return undefined;
  await using target = found;
  const parts: Uint8Array[] = [];
  for await (const chunk of target.chunks) parts.push(chunk);
  return Buffer.concat(parts);
};
