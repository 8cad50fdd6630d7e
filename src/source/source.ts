/**
 * The source of a repository: an archive, a directory, an HTTP server.
 *
 * A source only delivers bytes: the reader checks signatures, lengths and hashes.
 */
import type { MetadataSource } from '../tuf/repository.ts';

type TargetReader = AsyncDisposable & {
  /** The reader owns the chunks. */
  readonly chunks: AsyncIterable<Uint8Array>;
};

export type RepositorySource = AsyncDisposable & {
  readonly kind: 'archive' | 'directory' | 'http';
  /** For people. */
  readonly name: string;
  readonly metadata: MetadataSource;
  /**
   * A file of `targets/` whole, by its name there; undefined if there is none. Chunks end or throw after
   * `maxBytes`.
   */
  readonly openTarget: (
    fileName: string,
    options: { readonly maxBytes: number; readonly signal: AbortSignal },
  ) => Promise<TargetReader | undefined>;
};
