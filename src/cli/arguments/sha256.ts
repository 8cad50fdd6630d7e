import { isArtifactHash } from '../../core/ids.ts';
import { usageError } from '../output/failure.ts';

/** @throws `USAGE` naming the argument */
export const parseSha256 = (text: string, what: string): string => {
  if (isArtifactHash(text)) return text;
  throw usageError(`${what}: ${text} is no SHA-256`, 'give its 64 lower-case hex digits');
};
