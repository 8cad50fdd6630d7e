import { createHash } from 'node:crypto';
import { digestInput, type OfferedConfig } from '../core/artifact-config.ts';
import type { SledConfig } from './sled-connection.ts';

/** The digest is computed here, from the listed hashes: a digest that the sled sends would prove nothing. */
export const sledConfigOf = ({
  generation,
  artifacts,
}: Pick<OfferedConfig, 'generation' | 'artifacts'>): SledConfig => {
  const hashes = [...artifacts.keys()];
  return {
    generation,
    digest: createHash('sha256').update(digestInput(hashes)).digest('hex'),
    artifacts: new Set(hashes),
  };
};
