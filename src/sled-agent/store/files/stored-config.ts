/** An artifact config as stored in the files of a dataset. */
import { z } from 'zod';
import type { ArtifactConfig } from '../../../core/artifact-config.ts';
import { ArtifactHash, Generation } from '../../../core/ids.ts';

export const StoredConfig = z.object({
  generation: Generation,
  artifacts: z.array(z.object({ sha256: ArtifactHash, size_bytes: z.number().int().min(0).optional() })),
});

/** Twice the size of a file with the 100,000 artifacts that a config may list. */
export const MAX_CONFIG_FILE_BYTES = 32 * 2 ** 20;

export const configToStored = ({ generation, artifacts }: ArtifactConfig): z.input<typeof StoredConfig> => ({
  generation,
  artifacts: [...artifacts].map(([sha256, size]) => ({
    sha256,
    ...(size !== undefined && { size_bytes: size }),
  })),
});

export const configOfStored = ({ generation, artifacts }: z.output<typeof StoredConfig>): ArtifactConfig => ({
  generation,
  artifacts: new Map(artifacts.map(({ sha256, size_bytes }) => [sha256, size_bytes])),
});
