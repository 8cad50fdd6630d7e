import type { ReleaseDescription } from '../../core/release.ts';

/** What a release is made of, in the wire's names: stable for scripts. */
export const descriptionData = ({ systemVersion, format, artifacts }: ReleaseDescription) => ({
  system_version: systemVersion,
  format,
  artifacts: artifacts.map(artifact => ({
    sha256: artifact.sha256,
    size_bytes: artifact.sizeBytes,
    target_name: artifact.targetName,
    version: artifact.version,
    tags: artifact.tags,
  })),
});
